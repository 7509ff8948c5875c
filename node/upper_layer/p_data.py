"""A message cut into P-DATA-TF PDUs, one PDV in each (PS3.8 9.3.5, Annex E).

The data set is not copied: the heads of its PDUs and the pieces between them are written by one call.
Pure: no I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Final

from node.upper_layer.command import COMMAND, LAST, LEAST_PDU_LENGTH, PDV_HEAD_BYTES
from node.upper_layer.pdu import MAXIMUM_PDU_BYTES, PduType

PIECE_BYTES: Final = 1 << 20
"""How much of a data set is written at once: a slow line gets the network time-out for so much."""
PIECE_PDUS: Final = 256
"""And in how many PDUs at most: each is two parts of a `sendmsg`, and IOV_MAX is 1024."""

_PDU_AND_PDV = struct.Struct(">BxLLBB")
_ID_AND_CONTROL: Final = 2  # bytes, counted in the length of a PDV item
_ITEM_LENGTH: Final = 4  # bytes, counted in the length of a PDU

Part = bytes | memoryview


def fragment_bytes(maximum_length: int) -> int:
    """How much of a message goes into one PDU, an even number.

    Args:
        maximum_length: what the peer takes in one PDU (PS3.8 D.1); 0: anything.
    """
    length = min(maximum_length or MAXIMUM_PDU_BYTES, MAXIMUM_PDU_BYTES)
    return max(length, LEAST_PDU_LENGTH) - PDV_HEAD_BYTES & ~1


def piece_bytes(fragment: int) -> int:
    """How much of a data set is written at once: whole fragments."""
    return fragment * max(1, min(PIECE_BYTES // fragment, PIECE_PDUS))


def message_parts(
    context_id: int, command: bytes, *, fragment: int, pieces: Iterable[memoryview] = (), size_bytes: int = 0
) -> Iterator[list[Part]]:
    """What is written one after the other: each list by one call.

    Args:
        context_id: the presentation context ID.
        command: the command set.
        fragment: as `fragment_bytes` gives it.
        pieces: the data set, in pieces of `piece_bytes`; empty without one.
        size_bytes: of all pieces together.
    """
    parts = _cut(context_id, memoryview(command), COMMAND, fragment, is_end=True)
    left = size_bytes
    for piece in pieces:
        left -= len(piece)
        parts += _cut(context_id, piece, 0, fragment, is_end=left == 0)
        yield parts
        parts = []
    if parts:
        yield parts


def _cut(context_id: int, data: memoryview, kind: int, fragment: int, *, is_end: bool) -> list[Part]:
    """Heads and pieces. `is_end`: whether the last fragment is the last of the command or data set."""
    parts: list[Part] = []
    size = len(data)
    for offset in range(0, size, fragment):
        piece = data[offset : offset + fragment]
        last = LAST if is_end and offset + fragment >= size else 0
        item = len(piece) + _ID_AND_CONTROL
        parts.append(_PDU_AND_PDV.pack(PduType.P_DATA_TF, item + _ITEM_LENGTH, item, context_id, kind | last))
        parts.append(piece)
    return parts
