"""What we propose, and what any bytes mean that come back."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, ImplicitVRLittleEndian, MRImageStorage
from pynetdicom.pdu import A_ASSOCIATE_RQ

from node.upper_layer.negotiation import NotAnAnswer, Proposal, associate_rq, negotiated
from tests.node.upper_layer.test_requesting import acceptance

SYNTAXES = [
    (CTImageStorage, ExplicitVRLittleEndian),
    (CTImageStorage, ImplicitVRLittleEndian),
    (MRImageStorage, ExplicitVRLittleEndian),
]
PROPOSAL = Proposal(calling_ae="CTNODE", called_ae="PACS", syntaxes=SYNTAXES, scp_of=MRImageStorage)
REQUEST = associate_rq(PROPOSAL)
ANSWER = acceptance(REQUEST, maximum_length=4096)


def test_the_request_says_what_is_asked_for() -> None:
    decoded = A_ASSOCIATE_RQ()
    decoded.decode(REQUEST)
    asked = decoded.to_primitive()
    contexts = [
        (cx.context_id, cx.abstract_syntax, cx.transfer_syntax)
        for cx in asked.presentation_context_definition_list
    ]
    assert contexts == [(2 * i + 1, uid, [syntax]) for i, (uid, syntax) in enumerate(SYNTAXES)]
    assert (asked.calling_ae_title, asked.called_ae_title) == ("CTNODE", "PACS")
    assert asked.maximum_length_received == 540_672
    (role,) = [item for item in asked.user_information if hasattr(item, "scp_role")]
    assert (role.sop_class_uid, role.scu_role, role.scp_role) == (MRImageStorage, False, True)


def test_the_most_that_can_be_asked_for() -> None:
    """128 contexts, the identifiers 1 to 255 (PS3.8 9.3.2.2)."""
    syntaxes = [(CTImageStorage, ExplicitVRLittleEndian)] * 128
    decoded = A_ASSOCIATE_RQ()
    decoded.decode(associate_rq(Proposal(calling_ae="A", called_ae="B", syntaxes=syntaxes)))
    found = [cx.context_id for cx in decoded.to_primitive().presentation_context_definition_list]
    assert found == list(range(1, 256, 2))


def refusing(contexts: list[Any]) -> list[Any]:
    for result, context in enumerate(contexts, start=2):
        context.result = result
    return contexts[:2]


def test_what_is_accepted_and_what_is_not() -> None:
    agreed = negotiated(ANSWER, PROPOSAL)
    assert agreed.maximum_length == 4096
    assert agreed.accepted == {syntax: 2 * i + 1 for i, syntax in enumerate(SYNTAXES)}
    assert agreed.refused == {}
    declined = negotiated(acceptance(REQUEST, answer=refusing), PROPOSAL)
    assert declined.accepted == {}
    assert declined.refused == dict(zip(SYNTAXES, [2, 3, -1], strict=True))


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(ANSWER) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_an_answer_with_wrong_bytes_is_one_or_none(changes: list[tuple[int, int]]) -> None:
    """Nothing but NotAnAnswer is raised, and nothing is accepted that was not proposed."""
    answer = bytearray(ANSWER)
    for at, value in changes:
        answer[at] = value
    try:
        agreed = negotiated(bytes(answer), PROPOSAL)
    except NotAnAnswer:
        return
    assert set(agreed.accepted) <= set(SYNTAXES)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_none(body: bytes) -> None:
    try:
        negotiated(bytes([2, 0]) + len(body).to_bytes(4, "big") + body, PROPOSAL)
    except NotAnAnswer:
        return


@pytest.mark.parametrize("length", range(6, len(ANSWER), 7))
def test_an_answer_that_is_cut_off(length: int) -> None:
    try:
        agreed = negotiated(ANSWER[:length], PROPOSAL)
    except NotAnAnswer:
        return
    assert set(agreed.accepted) <= set(SYNTAXES)
