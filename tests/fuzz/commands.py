"""Command sets of a peer that calls us, and answers of a peer that we call."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from pydicom.uid import UID, CTImageStorage, ImplicitVRLittleEndian
from pynetdicom import build_context
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    ImplementationClassUIDNotification,
    MaximumLengthNotification,
)

from node.hostile.messages import Slice, command_set, echo_fields, store_fields
from node.upper_layer import p_data
from node.upper_layer.command import CommandError, Outcome, elements, store_command, store_response
from node.upper_layer.negotiation import NotAnAnswer, Proposal, negotiated
from node.upper_layer.requests import answer
from tests.fuzz.target import Target

PROPOSAL = Proposal(calling_ae="A", called_ae="B", syntaxes=[(CTImageStorage, ImplicitVRLittleEndian)])


def command_seeds() -> Sequence[bytes]:
    originator = {0x00001030: b"MOVER ", 0x00001031: b"\x01\x00"}
    return [
        command_set(echo_fields()),
        Slice(study=b"1", series=b"1", instance=b"2.25.3").command,
        command_set({**store_fields(b"2.25.3"), **originator}),
    ]


def run_command(data: bytes) -> None:
    """Only `CommandError` comes out; and what is answered can be read again, whole."""
    try:
        found = store_command(elements(data))
    except CommandError:
        return
    response = store_response(found, Outcome(status=0xA900, comment="why", offending=0x00080018))
    again = elements(response)
    assert again[0x0120] == found.message_id.to_bytes(2, "little")
    assert again[0x0000] == (len(response) - 12).to_bytes(4, "little")
    assert again.get(0x1000, b"").rstrip(b"\0").decode("ascii") == found.sop_instance_uid
    lists = p_data.message_parts(3, response, fragment=p_data.fragment_bytes(64))
    parts = [part for parts in lists for part in parts]
    assert b"".join(parts[1::2]) == response


def answer_seeds() -> Sequence[bytes]:
    """The first byte chooses: 0 the answer to a request for an association, 1 a response."""
    accepted = A_ASSOCIATE()
    accepted.application_context_name = UID("1.2.840.10008.3.1.1.1")
    accepted.calling_ae_title, accepted.called_ae_title = "A", "B"
    accepted.result, accepted.result_source = 0, 1
    context = build_context(CTImageStorage, [ImplicitVRLittleEndian])
    context.context_id, context.result = 1, 0
    accepted.presentation_context_definition_results_list = [context]
    length, implementation = MaximumLengthNotification(), ImplementationClassUIDNotification()
    length.maximum_length_received = 16384
    implementation.implementation_class_uid = UID("2.25.1")
    accepted.user_information = [length, implementation]
    pdu = A_ASSOCIATE_AC()
    pdu.from_primitive(accepted)
    fields = {0x00000100: b"\x01\x80", 0x00000120: b"\x01\0", 0x00000800: b"\x01\x01", 0x00000900: b"\0\0"}
    return [b"\0" + bytes(pdu.encode()), b"\1" + command_set({**fields, 0x00000902: b"words "})]


def run_answer(data: bytes) -> None:
    """Only `NotAnAnswer` and `CommandError` come out."""
    if data[:1] == b"\1":
        with contextlib.suppress(CommandError):
            answer(data[1:])
        return
    with contextlib.suppress(NotAnAnswer):
        told = negotiated(data[1:], PROPOSAL)
        assert set(told.accepted) | set(told.refused) == set(PROPOSAL.syntaxes)


TARGETS = {
    "commands": Target(seeds=command_seeds, run=run_command, iterations=4000),
    "answers": Target(seeds=answer_seeds, run=run_answer),
}
