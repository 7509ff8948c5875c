"""What calls on the DICOM port and is no DICOM: named for the administrator, once a minute for an address."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Final

from node.damping import Damper
from node.upper_layer.pdu import TYPES, PduType
from storage.logs import log

TLS_HANDSHAKE: Final = 0x16  # content type of a TLS record (RFC 8446 5.1), then major version 3
HTTP_METHODS: Final = (b"GET ", b"POST", b"HEAD", b"PUT ", b"OPTI", b"PRI ", b"CONN", b"DELE", b"PATC")


class Stranger(StrEnum):
    """Why a connection was closed before it was an association."""

    TLS = "it speaks TLS: this port is plain DICOM, see tls.port"
    HTTP = "it speaks HTTP"
    ANOTHER_PDU = "its first PDU is no A-ASSOCIATE-RQ"
    NO_DICOM = "it does not speak DICOM"
    TOO_LONG = "its A-ASSOCIATE-RQ is longer than we read"
    CUT = "it hung up within its A-ASSOCIATE-RQ"
    TOO_SLOW = "its A-ASSOCIATE-RQ did not come within node.artim_s"
    NO_PLACE = "too many connections are half open: see node.max_half_open"
    NO_DESCRIPTORS = "this process has no descriptors left"
    NO_THREADS = "this process can start no more threads"


def stranger(first: bytes) -> Stranger | None:
    """What somebody is whose first bytes are these, one at least; None: it may become a caller. Pure."""
    kind = first[0]
    if kind == PduType.A_ASSOCIATE_RQ:
        return None
    if kind in TYPES:
        return Stranger.ANOTHER_PDU
    if kind == TLS_HANDSHAKE and first[1:2] in (b"", b"\x03"):
        return Stranger.TLS
    if any(method.startswith(first[:4]) for method in HTTP_METHODS):
        return Stranger.HTTP
    return Stranger.NO_DICOM


class Strangers:
    """Writes them to the log unless the same was written a moment ago."""

    def __init__(self) -> None:
        self._damper = Damper()

    def tell(self, address: str, reason: str, *, kind: str | None = None) -> None:
        """A connection was closed. `kind`: what counts as the same, where the reason differs each time."""
        if self._damper.is_news((address, kind or reason), time.monotonic()):
            log().warning("connection closed", address=address, reason=reason)
