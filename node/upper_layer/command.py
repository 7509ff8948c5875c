"""Command sets (PS3.7 6.3.1, 9.3.1): those of C-STORE read and written without a Dataset.

A command set is always Implicit VR Little Endian. Pure: no I/O.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

C_STORE_RQ: Final = 0x0001
C_STORE_RSP: Final = 0x8001
NO_DATA_SET: Final = 0x0101  # (0000,0800) Command Data Set Type; any other value announces one

AFFECTED_SOP_CLASS_UID: Final = 0x00000002
COMMAND_FIELD: Final = 0x00000100
MESSAGE_ID: Final = 0x00000110
PRIORITY: Final = 0x00000700
DATA_SET_TYPE: Final = 0x00000800
AFFECTED_SOP_INSTANCE_UID: Final = 0x00001000
MOVE_ORIGINATOR: Final = 0x00001030
MOVE_ORIGINATOR_MESSAGE_ID: Final = 0x00001031

COMMAND: Final = 1  # bit 0 of a message control header: the fragment is of a command set (PS3.8 E.2)
LAST: Final = 2  # bit 1: and the last one
PDV_HEAD_BYTES: Final = 6  # item length, presentation context ID, message control header
LEAST_PDU_LENGTH: Final = 32
"""A peer that takes less at once than this gets this much: no command set could be sent to it otherwise."""

_ELEMENT = struct.Struct("<HHL")
_US = struct.Struct("<H")


class CommandError(Exception):
    """These bytes are no command set."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreCommand:
    """A C-STORE-RQ (PS3.7 Table 9.3-1)."""

    message_id: int  # (0000,0110)
    sop_class_uid: str  # (0000,0002) Affected SOP Class UID; '' without
    sop_instance_uid: str  # (0000,1000) Affected SOP Instance UID; '' without
    priority: int  # (0000,0700): 0 medium, 1 high, 2 low
    has_data_set: bool  # (0000,0800) Command Data Set Type is not 0101
    move_originator: str  # (0000,1030) AE title whose C-MOVE is served by it; '' without
    move_originator_message_id: int | None  # (0000,1031)


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The status elements of a response (PS3.7 C.4.2)."""

    status: int  # (0000,0900)
    comment: str = ""  # (0000,0902) Error Comment, at most 64 characters; '': none
    offending: int | None = None  # (0000,0901) Offending Element as 0xGGGGEEEE


Elements = dict[int, bytes]
"""Tag as 0xGGGGEEEE -> encoded value."""


def elements(command: bytes | bytearray) -> Elements:
    """The elements of a command set; its group length (0000,0000) is neither needed nor believed.

    Raises:
        CommandError: it is cut, or an element is not of group 0000.
    """
    found: Elements = {}
    offset, end = 0, len(command)
    while offset < end:
        if end - offset < _ELEMENT.size:
            raise CommandError(f"{end - offset} bytes are left where an element of 8 or more should be")
        group, element, length = _ELEMENT.unpack_from(command, offset)
        offset += _ELEMENT.size
        if group:
            raise CommandError(f"element ({group:04X},{element:04X}) is none of a command set")
        if length > end - offset:
            raise CommandError(f"(0000,{element:04X}) has {length} bytes, but {end - offset} are left")
        found[element] = bytes(command[offset : offset + length])
        offset += length
    return found


def number(found: Elements, tag: int) -> int:
    """The value of an element of VR US. Raises CommandError when it is missing or not of two bytes."""
    value = found.get(tag)
    if value is None:
        raise CommandError(f"(0000,{tag:04X}) is missing")
    return _number(tag, value)


def _number(tag: int, value: bytes) -> int:
    if len(value) != _US.size:
        raise CommandError(f"(0000,{tag:04X}) has {len(value)} bytes, not 2")
    (found,) = _US.unpack(value)
    return int(found)


def text(found: Elements, tag: int) -> str:
    """Without its padding: one NULL or spaces, but senders mix them up and double them."""
    return found.get(tag, b"").strip(b" \0").decode("ascii", "backslashreplace")


def store_command(found: Elements) -> StoreCommand:
    """The elements of a C-STORE-RQ. Raises CommandError when a number is missing or malformed."""
    originator_id = found.get(MOVE_ORIGINATOR_MESSAGE_ID)
    return StoreCommand(
        message_id=number(found, MESSAGE_ID),
        sop_class_uid=text(found, AFFECTED_SOP_CLASS_UID),
        sop_instance_uid=text(found, AFFECTED_SOP_INSTANCE_UID),
        priority=number(found, PRIORITY) if PRIORITY in found else 0,
        has_data_set=number(found, DATA_SET_TYPE) != NO_DATA_SET,
        move_originator=text(found, MOVE_ORIGINATOR),
        move_originator_message_id=(
            _number(MOVE_ORIGINATOR_MESSAGE_ID, originator_id) if originator_id else None
        ),
    )


def store_response(command: StoreCommand, outcome: Outcome) -> bytes:
    """The command set of a C-STORE-RSP (PS3.7 9.3.1.2)."""
    parts = [
        ui(AFFECTED_SOP_CLASS_UID, command.sop_class_uid),
        us(COMMAND_FIELD, C_STORE_RSP),
        us(0x0120, command.message_id),
        us(DATA_SET_TYPE, NO_DATA_SET),
        us(0x0900, outcome.status),
    ]
    if outcome.offending is not None:
        group, element = divmod(outcome.offending, 0x10000)
        parts.append(_element(0x0901, struct.pack("<HH", group, element)))
    if outcome.comment:
        parts.append(_element(0x0902, _even(outcome.comment.encode("ascii", "replace"), b" ")))
    parts.append(ui(AFFECTED_SOP_INSTANCE_UID, command.sop_instance_uid))
    return command_set(*parts)


def command_set(*parts: bytes) -> bytes:
    """Its elements, in order, behind their length (PS3.7 6.3.1)."""
    rest = b"".join(parts)
    return _element(0x0000, struct.pack("<L", len(rest))) + rest


def _element(tag: int, value: bytes) -> bytes:
    return _ELEMENT.pack(0, tag, len(value)) + value


def us(tag: int, value: int) -> bytes:
    """An element of VR US."""
    return _element(tag, _US.pack(value))


def ui(tag: int, value: str) -> bytes:
    """An element of VR UI; nothing for '': what a request did not have, its response has not either."""
    return _element(tag, _even(value.encode("ascii"), b"\0")) if value else b""


def _even(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) % 2 else value
