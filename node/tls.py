"""TLS contexts (PS3.15 B.12: BCP 195, which is RFC 8996 and RFC 9325).

TLS 1.2 and 1.3 alone. In TLS 1.2, ephemeral Diffie-Hellman on elliptic curves with AES-GCM or ChaCha20
alone, no compression, no renegotiation (RFC 9325 3.3 to 4.2). Sessions are not resumed: each connection
shows its certificate.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from node.config import Tls
from node.secured import Secured
from node.tls_files import check, expires_in_s, fingerprint
from storage.errors import ConfigError
from storage.logs import log

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2, in OpenSSL's words (RFC 9325 4.2); those of TLS 1.3 are all recommended."""

EXPIRES_SOON_S: Final = 30 * 86400.0
LOOK_EVERY_S: Final = 86400.0
"""How often it is looked whether our certificate ends soon, and told."""


class ServerContext:
    """The context of our TLS listener; calling it reads the files again if they changed.

    What is open stays: a context belongs to the connections that were made with it. Files that cannot be
    used leave the context as it is, and are told once. Safe to call from several threads.
    """

    def __init__(self, tls: Tls, *, clock: Callable[[], float] = time.time) -> None:
        self._tls = tls
        self._clock = clock
        self._lock = threading.Lock()
        self._looked_at: float | None = None
        self._seen = fingerprint(tls.files)
        self._context = server_side(tls)
        self._tell_end()

    def __call__(self) -> ssl.SSLContext:
        """The context for one more connection."""
        with self._lock:
            if (seen := fingerprint(self._tls.files)) != self._seen:
                self._seen = seen
                self._reload()
            self._tell_end()
            return self._context

    def _reload(self) -> None:
        try:
            self._context = server_side(self._tls)
        except ConfigError as error:
            log().error("certificates not reloaded", reason=str(error))
            return
        self._looked_at = None
        log().info("certificates reloaded", path=str(self._tls.certificate))

    def _tell_end(self) -> None:
        """Warn once a day in the last thirty days of our certificate, or of one of its chain."""
        now = self._clock()
        if self._looked_at is not None and now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        try:
            left_s = expires_in_s(self._tls, now=now)
        except ConfigError:
            return  # told by the reload that failed
        if left_s is not None and left_s < EXPIRES_SOON_S:
            log().warning("certificate expires soon", path=str(self._tls.certificate), seconds=round(left_s))


def server_context(tls: Tls) -> Callable[[], ssl.SSLContext]:
    """The contexts of our TLS listener, for `tls.port`.

    Raises:
        ConfigError: a file is missing or cannot be used; the message names its key and path.
    """
    return ServerContext(tls)


def server_side(tls: Tls) -> ssl.SSLContext:
    """The context of a listener: who calls shows a certificate, where `tls.peers_have_certificates`.

    Raises:
        ConfigError: see `server_context`.
    """
    check(tls.files)
    context = _bcp_195(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    context.verify_mode = ssl.CERT_REQUIRED if tls.peers_have_certificates else ssl.CERT_OPTIONAL
    _own(context, tls.certificate, tls.key)
    _trusted(context, tls.authorities)
    return context


def described(tls: Tls, *, now: float) -> str:
    """What the section means, for `ctnode check-config`; '' when TLS is not spoken. Its files are used once.

    Args:
        tls: the section.
        now: seconds since the epoch.

    Raises:
        ConfigError: a file is missing or cannot be used; the message names its key and path.
    """
    if tls.port is not None:
        server_side(tls)
        how = f"TLS on port {tls.port}"
    elif (secured := tls.secured(None)) is not None:
        client_context(secured)
        how = "TLS when peers are called"
    else:
        return ""
    left_s = expires_in_s(tls, now=now)
    if left_s is None:
        return f"{how}, without a certificate of ours"
    days = int(abs(left_s) // 86400)
    return f"{how}; our certificate " + (f"ends in {days} days" if left_s > 0 else f"ended {days} days ago")


def client_context(secured: Secured) -> ssl.SSLContext:
    """The context for calling a peer: its certificate is verified, and ours shown if we have one.

    The name is checked by the context when it is the host's; a `certificate_name` is left to the caller
    (`node.certificates.is_named`), for it may be a common name.

    Raises:
        ConfigError: a file is missing or cannot be used; the message names its key and path.
    """
    check(secured.files)
    context = _bcp_195(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_mode = ssl.CERT_REQUIRED
    context.check_hostname = secured.certificate_name is None
    context.hostname_checks_common_name = False  # RFC 9525 6.3
    if secured.certificate is not None:
        _own(context, secured.certificate, secured.key)
    _trusted(context, secured.authorities)
    return context


def _bcp_195(side: int) -> ssl.SSLContext:
    context = ssl.SSLContext(side)
    if side == ssl.PROTOCOL_TLS_CLIENT:
        context.check_hostname = False  # until it is known what is checked
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # an authority is trusted that is not a root
    return context


def _own(context: ssl.SSLContext, certificate: Path | None, key: Path | None) -> None:
    if certificate is None or key is None:
        raise ConfigError("tls.certificate and tls.key: both are needed")
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise ConfigError(f"tls.key: {key} is not the key of tls.certificate ({certificate})") from error
        raise ConfigError(
            f"tls.certificate: {certificate} and tls.key: {key} cannot be used: {error.reason or error}"
        ) from error


def _no_password() -> str:
    raise ConfigError("tls.key: the key has a password; a node that starts by itself has nobody to ask")


def _trusted(context: ssl.SSLContext, authorities: Path | None) -> None:
    if authorities is None:
        raise ConfigError("tls.authorities: is missing")
    try:
        context.load_verify_locations(cafile=authorities)
    except ssl.SSLError as error:
        raise ConfigError(
            f"tls.authorities: {authorities} holds no certificate that can be used: {error.reason or error}"
        ) from error
