"""What is negotiated, against pynetdicom's own negotiation."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_context, negotiate_as_acceptor

from node.contexts import STORAGE_SOP_CLASSES, STORAGE_TRANSFER_SYNTAXES, accepted_contexts
from node.upper_layer.acceptance import (
    DEFAULT_MAXIMUM_LENGTH,
    Malformed,
    accept,
    agreed,
    read_request,
    supported,
)
from tests.node.upper_layer.calling import item

OURS = accepted_contexts()
ESCAPE = b"\x1b[2J"
"""Clears a terminal (ECMA-48 8.3.39)."""
SUPPORTED = supported(OURS)
CLASSES = st.sampled_from([*map(str, STORAGE_SOP_CLASSES[:20]), "1.2.840.10008.1.1", "1.2.3.4"])
SYNTAXES = st.lists(
    st.sampled_from([*map(str, STORAGE_TRANSFER_SYNTAXES), "1.2.3.5", "1.2.840.10008.1.2.4.100"]),
    min_size=1,
    max_size=6,
    unique=True,
)


def request(contexts: list[tuple[str, list[str]]], items: list[Any] | None = None) -> bytes:
    """An A-ASSOCIATE-RQ as pynetdicom sends it."""
    primitive = A_ASSOCIATE()
    primitive.application_context_name = "1.2.840.10008.3.1.1.1"
    primitive.calling_ae_title, primitive.called_ae_title = "SCU", "CTNODE"
    proposed = []
    for number, (abstract, syntaxes) in enumerate(contexts):
        context = build_context(abstract, syntaxes)
        context.context_id = 2 * number + 1
        proposed.append(context)
    primitive.presentation_context_definition_list = proposed
    longest, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    longest.maximum_length_received = 28_672
    implementation.implementation_class_uid = "1.2.3"
    primitive.user_information = [longest, implementation, *(items or [])]
    return A_ASSOCIATE_RQ(primitive).encode()


def answer(pdu: bytes) -> A_ASSOCIATE:
    """Our A-ASSOCIATE-AC as pynetdicom reads it."""
    read = A_ASSOCIATE_AC()
    read.decode(
        accept(read_request(pdu), SUPPORTED, class_uid="1.2.9", version_name="CTNODE_1", maximum=540_672)
    )
    return read.to_primitive()


@given(st.lists(st.tuples(CLASSES, SYNTAXES), min_size=1, max_size=12))
def test_contexts_are_agreed_on_as_pynetdicom_would(contexts: list[tuple[str, list[str]]]) -> None:
    pdu = request(contexts)
    asked = A_ASSOCIATE_RQ()
    asked.decode(pdu)
    expected, _ = negotiate_as_acceptor(asked.to_primitive().presentation_context_definition_list, OURS)
    found = answer(pdu).presentation_context_definition_results_list
    assert [(c.context_id, c.result) for c in found] == [(c.context_id, c.result) for c in expected]
    for ours, theirs in zip(found, expected, strict=True):
        if theirs.result == 0:
            assert ours.transfer_syntax == theirs.transfer_syntax
    assert {
        (id, each.abstract_syntax, each.transfer_syntax)
        for id, each in agreed(read_request(pdu), SUPPORTED).items()
    } == {(c.context_id, c.abstract_syntax, c.transfer_syntax[0]) for c in expected if c.result == 0}


def test_what_we_say_of_ourselves() -> None:
    primitive = answer(request([("1.2.840.10008.1.1", ["1.2.840.10008.1.2"])]))
    longest, implementation, version = primitive.user_information
    assert longest.maximum_length_received == 540_672
    assert implementation.implementation_class_uid == "1.2.9"
    assert version.implementation_version_name == "CTNODE_1"
    assert primitive.application_context_name == "1.2.840.10008.3.1.1.1"
    assert (primitive.calling_ae_title, primitive.called_ae_title) == ("SCU", "CTNODE")


def test_what_the_peer_says_of_itself() -> None:
    read = read_request(request([("1.2.840.10008.1.1", ["1.2.840.10008.1.2"])]))
    assert (read.calling_ae, read.called_ae, read.maximum_length) == ("SCU", "CTNODE", 28_672)
    assert (read.protocol_version, read.application_context) == (1, "1.2.840.10008.3.1.1.1")


def test_what_is_asked_beside_contexts_gets_no_answer() -> None:
    """So the defaults hold: roles as by default, one operation at a time, nobody identified."""
    role, window, user = (
        SCP_SCU_RoleSelectionNegotiation(),
        AsynchronousOperationsWindowNegotiation(),
        UserIdentityNegotiation(),
    )
    role.sop_class_uid, role.scu_role, role.scp_role = "1.2.840.10008.1.20.1", True, True
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 5
    user.user_identity_type, user.primary_field, user.positive_response_requested = 1, b"x", True
    pdu = request([("1.2.840.10008.1.20.1", ["1.2.840.10008.1.2"])], [role, window, user])
    primitive = answer(pdu)
    assert len(primitive.user_information) == 3
    assert [c.result for c in primitive.presentation_context_definition_results_list] == [0]


def build(*items: bytes) -> bytes:
    body = b"\0\1\0\0" + b"CTNODE".ljust(16) + b"SCU\0".ljust(16) + bytes(32) + b"".join(items)
    return struct.pack(">BxL", 1, len(body)) + body


def test_what_is_missing_is_borne() -> None:
    read = read_request(build())
    assert (read.application_context, read.contexts, read.maximum_length, read.calling_ae) == (
        "",
        [],
        DEFAULT_MAXIMUM_LENGTH,
        "SCU",
    )
    nothing, odd = item(0x20, b"\1\0\0\0"), item(0x20, b"\3\0\0\0" + item(0x30, b"1.2.840.10008.1.1\0"))
    results = answer(build(nothing, odd)).presentation_context_definition_results_list
    assert [(c.context_id, c.result) for c in results] == [(1, 3), (3, 4)]


@pytest.mark.parametrize(
    ("pdu", "words"),
    [
        (build()[:73], "73 bytes, 74 are needed"),
        (build(b"\x10\0\0"), "3 bytes are left where an item"),
        (build(b"\x10\0\0\5abc"), "item 10 of 5 bytes where 3 are left"),
        (build(item(0x20, b"\1\0\0")), "a presentation context of 3 bytes"),
        (build(item(0x20, b"\1\0\0\0\x30\0\0\4x")), "item 30 of 4 bytes where 1 are left"),
        (build(item(0x50, b"\x51\0\0\4xx")), "item 51 of 4 bytes where 2 are left"),
    ],
)
def test_what_is_no_request_is_said(pdu: bytes, words: str) -> None:
    with pytest.raises(Malformed, match=words):
        read_request(pdu)


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(tail: bytes) -> None:
    try:
        read = read_request(build(tail))
    except Malformed:
        return
    agreed(read, SUPPORTED)
    accept(read, SUPPORTED, class_uid="1.2", version_name="X", maximum=1)


def test_what_a_stranger_calls_himself_moves_no_cursor() -> None:
    """PS3.5 6.2: no control characters in an AE title; who sends one is rejected, and people read that."""
    pdu = bytearray(request([("1.2.840.10008.1.1", ["1.2.840.10008.1.2"])]))
    pdu[10:26], pdu[26:42] = (ESCAPE + b"HERE").ljust(16), (b"\xffB" + ESCAPE).ljust(16)
    read = read_request(bytes(pdu))
    assert (read.called_ae, read.calling_ae) == ("\\x1b[2JHERE", "\\xffB\\x1b[2J")
    assert read.called_ae.isprintable() and read.calling_ae.isprintable()
