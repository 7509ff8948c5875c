"""PDUs as bytes (PS3.8 9.3), right or wrong: every length can be other than what follows. No I/O."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

APPLICATION_CONTEXT: Final = b"1.2.840.10008.3.1.1.1"
IMPLICIT: Final = b"1.2.840.10008.1.2"
EXPLICIT: Final = b"1.2.840.10008.1.2.1"
DEFLATED: Final = b"1.2.840.10008.1.2.1.99"
VERIFICATION: Final = b"1.2.840.10008.1.1"
CT_IMAGE_STORAGE: Final = b"1.2.840.10008.5.1.4.1.1.2"
IMPLEMENTATION_CLASS_UID: Final = b"2.25.190746308264170263861041379287302170271"

ASSOCIATE_RQ, ASSOCIATE_AC, ASSOCIATE_RJ, P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = range(1, 8)
"""PDU-type (PS3.8 Table 9-11 and on)."""

TYPES: Final = {
    ASSOCIATE_RQ: "A-ASSOCIATE-RQ",
    ASSOCIATE_AC: "A-ASSOCIATE-AC",
    ASSOCIATE_RJ: "A-ASSOCIATE-RJ",
    P_DATA: "P-DATA-TF",
    RELEASE_RQ: "A-RELEASE-RQ",
    RELEASE_RP: "A-RELEASE-RP",
    ABORT: "A-ABORT",
}
MAXIMUM_LENGTH: Final = 16_384
"""What we can receive in a P-DATA-TF, in bytes (PS3.8 D.1)."""

COMMAND, DATA, LAST_COMMAND, LAST_DATA = 0x01, 0x00, 0x03, 0x02
"""Message control headers (PS3.8 E.2)."""

AE_FIELD_BYTES: Final = 16
NO_VALUE: Final = 0xFFFFFFFF
"""The greatest length that fits."""


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """A presentation context as it is proposed (PS3.8 9.3.2.2)."""

    id: int  # odd, 1-255, where it is right
    abstract_syntax: bytes  # a UID
    transfer_syntaxes: Sequence[bytes]  # UIDs


ECHO_CONTEXT: Final = Proposed(id=1, abstract_syntax=VERIFICATION, transfer_syntaxes=[IMPLICIT])
CT_CONTEXT: Final = Proposed(id=3, abstract_syntax=CT_IMAGE_STORAGE, transfer_syntaxes=[IMPLICIT])
DEFLATED_CONTEXT: Final = Proposed(id=5, abstract_syntax=CT_IMAGE_STORAGE, transfer_syntaxes=[DEFLATED])
USUAL: Final = (ECHO_CONTEXT, CT_CONTEXT)


def pdu(kind: int, body: bytes, *, length: int | None = None) -> bytes:
    """A PDU; its length field says what it is told to."""
    return struct.pack(">BxI", kind, len(body) if length is None else length) + body


def item(kind: int, body: bytes, *, length: int | None = None) -> bytes:
    """An item or sub-item of A-ASSOCIATE-RQ."""
    return struct.pack(">BxH", kind, len(body) if length is None else length) + body


def context_item(proposed: Proposed) -> bytes:
    """A presentation context item (PS3.8 9.3.2.2)."""
    names = item(0x30, proposed.abstract_syntax)
    names += b"".join(item(0x40, syntax) for syntax in proposed.transfer_syntaxes)
    return item(0x20, struct.pack(">B3x", proposed.id) + names)


def maximum_length(size_bytes: int = MAXIMUM_LENGTH) -> bytes:
    """The maximum length sub-item (PS3.8 D.1)."""
    return item(0x51, struct.pack(">I", size_bytes))


IMPLEMENTATION: Final = item(0x52, IMPLEMENTATION_CLASS_UID) + item(0x55, b"HOSTILE")
"""Implementation class UID and version name (PS3.7 D.3.3.2)."""


def user_information(*sub_items: bytes) -> bytes:
    """The user information item (PS3.8 9.3.2.3)."""
    return item(0x50, b"".join(sub_items))


def associate_items(
    contexts: Sequence[Proposed] = USUAL, *sub_items: bytes, application_context: bytes = APPLICATION_CONTEXT
) -> bytes:
    """The variable items of an A-ASSOCIATE-RQ in their order."""
    named = item(0x10, application_context)
    proposed = b"".join(map(context_item, contexts))
    return named + proposed + user_information(maximum_length(), IMPLEMENTATION, *sub_items)


def associate_rq(
    *, called: bytes, calling: bytes, items: bytes, version: int = 1, length: int | None = None
) -> bytes:
    """An A-ASSOCIATE-RQ (PS3.8 9.3.2)."""
    fields = called.ljust(AE_FIELD_BYTES)[:AE_FIELD_BYTES] + calling.ljust(AE_FIELD_BYTES)[:AE_FIELD_BYTES]
    return pdu(ASSOCIATE_RQ, struct.pack(">H2x", version) + fields + bytes(32) + items, length=length)


def pdv(context_id: int, control: int, fragment: bytes, *, length: int | None = None) -> bytes:
    """A presentation data value item (PS3.8 9.3.5.1); its length counts context and control header."""
    return (
        struct.pack(">IBB", len(fragment) + 2 if length is None else length, context_id, control) + fragment
    )


def p_data(*pdvs: bytes, length: int | None = None) -> bytes:
    """A P-DATA-TF (PS3.8 9.3.5)."""
    return pdu(P_DATA, b"".join(pdvs), length=length)


def release_rq() -> bytes:
    """An A-RELEASE-RQ (PS3.8 9.3.6)."""
    return pdu(RELEASE_RQ, bytes(4))


def abort(source: int = 0, reason: int = 0) -> bytes:
    """An A-ABORT (PS3.8 9.3.8)."""
    return pdu(ABORT, bytes((0, 0, source, reason)))
