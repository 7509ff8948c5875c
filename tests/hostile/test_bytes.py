"""The good bytes of the hostile peers, read by pynetdicom and pydicom; an attack changes one thing."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom.filereader import read_dataset
from pynetdicom.dimse_messages import C_ECHO_RQ, C_STORE_RQ, DIMSEMessage
from pynetdicom.pdu import A_ABORT_RQ, A_ASSOCIATE_RQ, A_RELEASE_RQ, P_DATA_TF

from node.hostile import pdus
from node.hostile.caller import Caller, Kind, Seen, _response, _told, store_pdus
from node.hostile.messages import Slice, command_set, echo_fields, element
from node.hostile.suite import ATTACKS, chosen
from tests.hostile.scps import aimed

SLICE = Slice(study=b"2.25.1", series=b"2.25.20", instance=b"2.25.300", side=96, shade=5)


def test_the_good_request() -> None:
    decoded = A_ASSOCIATE_RQ()
    encoded = aimed(1).request()
    decoded.decode(encoded)
    request = decoded.to_primitive()
    assert (request.called_ae_title, request.calling_ae_title) == ("CTNODE", "SCU")
    assert request.application_context_name == "1.2.840.10008.3.1.1.1"
    assert [
        (c.context_id, c.abstract_syntax, c.transfer_syntax)
        for c in request.presentation_context_definition_list
    ] == [
        (1, "1.2.840.10008.1.1", ["1.2.840.10008.1.2"]),
        (3, "1.2.840.10008.5.1.4.1.1.2", ["1.2.840.10008.1.2"]),
    ]
    assert request.maximum_length_received == 16384
    assert decoded.encode() == encoded


@pytest.mark.parametrize(
    ("kind", "encoded"), [(A_RELEASE_RQ, pdus.release_rq()), (A_ABORT_RQ, pdus.abort(2, 1))]
)
def test_the_other_pdus(kind: type, encoded: bytes) -> None:
    decoded = kind()
    decoded.decode(encoded)
    assert decoded.encode() == encoded


def _message(encoded: list[bytes]) -> DIMSEMessage:
    message, complete = DIMSEMessage(), False
    for each in encoded:
        pdu = P_DATA_TF()
        pdu.decode(each)
        complete = message.decode_msg(pdu.to_primitive())
    assert complete
    return message


def test_the_good_messages() -> None:
    echo = _message([pdus.p_data(pdus.pdv(1, pdus.LAST_COMMAND, command_set(echo_fields(7))))])
    assert isinstance(echo, C_ECHO_RQ)
    assert echo.command_set.MessageID == 7
    encoded = store_pdus(SLICE.command, SLICE.data_set)
    assert len(encoded) == 3
    assert max(map(len, encoded)) == 16384 + 6
    store = _message(encoded)
    assert isinstance(store, C_STORE_RQ)
    assert store.command_set.AffectedSOPInstanceUID == "2.25.300"
    assert store.data_set.getvalue() == SLICE.data_set
    assert store.command_set.CommandGroupLength == len(SLICE.command) - 12


def test_the_good_slice() -> None:
    ds = read_dataset(BytesIO(SLICE.data_set), is_implicit_VR=True, is_little_endian=True)
    assert (ds.StudyInstanceUID, ds.SeriesInstanceUID) == ("2.25.1", "2.25.20")
    assert (ds.SOPInstanceUID, ds.SOPClassUID) == ("2.25.300", "1.2.840.10008.5.1.4.1.1.2")
    assert (ds.Rows, ds.Columns, ds.BitsAllocated) == (96, 96, 16)
    assert ds.PixelData == b"\x05\x00" * 96 * 96
    tags = [int(each.tag) for each in ds]
    assert tags == sorted(tags) == sorted(SLICE.values)


def test_what_comes_back_is_told_by_its_numbers() -> None:
    assert _told(3, bytes((0, 1, 1, 7))) == Seen(kind=Kind.REJECTED, detail="1/1/7")
    assert _told(7, bytes((0, 0, 2, 5))) == Seen(kind=Kind.ABORTED, detail="2/5")
    assert _told(9, b"").kind is Kind.STRANGE
    status = element(0x00000900, b"\x11\x01")
    assert _response(status) == Seen(kind=Kind.RESPONDED, status=0x0111)
    assert str(_response(status)) == "response 0111"
    assert _response(element(0x00000100, b"\x01\x80")).kind is Kind.STRANGE


def test_every_attack_has_a_name_of_its_own() -> None:
    assert len({each.name for each in ATTACKS}) == len(ATTACKS) > 300
    assert [each.name for each in chosen("SLOW-loris")] == ["20 slow-lorises, good peers between them"]
    assert chosen("") == list(ATTACKS)


def test_nobody_listens() -> None:
    with pytest.raises(ConnectionRefusedError):
        Caller(aimed(1))
