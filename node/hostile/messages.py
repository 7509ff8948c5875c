"""DIMSE messages as bytes (PS3.7 6.3, 9.3), right or wrong, and a small synthetic CT slice. No I/O."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from node.hostile.pdus import CT_IMAGE_STORAGE, VERIFICATION

C_STORE_RQ, C_ECHO_RQ = 0x0001, 0x0030
WITH_DATA_SET, NULL = 0x0001, 0x0101
"""Command Data Set Type (0000,0800): 0101H says that none follows."""

AFFECTED_SOP_CLASS_UID: Final = 0x00000002
COMMAND_FIELD: Final = 0x00000100
MESSAGE_ID: Final = 0x00000110
PRIORITY: Final = 0x00000700
DATA_SET_TYPE: Final = 0x00000800
STATUS: Final = 0x00000900
AFFECTED_SOP_INSTANCE_UID: Final = 0x00001000

SOP_CLASS_UID: Final = 0x00080016
SOP_INSTANCE_UID: Final = 0x00080018
STUDY_INSTANCE_UID: Final = 0x0020000D
SERIES_INSTANCE_UID: Final = 0x0020000E
PIXEL_DATA: Final = 0x7FE00010

US: Final = struct.Struct("<H")


def element(tag: int, value: bytes, *, length: int | None = None) -> bytes:
    """An element in Implicit VR Little Endian (PS3.5 7.1.3); its length says what it is told to."""
    said = len(value) if length is None else length
    return struct.pack("<HHI", tag >> 16, tag & 0xFFFF, said) + value


def uid(value: bytes) -> bytes:
    """A UID padded to even length with NUL (PS3.5 9.1)."""
    return value + b"\0" * (len(value) % 2)


def elements(values: Mapping[int, bytes]) -> bytes:
    """Elements in the order of their tags."""
    return b"".join(element(tag, value) for tag, value in sorted(values.items()))


def command_set(values: Mapping[int, bytes], *, group_length: int | None = None) -> bytes:
    """A command set with its group length (PS3.7 6.3.1)."""
    body = elements(values)
    return element(0x00000000, struct.pack("<I", len(body) if group_length is None else group_length)) + body


def echo_fields(message_id: int = 1) -> dict[int, bytes]:
    """The elements of a C-ECHO-RQ (PS3.7 9.3.5.1)."""
    return {
        AFFECTED_SOP_CLASS_UID: uid(VERIFICATION),
        COMMAND_FIELD: US.pack(C_ECHO_RQ),
        MESSAGE_ID: US.pack(message_id),
        DATA_SET_TYPE: US.pack(NULL),
    }


def store_fields(
    sop_instance_uid: bytes, *, sop_class_uid: bytes = CT_IMAGE_STORAGE, message_id: int = 1
) -> dict[int, bytes]:
    """The elements of a C-STORE-RQ (PS3.7 9.3.1.1)."""
    return {
        AFFECTED_SOP_CLASS_UID: uid(sop_class_uid),
        COMMAND_FIELD: US.pack(C_STORE_RQ),
        MESSAGE_ID: US.pack(message_id),
        PRIORITY: US.pack(0),
        DATA_SET_TYPE: US.pack(WITH_DATA_SET),
        AFFECTED_SOP_INSTANCE_UID: uid(sop_instance_uid),
    }


@dataclass(frozen=True, kw_only=True)
class Slice:
    """One CT slice of nothing, in Implicit VR Little Endian."""

    study: bytes  # Study Instance UID
    series: bytes  # Series Instance UID
    instance: bytes  # SOP Instance UID
    side: int = 16  # rows, and columns; two bytes a pixel
    shade: int = 0  # value of every pixel: other content where it differs
    wrong: Mapping[int, bytes] = field(default_factory=dict)  # other values, by tag
    without: frozenset[int] = frozenset()  # tags that are left out

    @property
    def values(self) -> dict[int, bytes]:
        """Every element, by tag: the least that makes an image of it (PS3.3 A.3)."""
        side = US.pack(self.side)
        whole: dict[int, bytes] = {
            0x00080008: b"ORIGINAL\\PRIMARY\\AXIAL",
            SOP_CLASS_UID: uid(CT_IMAGE_STORAGE),
            SOP_INSTANCE_UID: uid(self.instance),
            0x00080060: b"CT",
            0x00100010: b"HOSTILE^PEER",
            0x00100020: b"HOSTILE ",
            STUDY_INSTANCE_UID: uid(self.study),
            SERIES_INSTANCE_UID: uid(self.series),
            0x00200013: b"1 ",
            0x00280002: US.pack(1),
            0x00280004: b"MONOCHROME2 ",
            0x00280010: side,
            0x00280011: side,
            0x00280100: US.pack(16),
            0x00280101: US.pack(16),
            0x00280102: US.pack(15),
            0x00280103: US.pack(1),
            PIXEL_DATA: US.pack(self.shade) * self.side**2,
        }
        return {tag: value for tag, value in {**whole, **self.wrong}.items() if tag not in self.without}

    @property
    def data_set(self) -> bytes:
        """The data set as it is sent."""
        return elements(self.values)

    @property
    def command(self) -> bytes:
        """The command set of its C-STORE-RQ."""
        return command_set(store_fields(self.instance))
