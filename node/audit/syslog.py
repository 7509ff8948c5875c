"""Audit messages to a syslog server: RFC 5424 messages in the frames of RFC 5425, over TLS.

The protocol has no answer. A connection is closed in order after each batch (close_notify, RFC 5425 4.4), and
what was not sent so is sent again: a server may get a message twice, and none is left out.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from node.audit.parts import Part, audit_file, parts
from node.config import Config
from node.secured import Secured
from node.tls import client_context
from storage import audits
from storage.errors import ConfigError
from storage.ledger import Ledger
from storage.logs import log

PRIORITY: Final = 10 * 8 + 5
"""Facility 10, security and authorization; severity 5, notice (RFC 5424 6.2.1)."""
MESSAGE_ID: Final = "DICOM+RFC3881"
"""MSGID of audit messages (PS3.15 A.6.1)."""
TIMEOUT_S: Final = 10.0
BATCH_BYTES: Final = 1 << 20
MARK: Final = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""UTF-8's byte order mark, before a message in that encoding (RFC 5424 6.4)."""


def framed(message: str, *, at: float, host: str) -> bytes:
    """One message with its header and its length (RFC 5424 6, RFC 5425 4.3)."""
    time = datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    header = f"<{PRIORITY}>1 {time} {host} ctnode {os.getpid()} {MESSAGE_ID} - "
    text = f'{header}{MARK}<?xml version="1.0" encoding="UTF-8"?>{message}'.encode()
    return str(len(text)).encode("ascii") + b" " + text


class Forwarding:
    """Sends what the audit file holds and the server has not got."""

    def __init__(self, config: Config, ledger: Ledger, *, clock: Callable[[], float]) -> None:
        self._config, self._ledger, self._clock = config, ledger, clock
        self._is_away = False

    def forward(self) -> None:
        """All that is settled, in batches. Raises LedgerDown."""
        section = self._config.audit
        if section.syslog_host is None or not section.enabled:
            return
        path = audit_file(self._config)
        while True:
            with self._ledger.reading() as connection:
                trail = audits.trail(connection)
            texts, end = _batch(path, trail.sent_bytes, trail.file_bytes)
            if end == trail.sent_bytes or not self._send(section.syslog_host, texts):
                return
            with self._ledger.writing() as connection:
                audits.sent(connection, end)

    def _send(self, host: str, texts: list[bytes]) -> bool:
        frames = b"".join(
            framed(message, at=self._clock(), host=socket.gethostname())
            for text in texts
            for message in _messages(text)
        )
        port = self._config.audit.syslog_port
        try:
            if frames:
                deliver(self._context(), host, port, frames)
        except (OSError, ConfigError) as error:
            if not self._is_away:
                log().error("audit server away", address=host, port=port, reason=_words(error))
            self._is_away = True
            return False
        if self._is_away:
            log().info("audit server answers", address=host, port=port)
        self._is_away = False
        return True

    def _context(self) -> ssl.SSLContext:
        authorities, own = self._config.audit.syslog_authorities, self._config.tls
        if authorities is None:
            return ssl.create_default_context()
        context = client_context(Secured(authorities=authorities, certificate=own.certificate, key=own.key))
        context.check_hostname = True
        return context


def deliver(context: ssl.SSLContext, host: str, port: int, frames: bytes) -> None:
    """One connection: send, and close in order. Raises OSError."""
    with (
        socket.create_connection((host, port), TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=host) as secured,
    ):
        secured.sendall(frames)
        _close(secured)


def _close(secured: ssl.SSLSocket) -> None:
    """Say that nothing more comes, and wait until the server closes too: then it has read everything.

    It need not say so itself (RFC 5425 4.4): the end of the connection is enough, a reset of it is not.
    """
    try:
        secured.unwrap()
    except ssl.SSLEOFError:
        pass
    except TimeoutError as error:
        raise OSError("it does not read what it gets") from error
    except OSError as error:
        if error.errno:
            raise


def _batch(path: Path, begin: int, end: int) -> tuple[list[bytes], int]:
    """Whole lines from a byte of the trail on, and where they end; those of one file."""
    try:
        known = _placed(parts(path))
        for number, (part, begins_at) in enumerate(known):
            after = known[number + 1][1] if number + 1 < len(known) else end
            ends_at = min(end, after, begins_at + part.size_bytes)  # what stands behind is not ours
            if begin < ends_at:
                return _read(part, begins_at, max(begin, begins_at), ends_at)
    except FileNotFoundError:  # a file was ended or removed meanwhile: the next time
        pass
    return [], begin


def _placed(found: list[Part]) -> list[tuple[Part, int]]:
    """Where in the trail each file begins; one whose head was changed, where the one before it ends."""
    known: list[tuple[Part, int]] = []
    reached = 0
    for part in found:
        begins_at = reached if part.head is None else part.head.begins_at
        known.append((part, begins_at))
        reached = begins_at + part.size_bytes
    return known


def _read(part: Part, begins_at: int, begin: int, end: int) -> tuple[list[bytes], int]:
    with part.path.open("rb") as file:
        if os.fstat(file.fileno()).st_size < end - begins_at:  # another one has its name now
            return [], begin
        file.seek(begin - begins_at)
        data = file.read(min(end - begin, BATCH_BYTES))
        if not data.endswith(b"\n") and begin + len(data) < end:
            data = data[: data.rfind(b"\n") + 1] or data + file.readline()
    return data.splitlines(), begin + len(data)


def _messages(text: bytes) -> Iterator[str]:
    """Of one line; of one that somebody changed into none, nothing: `ctnode audit verify` names it."""
    try:
        yield from (str(message) for message in json.loads(text)["messages"])
    except (ValueError, KeyError, TypeError):
        return


def _words(error: OSError | ConfigError) -> str:
    return str(getattr(error, "strerror", None) or error)
