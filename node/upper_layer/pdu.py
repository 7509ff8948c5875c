"""PDUs by their numbers (PS3.8 9.3): types, lengths, and those that are sent without pynetdicom."""

from __future__ import annotations

import struct
from enum import Enum, IntEnum
from typing import Final

MAXIMUM_PDU_BYTES: Final = 540_672
"""What we announce as Maximum Length Received (PS3.8 D.1): a CT slice of 512 x 512 in one PDU."""
REQUEST_MAX_BYTES: Final = 1 << 20
"""The longest A-ASSOCIATE-RQ that is read: 128 contexts of 16 transfer syntaxes have some 60 KB."""
PDU_HEAD_BYTES: Final = 6
LEAST_PDU_BYTES: Final = 10
"""No PDU is shorter: so many bytes can be read before anything is known."""

PDU_HEAD: Final = struct.Struct(">BxL")
"""Type, and length of what follows."""


class PduType(IntEnum):
    """PS3.8 9.3."""

    A_ASSOCIATE_RQ = 0x01
    A_ASSOCIATE_AC = 0x02
    A_ASSOCIATE_RJ = 0x03
    P_DATA_TF = 0x04
    A_RELEASE_RQ = 0x05
    A_RELEASE_RP = 0x06
    A_ABORT = 0x07


TYPES: Final = frozenset(PduType)
EMPTY_LENGTH: Final = 4
"""PDU length of A-RELEASE-RQ, A-RELEASE-RP and A-ABORT."""


class Abort(Enum):
    """Source and reason of an A-ABORT (PS3.8 Table 9-26)."""

    BY_USER = (0, 0)
    NOT_SPECIFIED = (2, 0)
    UNRECOGNIZED_PDU = (2, 1)
    UNEXPECTED_PDU = (2, 2)
    UNEXPECTED_PARAMETER = (2, 5)
    INVALID_PARAMETER = (2, 6)


def a_abort(abort: Abort) -> bytes:
    """An A-ABORT PDU (PS3.8 9.3.8)."""
    source, reason = abort.value
    return struct.pack(">BxLxxBB", PduType.A_ABORT, EMPTY_LENGTH, source, reason)


def a_associate_rj(result: int, source: int, reason: int) -> bytes:
    """An A-ASSOCIATE-RJ PDU (PS3.8 9.3.4)."""
    return struct.pack(">BxLxBBB", PduType.A_ASSOCIATE_RJ, EMPTY_LENGTH, result, source, reason)


A_RELEASE_RP: Final = struct.pack(">BxL4x", PduType.A_RELEASE_RP, EMPTY_LENGTH)
"""PS3.8 9.3.7."""


class Violation(Exception):
    """The peer broke the protocol; the message says how, `abort` what it is told."""

    def __init__(self, words: str, abort: Abort) -> None:
        super().__init__(words)
        self.abort = abort
