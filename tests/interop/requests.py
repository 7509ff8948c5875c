"""A-ASSOCIATE-RQ as other toolkits build them, and what comes back, read by pynetdicom."""

from __future__ import annotations

import struct
import time
from collections.abc import Sequence
from contextlib import closing
from typing import Any

from pynetdicom.pdu import A_ASSOCIATE_AC

from node.addresses import PeerAddress
from node.hostile import pdus
from node.hostile.caller import Caller, Kind, Seen, Target
from node.hostile.messages import Slice, command_set, echo_fields, store_fields
from node.hostile.pdus import IMPLEMENTATION, item, maximum_length

CT = b"1.2.840.10008.5.1.4.1.1.2"


def caller(port: int) -> Caller:
    """A connection with the receiver."""
    called = PeerAddress(ae_title="CTNODE", host="127.0.0.1", port=port)
    return Caller(Target(called=called, calling_ae="SCU", deadline_s=20))


def accepted(peer: Caller, request: bytes) -> Any:
    """The A-ASSOCIATE-AC as pynetdicom's primitive."""
    peer.send(request)
    head = peer._exactly(6, _deadline())
    body = peer._exactly(struct.unpack(">BxI", head)[1], _deadline())
    assert head[0] == pdus.ASSOCIATE_AC, f"PDU type {head[0]}: {body[:4].hex()}"
    answer = A_ASSOCIATE_AC()
    answer.decode(head + body)
    return answer.to_primitive()


def _deadline() -> float:
    return time.monotonic() + 20


def request(
    contexts: Sequence[pdus.Proposed] = pdus.USUAL,
    *sub_items: bytes,
    maximum: bytes = maximum_length(),
    implementation: bytes = IMPLEMENTATION,
    called: bytes = b"CTNODE",
    calling: bytes = b"SCU",
    behind: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ: its items in the usual order, `behind` the last."""
    items = item(0x10, pdus.APPLICATION_CONTEXT) + b"".join(map(pdus.context_item, contexts))
    items += pdus.user_information(maximum, implementation, *sub_items) + behind
    return pdus.associate_rq(called=called, calling=calling, items=items)


def results(primitive: Any) -> dict[int, tuple[int, str]]:
    """Presentation context ID -> result and transfer syntax."""
    return {
        c.context_id: (c.result, str(c.transfer_syntax[0]))
        for c in primitive.presentation_context_definition_results_list
    }


def echoed(peer: Caller) -> Seen:
    """A good C-ECHO in context 1, then release."""
    peer.send(pdus.p_data(pdus.pdv(1, pdus.LAST_COMMAND, command_set(echo_fields()))))
    seen = peer.see()
    peer.send(pdus.release_rq())
    assert peer.see().kind is Kind.RELEASED
    return seen


def works(port: int, asked: bytes) -> Any:
    """The association is accepted, echoes and is released; the A-ASSOCIATE-AC."""
    peer = caller(port)
    with closing(peer.socket):
        answer = accepted(peer, asked)
        assert echoed(peer) == Seen(kind=Kind.RESPONDED, status=0)
    return answer


def slice_of(number: int, *, side: int = 16) -> Slice:
    """An instance of a study of nobody."""
    return Slice(study=b"2.25.71", series=b"2.25.72", instance=b"2.25.%d" % (1000 + number), side=side)


def store_command(slice: Slice, message_id: int) -> bytes:
    """The command set of a C-STORE-RQ with this Message ID."""
    return command_set(store_fields(slice.instance, message_id=message_id))
