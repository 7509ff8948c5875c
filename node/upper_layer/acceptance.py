"""What a peer asks for in an A-ASSOCIATE-RQ, and our A-ASSOCIATE-AC (PS3.8 9.3.2, 9.3.3; PS3.7 D.3.3).

Sixteen transfer syntaxes in each of 128 presentation contexts take pynetdicom 50 ms, and this 2 ms. Roles are
answered for the SOP classes of which the peer may be the provider; extended negotiation, user identity and
asynchronous operations are not, which the standard provides for: the defaults hold. Pure: no I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pynetdicom.presentation import PresentationContext

from node.upper_layer.pdu import PDU_HEAD, PduType

APPLICATION_CONTEXT: Final = 0x10
CONTEXT_RQ: Final = 0x20
CONTEXT_AC: Final = 0x21
ABSTRACT_SYNTAX: Final = 0x30
TRANSFER_SYNTAX: Final = 0x40
USER_INFORMATION: Final = 0x50
MAXIMUM_LENGTH: Final = 0x51
IMPLEMENTATION_CLASS_UID: Final = 0x52
ROLE_SELECTION: Final = 0x54
IMPLEMENTATION_VERSION_NAME: Final = 0x55

ACCEPTED, NO_ABSTRACT_SYNTAX, NO_TRANSFER_SYNTAX = 0, 3, 4
"""Results of a presentation context (PS3.8 Table 9-18)."""
DEFAULT_MAXIMUM_LENGTH: Final = 16_384
"""For a peer that did not say what it takes in one PDU (PS3.8 D.1 says that it shall)."""
IMPLICIT: Final = b"1.2.840.10008.1.2"
FIXED_BYTES: Final = 74  # before the items

_ITEM = struct.Struct(">BxH")
_RESULT = struct.Struct(">BxBx")
_UID_LENGTH = struct.Struct(">H")

Roles = Mapping[bytes, tuple[bool, bool]]
"""SOP class -> whether the requestor is its user (SCU), and its provider (SCP), of a role selection."""


class Malformed(Exception):
    """These bytes are no A-ASSOCIATE-RQ."""


@dataclass(frozen=True, kw_only=True)
class Proposed:
    """A presentation context that the peer proposes."""

    context_id: int
    abstract_syntax: bytes  # b'' without
    transfer_syntaxes: Sequence[bytes]


@dataclass(frozen=True, kw_only=True)
class Request:
    """An A-ASSOCIATE-RQ."""

    protocol_version: int  # bit 0: version 1
    called_ae: str
    calling_ae: str
    application_context: str
    contexts: Sequence[Proposed]
    maximum_length: int  # what it takes in one PDU; 0: anything
    titles: bytes  # called, calling and reserved: an A-ASSOCIATE-AC gives them back
    roles: Roles = field(default_factory=dict)  # that the peer proposes for itself (PS3.7 D.3.3.4)


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A presentation context that was agreed on."""

    abstract_syntax: str
    transfer_syntax: str


Supported = Mapping[bytes, Sequence[bytes]]
"""Abstract syntax -> transfer syntaxes, the one we like best first."""


def supported(contexts: Sequence[PresentationContext]) -> Supported:
    """What pynetdicom's contexts say."""
    return {
        str(context.abstract_syntax).encode(): tuple(str(uid).encode() for uid in context.transfer_syntax)
        for context in contexts
    }


def read_request(pdu: bytes) -> Request:
    """An A-ASSOCIATE-RQ as it came. Raises Malformed."""
    if len(pdu) < FIXED_BYTES:
        raise Malformed(f"{len(pdu)} bytes, {FIXED_BYTES} are needed")
    application_context, maximum_length = "", DEFAULT_MAXIMUM_LENGTH
    contexts: list[Proposed] = []
    roles: Roles = {}
    for kind, begin, end in _items(pdu, FIXED_BYTES, len(pdu)):
        if kind == CONTEXT_RQ:
            contexts.append(_proposed(pdu, begin, end))
        elif kind == APPLICATION_CONTEXT:
            application_context = _text(pdu[begin:end])
        elif kind == USER_INFORMATION:
            maximum_length, roles = _maximum_length(pdu, begin, end), _roles(pdu, begin, end)
    return Request(
        protocol_version=int.from_bytes(pdu[6:8], "big"),
        called_ae=_text(pdu[10:26]),
        calling_ae=_text(pdu[26:42]),
        application_context=application_context,
        contexts=contexts,
        maximum_length=maximum_length,
        titles=pdu[10:FIXED_BYTES],
        roles=roles,
    )


