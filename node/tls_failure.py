"""Why TLS did not come about, from OpenSSL's reasons to ours. Pure."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from typing import Final

from node.association_failure import Cause

_VERIFICATION: Final[Mapping[int, Cause]] = {
    9: Cause.CERTIFICATE_EARLY,
    10: Cause.CERTIFICATE_EXPIRED,
    2: Cause.CERTIFICATE_UNKNOWN,  # no certificate of the issuer
    18: Cause.CERTIFICATE_UNKNOWN,  # signed by itself
    19: Cause.CERTIFICATE_UNKNOWN,  # the chain ends with one that is
    20: Cause.CERTIFICATE_UNKNOWN,  # no certificate of the issuer here
    21: Cause.CERTIFICATE_UNKNOWN,  # nobody to verify it with
    62: Cause.CERTIFICATE_NAME,  # DNS name
    64: Cause.CERTIFICATE_NAME,  # IP address
}
"""X509_V_ERR_... of OpenSSL (x509_vfy.h) -> what is wrong with the peer's certificate."""

_NO_TLS: Final = frozenset(
    {
        "WRONG_VERSION_NUMBER",
        "HTTP_REQUEST",
        "RECORD_LAYER_FAILURE",
        "PACKET_LENGTH_TOO_LONG",
        "BAD_RECORD_TYPE",
    }
)
"""What comes back is no TLS record."""

_NOTHING_IN_COMMON: Final = (
    "UNSUPPORTED_PROTOCOL",
    "ALERT_PROTOCOL_VERSION",
    "NO_SHARED_CIPHER",
    "NO_CIPHERS_AVAILABLE",
    "NO_PROTOCOLS_AVAILABLE",
    "ALERT_HANDSHAKE_FAILURE",
    "ALERT_INSUFFICIENT_SECURITY",
    "DH_KEY_TOO_SMALL",
    "WRONG_CIPHER_RETURNED",
    "WRONG_SSL_VERSION",
)
_ALERT: Final = "ALERT_"


def cause_of(error: OSError) -> Cause:
    """Why a handshake of ours failed."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFICATION.get(error.verify_code, Cause.CERTIFICATE_BAD)
    if isinstance(error, TimeoutError):
        return Cause.TLS_SILENT
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        return cause_of_alert(error)
    return Cause.TLS_CLOSED


def cause_of_alert(error: ssl.SSLError) -> Cause:
    """The same of an error after the certificates are verified; TLS 1.3 tells what it thinks of ours late."""
    reason = error.reason or ""
    if reason in _NO_TLS:
        return Cause.NO_TLS
    if any(reason.endswith(known) for known in _NOTHING_IN_COMMON):
        return Cause.TLS_DIFFERS
    return Cause.OUR_CERTIFICATE if _ALERT in reason else Cause.TLS_CLOSED


def words_of(error: OSError) -> str:
    """OpenSSL's words, or the operating system's."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return str(error.verify_message)
    if isinstance(error, ssl.SSLError):
        return (error.reason or "no reason").lower().replace("_", " ")
    return error.strerror or str(error)
