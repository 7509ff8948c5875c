"""The fragments of messages (PDVs, PS3.8 9.3.5.1), read off the wire in their order.

In whatever way a message is cut: several PDVs in a PDU, a byte in each, the end of one message and the
beginning of the next in one PDU. The wire reads heads together with what follows: two system calls a PDU.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from node.upper_layer.command import COMMAND, LAST, PDV_HEAD_BYTES
from node.upper_layer.pdu import LEAST_PDU_BYTES, MAXIMUM_PDU_BYTES, TYPES, Abort, PduType, Violation
from node.upper_layer.wire import Wire

Room = Callable[[int], memoryview]
"""Gives writable memory of exactly so many bytes."""

_PDU_AND_ITEM = struct.Struct(">BxLL")
_PDV = struct.Struct(">LBB")
_ITEM_BYTES: Final = 4
_ITEM_LEAST: Final = 2  # context ID and control header are counted in an item's length


class PeerAborted(Exception):
    """The peer sent an A-ABORT."""


class Fragments:
    """The PDVs of one association. The public attributes describe the one that `begin` or `next` came to."""

    def __init__(self, wire: Wire) -> None:
        self.context_id = 0
        self.is_command = False
        self.is_last = False
        self.size = 0  # bytes of the fragment
        self._wire = wire
        self._left = 0  # bytes of the PDU behind the fragment
        self._head = memoryview(bytearray(LEAST_PDU_BYTES))

    @property
    def pending(self) -> bool:
        """Whether the PDU holds more PDVs: what follows is a P-DATA, and it is here."""
        return self._left > 0

    def pdu(self) -> bytes:
        """The first 10 bytes of the next PDU, between two messages."""
        return self._take(LEAST_PDU_BYTES)

    def begin(self, head: bytes | None) -> None:
        """Come to the first PDV of a message. `head`: of a P-DATA-TF, from `pdu`; None when `pending`."""
        if head is None:
            self._next_item()
        else:
            self._open(head)

    def next(self) -> None:
        """Come to the next PDV of a message. Raises PeerAborted, Violation, WireLost."""
        if self._left:
            self._next_item()
            return
        head = self._take(LEAST_PDU_BYTES)
        if head[0] == PduType.A_ABORT:
            raise PeerAborted
        if head[0] not in TYPES:
            raise Violation(f"PDU type {head[0]:02X} in a message", Abort.UNRECOGNIZED_PDU)
        if head[0] != PduType.P_DATA_TF:
            raise Violation(f"PDU type {head[0]:02X} in a message", Abort.UNEXPECTED_PDU)
        self._open(head)

    def _open(self, head: bytes) -> None:
        _, length, item = _PDU_AND_ITEM.unpack(head)
        if length > MAXIMUM_PDU_BYTES:
            raise Violation(f"PDU of {length} bytes, {MAXIMUM_PDU_BYTES} announced", Abort.INVALID_PARAMETER)
        context_id, control = self._take(_ITEM_LEAST)
        self._come_to(item, context_id, control, length - _ITEM_BYTES)

    def _next_item(self) -> None:
        item, context_id, control = _PDV.unpack(self._take(PDV_HEAD_BYTES))
        self._come_to(item, context_id, control, self._left - _ITEM_BYTES)

    def _come_to(self, item: int, context_id: int, control: int, left: int) -> None:
        """`left`: bytes of the PDU behind the item's length."""
        self._left = left - item
        if item < _ITEM_LEAST or self._left < 0 or 0 < self._left < PDV_HEAD_BYTES:
            raise Violation(f"PDV of {item} bytes where {left} are left", Abort.INVALID_PARAMETER)
        self.context_id = context_id
        self.is_command = bool(control & COMMAND)
        self.is_last = bool(control & LAST)
        self.size = item - _ITEM_LEAST

    def read(self, room: Room) -> None:
        """The fragment's bytes, into what `room` gives."""
        if self.size:
            self._wire.fill(room(self.size))

    def _take(self, size: int) -> bytes:
        view = self._head[:size]
        self._wire.fill(view)
        return bytes(view)