def _items(pdu: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Type, beginning and end of each item."""
    while at < end:
        if end - at < _ITEM.size:
            raise Malformed(f"{end - at} bytes are left where an item should be")
        kind, length = _ITEM.unpack_from(pdu, at)
        at += _ITEM.size
        if at + length > end:
            raise Malformed(f"item {kind:02X} of {length} bytes where {end - at} are left")
        yield kind, at, at + length
        at += length


def _proposed(pdu: bytes, begin: int, end: int) -> Proposed:
    if end - begin < _RESULT.size:
        raise Malformed(f"a presentation context of {end - begin} bytes")
    abstract_syntax = b""
    transfer_syntaxes: list[bytes] = []
    for kind, first, last in _items(pdu, begin + _RESULT.size, end):
        if kind == TRANSFER_SYNTAX:
            transfer_syntaxes.append(pdu[first:last].rstrip(b"\0 "))
        elif kind == ABSTRACT_SYNTAX:
            abstract_syntax = pdu[first:last].rstrip(b"\0 ")
    return Proposed(
        context_id=pdu[begin], abstract_syntax=abstract_syntax, transfer_syntaxes=transfer_syntaxes
    )


def _maximum_length(pdu: bytes, begin: int, end: int) -> int:
    for kind, first, last in _items(pdu, begin, end):
        if kind == MAXIMUM_LENGTH and last - first == 4:
            return int.from_bytes(pdu[first:last], "big")
    return DEFAULT_MAXIMUM_LENGTH


def _roles(pdu: bytes, begin: int, end: int) -> Roles:
    """What the role selection items say (PS3.7 D.3.3.4.1); one that cannot be read is not answered."""
    found: dict[bytes, tuple[bool, bool]] = {}
    for kind, first, last in _items(pdu, begin, end):
        if kind != ROLE_SELECTION or last - first < _UID_LENGTH.size:
            continue
        (length,) = _UID_LENGTH.unpack_from(pdu, first)
        at = first + _UID_LENGTH.size + length
        if at + 2 == last:
            uid = pdu[first + _UID_LENGTH.size : at].rstrip(b"\0 ")
            found[uid] = (pdu[at] == 1, pdu[at + 1] == 1)
    return found


def _text(value: bytes) -> str:
    """For people too: what would move the cursor of a terminal is written out, as what is not ASCII is."""
    words = value.strip(b" \0").decode("ascii", "backslashreplace")
    return "".join(each if each.isprintable() else f"\\x{ord(each):02x}" for each in words)


def agreed(request: Request, ours: Supported) -> dict[int, Accepted]:
    """The presentation contexts that are accepted, by their IDs."""
    found: dict[int, Accepted] = {}
    for proposed in request.contexts:
        syntax = _choice(proposed, ours)
        if syntax is not None:
            found[proposed.context_id] = Accepted(
                abstract_syntax=proposed.abstract_syntax.decode(), transfer_syntax=syntax.decode()
            )
    return found


def _choice(proposed: Proposed, ours: Supported) -> bytes | None:
    for syntax in ours.get(proposed.abstract_syntax, ()):
        if syntax in proposed.transfer_syntaxes:
            return syntax
    return None


def agreed_roles(request: Request, *, scp_of: Collection[bytes]) -> Roles:
    """What we answer to the roles that the peer proposes: as proposed for these SOP classes, else nothing.

    No answer means the default, that the requestor is the user alone (PS3.7 D.3.3.4).
    """
    return {uid: roles for uid, roles in request.roles.items() if uid in scp_of}


def accept(
    request: Request,
    ours: Supported,
    *,
    class_uid: str,
    version_name: str,
    maximum: int,
    scp_of: Collection[bytes] = (),
) -> bytes:
    """The A-ASSOCIATE-AC.

    Args:
        request: what is asked for.
        ours: what we support.
        class_uid: our Implementation Class UID (PS3.7 D.3.3.2).
        version_name: our Implementation Version Name.
        maximum: what we take in one PDU, in bytes.
        scp_of: the SOP classes of which the peer may be the provider.
    """
    user = (
        _item(MAXIMUM_LENGTH, struct.pack(">L", maximum))
        + _item(IMPLEMENTATION_CLASS_UID, class_uid.encode())
        + b"".join(_role(uid, *roles) for uid, roles in agreed_roles(request, scp_of=scp_of).items())
        + _item(IMPLEMENTATION_VERSION_NAME, version_name.encode())
    )
    body = b"".join(
        (
            b"\0\1\0\0",  # protocol version 1
            request.titles,
            _item(APPLICATION_CONTEXT, request.application_context.encode()),
            *(_result(proposed, ours) for proposed in request.contexts),
            _item(USER_INFORMATION, user),
        )
    )
    return PDU_HEAD.pack(PduType.A_ASSOCIATE_AC, len(body)) + body


def _result(proposed: Proposed, ours: Supported) -> bytes:
    """Of a context that is not accepted, the transfer syntax says nothing; one has to be there."""
    syntax = _choice(proposed, ours)
    if syntax is not None:
        result = ACCEPTED
    else:
        result = NO_TRANSFER_SYNTAX if proposed.abstract_syntax in ours else NO_ABSTRACT_SYNTAX
        syntax = proposed.transfer_syntaxes[0] if proposed.transfer_syntaxes else IMPLICIT
    return _item(CONTEXT_AC, _RESULT.pack(proposed.context_id, result) + _item(TRANSFER_SYNTAX, syntax))


def _role(uid: bytes, scu: bool, scp: bool) -> bytes:
    return _item(ROLE_SELECTION, _UID_LENGTH.pack(len(uid)) + uid + bytes((scu, scp)))


def _item(kind: int, value: bytes) -> bytes:
    return _ITEM.pack(kind, len(value)) + value
