"""The A-ASSOCIATE-RQ that we send, and the peer's A-ASSOCIATE-AC; pynetdicom encodes and decodes.

Only pynetdicom's public names are used. Pure: no I/O.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydicom.uid import UID
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
)
from pynetdicom.presentation import build_context, build_role

from node.part10 import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from node.upper_layer.pdu import MAXIMUM_PDU_BYTES

APPLICATION_CONTEXT: Final = UID("1.2.840.10008.3.1.1.1")  # PS3.7 A.2.1
ACCEPTANCE: Final = 0
NOT_ANSWERED: Final = -1

Syntax = tuple[UID, UID]
"""SOP class and transfer syntax: what one presentation context of ours proposes."""

DECODE_ERRORS: Final = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    NotImplementedError,
    struct.error,
)
"""What pynetdicom raises on bytes that are no A-ASSOCIATE-AC."""


class NotAnAnswer(Exception):
    """These bytes are no A-ASSOCIATE-AC."""


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What we ask for."""

    calling_ae: str  # what we call ourselves
    called_ae: str  # what we call the peer
    syntaxes: Sequence[Syntax]  # one presentation context for each, at most 128 (PS3.8 9.3.2.2)
    scp_of: UID | None = None  # the SOP class of which we are the provider (PS3.7 D.3.3.4)


@dataclass(frozen=True, kw_only=True)
class Negotiated:
    """What the peer accepted."""

    maximum_length: int  # of a PDU that it takes (PS3.8 D.1); 0: any
    accepted: dict[Syntax, int] = field(default_factory=dict)  # -> presentation context ID
    refused: dict[Syntax, int] = field(default_factory=dict)  # -> its result, 1 to 4 (PS3.8 9.3.3.2)


def associate_rq(proposal: Proposal) -> bytes:
    """An A-ASSOCIATE-RQ PDU (PS3.8 9.3.2)."""
    request = A_ASSOCIATE()
    request.application_context_name = APPLICATION_CONTEXT
    request.calling_ae_title = proposal.calling_ae
    request.called_ae_title = proposal.called_ae
    contexts = [build_context(sop_class, [syntax]) for sop_class, syntax in proposal.syntaxes]
    for context_id, context in zip(_identifiers(proposal), contexts, strict=True):
        context.context_id = context_id
    request.presentation_context_definition_list = contexts
    request.user_information = _user_information(proposal)
    pdu = A_ASSOCIATE_RQ()
    pdu.from_primitive(request)
    return bytes(pdu.encode())


def _identifiers(proposal: Proposal) -> Sequence[int]:
    """Odd, from 1 to 255 (PS3.8 9.3.2.2)."""
    return range(1, 2 * len(proposal.syntaxes), 2)


def _user_information(proposal: Proposal) -> list[Any]:
    """PS3.7 D.3.3."""
    length = MaximumLengthNotification()
    length.maximum_length_received = MAXIMUM_PDU_BYTES
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(IMPLEMENTATION_CLASS_UID)
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = IMPLEMENTATION_VERSION_NAME
    roles = [] if proposal.scp_of is None else [build_role(proposal.scp_of, scp_role=True)]
    return [length, implementation, version, *roles]


def negotiated(pdu: bytes, proposal: Proposal) -> Negotiated:
    """What an A-ASSOCIATE-AC accepts (PS3.8 9.3.3).

    A context that it does not mention, or accepts in a transfer syntax that was not proposed, is refused.

    Raises:
        NotAnAnswer: it cannot be decoded.
    """
    decoded = A_ASSOCIATE_AC()
    try:
        decoded.decode(pdu)
        primitive = decoded.to_primitive()
        results: dict[int | None, tuple[int | None, UID | None]] = {
            context.context_id: (context.result, _transfer_syntax(context))
            for context in primitive.presentation_context_definition_results_list
        }
        maximum_length = primitive.maximum_length_received or 0
        is_one = primitive.application_context_name is not None
    except DECODE_ERRORS as error:
        raise NotAnAnswer(f"{type(error).__name__}") from error
    if not is_one:
        raise NotAnAnswer("no application context")
    answer = Negotiated(maximum_length=maximum_length)
    for context_id, syntax in zip(_identifiers(proposal), proposal.syntaxes, strict=True):
        result, accepted = results.get(context_id, (NOT_ANSWERED, None))
        if result == ACCEPTANCE and accepted == syntax[1]:
            answer.accepted[syntax] = context_id
        else:
            answer.refused[syntax] = NOT_ANSWERED if result is None else result
    return answer


def _transfer_syntax(context: Any) -> UID | None:
    """Its one transfer syntax; not significant where the context is refused."""
    return context.transfer_syntax[0] if context.transfer_syntax else None
