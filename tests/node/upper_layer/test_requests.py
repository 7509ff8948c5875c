"""Command sets of our requests, against pynetdicom's; responses of any kind."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pynetdicom import dimse_messages as messages
from pynetdicom.dimse_primitives import C_ECHO, C_FIND, C_STORE, N_EVENT_REPORT
from pynetdicom.dsutils import encode

from node.upper_layer.command import CommandError
from node.upper_layer.requests import (
    Answer,
    answer,
    echo_request,
    event_report_request,
    find_request,
    store_request,
)

CT, UID = "1.2.840.10008.5.1.4.1.1.2", "2.25.123"


def by_pynetdicom(message: Any, primitive: Any) -> bytes:
    message.primitive_to_message(primitive)
    encoded = encode(message.command_set, True, True)
    assert encoded is not None
    return encoded


def filled(primitive: Any, **fields: Any) -> Any:
    for name, value in fields.items():
        setattr(primitive, name, value)
    return primitive


def test_the_requests_are_those_of_pynetdicom() -> None:
    store = filled(
        C_STORE(),
        MessageID=9,
        AffectedSOPClassUID=CT,
        AffectedSOPInstanceUID=UID,
        Priority=0,
        DataSet=BytesIO(b"x"),
    )
    find = filled(C_FIND(), MessageID=9, AffectedSOPClassUID=CT, Priority=0, Identifier=BytesIO(b"x"))
    echo = filled(C_ECHO(), MessageID=9, AffectedSOPClassUID=CT)
    event = filled(
        N_EVENT_REPORT(), MessageID=9, AffectedSOPClassUID=CT, AffectedSOPInstanceUID=UID, EventTypeID=2
    )
    assert store_request(9, CT, UID) == by_pynetdicom(messages.C_STORE_RQ(), store)
    assert find_request(9, CT) == by_pynetdicom(messages.C_FIND_RQ(), find)
    assert echo_request(9, CT) == by_pynetdicom(messages.C_ECHO_RQ(), echo)
    bare = event_report_request(9, CT, UID, 2, has_information=False)
    assert bare == by_pynetdicom(messages.N_EVENT_REPORT_RQ(), event)
    event.EventInformation = BytesIO(b"x")
    told = event_report_request(9, CT, UID, 2, has_information=True)
    assert told == by_pynetdicom(messages.N_EVENT_REPORT_RQ(), event)


def response(**fields: Any) -> bytes:
    ds = Dataset()
    values = {
        "CommandField": 0x8001,
        "MessageIDBeingRespondedTo": 9,
        "CommandDataSetType": 0x0101,
        "Status": 0,
    }
    for name, value in (values | fields).items():
        if value is not None:
            setattr(ds, name, value)
    encoded = encode(ds, True, True)
    assert encoded is not None
    return encoded


def test_what_a_response_says() -> None:
    said = response(Status=0xB000, ErrorComment="odd", CommandDataSetType=1, AffectedSOPClassUID=CT)
    assert answer(said) == Answer(
        command_field=0x8001, message_id=9, status=0xB000, comment="odd", has_data_set=True
    )
    assert answer(response()) == Answer(
        command_field=0x8001, message_id=9, status=0, comment="", has_data_set=False
    )


def test_a_comment_is_one_line_of_64_characters_whatever_a_peer_sends() -> None:
    said = bytearray(response(ErrorComment="W" * 96))
    said[said.index(b"W") : said.index(b"W") + 9] = b"a\x1b[2J\nb\xff\x00"
    assert answer(bytes(said)).comment == "a?[2J?b\N{REPLACEMENT CHARACTER}?" + "W" * 55


@pytest.mark.parametrize(
    "missing", ["CommandField", "MessageIDBeingRespondedTo", "CommandDataSetType", "Status"]
)
def test_a_response_that_lacks_what_it_must_have(missing: str) -> None:
    with pytest.raises(CommandError):
        answer(response(**{missing: None}))


@given(st.binary(max_size=120))
def test_bytes_that_are_no_response(command: bytes) -> None:
    try:
        answer(command)
    except CommandError:
        return


@given(st.integers(0, 80), st.integers(0, 255))
def test_a_response_with_a_wrong_byte(at: int, value: int) -> None:
    said = bytearray(response(ErrorComment="in words"))
    said[at % len(said)] = value
    try:
        answer(bytes(said))
    except CommandError:
        return
