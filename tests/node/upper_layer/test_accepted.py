"""An association byte by byte: the states of PS3.8 9.2, and messages in every cut."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import CTImageStorage, MRImageStorage
from structlog.testing import capture_logs

from node.upper_layer.command import Outcome, elements, store_command, store_response
from node.upper_layer.messages import COMMAND_MAX_BYTES
from storage.errors import Duplicate, OutOfSpace
from storage.states import Ending
from tests.node.upper_layer.calling import (
    ABORT,
    LE,
    RELEASE_RP,
    RELEASE_RQ,
    UID_1,
    VERIFICATION,
    Hearing,
    abort,
    associate_rq,
    command_set,
    echo_rq,
    hearing,
    p_data,
    pdv,
    store_rq,
    stored,
)
from tests.waiting import eventually

DATA = random.Random(7).randbytes(5000)


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Hearing]:
    with hearing(tmp_path) as each:
        yield each


def test_a_release_is_confirmed_when_its_end_is_written_down(node: Hearing) -> None:
    calling = node.call()
    calling.send(RELEASE_RQ)
    assert calling.pdu() == RELEASE_RP
    assert node.intake.endings == [Ending.RELEASED]  # before the peer knew
    (opened,) = node.intake.opened
    assert (opened.calling_ae, opened.called_ae, opened.receiver) == ("SCU", "CTNODE", 0)
    assert node.scp._places._held == set()
    eventually(lambda: node.scp._lobby.half_open == 1)  # until the peer hangs up
    calling.close()
    eventually(lambda: node.scp._lobby.half_open == 0)


@pytest.mark.parametrize("how", ["abort", "hang up", "abort within a data set", "hang up within a head"])
def test_a_peer_that_goes_away(node: Hearing, how: str) -> None:
    calling = node.call()
    if "data set" in how:
        calling.send(p_data(pdv(store_rq(), command=True)), p_data(pdv(DATA, last=False)))
    if "head" in how:
        calling.send(stored(DATA)[:7])
    if "abort" in how:
        calling.send(ABORT)
        assert calling.pdu() == b""  # nothing is answered, we hang up (AA-3)
    calling.close()
    assert node.ended() == [Ending.ABORTED]
    assert node.intake.taken == []
    assert all(arrival.discarded for arrival in node.intake.arrivals)


def cut_to(pieces: list[bytes], context: int = 1) -> list[bytes]:
    return [pdv(piece, last=n == len(pieces) - 1, context=context) for n, piece in enumerate(pieces)]


COMMAND = pdv(store_rq(), command=True)
HALVES = cut_to([DATA[:1000], DATA[1000:]])
COMMAND_READ = store_command(elements(store_rq()))
CUTS = {
    "two PDUs": [p_data(COMMAND), p_data(pdv(DATA))],
    "one PDU": [p_data(COMMAND, pdv(DATA))],
    "two PDVs in a PDU": [p_data(COMMAND), p_data(*HALVES)],
    "a PDU for each": [p_data(COMMAND), *map(p_data, HALVES)],
    "the command and a half": [p_data(COMMAND, HALVES[0]), p_data(HALVES[1])],
    "an empty last PDV": [p_data(COMMAND), *map(p_data, cut_to([DATA, b""]))],
    "an empty last PDV in the same PDU": [p_data(COMMAND), p_data(*cut_to([DATA, b""]))],
    "empty PDVs in between": [p_data(COMMAND), *map(p_data, cut_to([b"", DATA, b"", b""]))],
    "PDVs of a byte": [p_data(COMMAND), *map(p_data, cut_to([bytes([b]) for b in DATA]))],
    "a command in bytes": [
        *(p_data(pdv(bytes([b]), command=True, last=False)) for b in store_rq()[:-1]),
        p_data(pdv(store_rq()[-1:], command=True)),
        p_data(pdv(DATA)),
    ],
    "reserved bits set": [
        p_data(COMMAND),
        p_data(struct.pack(">LBB", len(DATA) + 2, 1, 0xFE) + DATA),
    ],
}


@pytest.mark.parametrize("cut", CUTS)
def test_an_instance_in_every_cut(node: Hearing, cut: str) -> None:
    calling = node.call()
    for _ in range(2):
        calling.send(b"".join(CUTS[cut]))
        answer = calling.response()
        assert (answer.CommandField, answer.MessageIDBeingRespondedTo, answer.Status) == (0x8001, 1, 0)
        assert (answer.AffectedSOPClassUID, answer.AffectedSOPInstanceUID) == (CTImageStorage, UID_1)
    assert [data_set for _, data_set in node.intake.taken] == [DATA] * 2
    (request, _) = node.intake.taken[0]
    assert (request.transfer_syntax_uid, request.sop_class_uid) == (LE, CTImageStorage)
    assert (request.sop_instance_uid, request.calling_ae, request.called_ae) == (UID_1, "SCU", "CTNODE")
    assert request.association_id == node.intake.opened[0].id


def test_bytes_that_trickle_in_are_put_together(node: Hearing) -> None:
    calling = node.call()
    message = stored(DATA[:60])
    calling.send(*(message[n : n + 1] for n in range(len(message))))
    assert calling.response().Status == 0
    assert node.intake.taken[0][1] == DATA[:60]


def test_requests_that_wait_for_no_answer_are_answered_in_their_order(node: Hearing) -> None:
    """Several outstanding requests, even in one PDU; and a release behind them."""
    calling = node.call((CTImageStorage, LE), (VERIFICATION, LE))
    commands = [pdv(store_rq(f"2.25.{n}", n), command=True) for n in (1, 2)]
    echo = pdv(echo_rq(3), command=True, context=3)
    both = p_data(commands[0], pdv(DATA), commands[1], *HALVES, echo)
    calling.send(both + stored(DATA, "2.25.4", message_id=4) + RELEASE_RQ)
    answers = [calling.response() for _ in range(4)]
    assert [(a.CommandField, a.MessageIDBeingRespondedTo, a.Status) for a in answers] == [
        (0x8001, 1, 0),
        (0x8001, 2, 0),
        (0x8030, 3, 0),
        (0x8001, 4, 0),
    ]
    assert calling.pdu() == RELEASE_RP
    assert [(r.sop_instance_uid, d) for r, d in node.intake.taken] == [(f"2.25.{n}", DATA) for n in (1, 2, 4)]


def test_each_context_has_its_transfer_syntax(node: Hearing) -> None:
    calling = node.call((CTImageStorage, LE), (CTImageStorage, "1.2.840.10008.1.2"), ("1.2.3", LE))
    calling.send(stored(DATA, context=1) + stored(DATA, context=3))
    assert [calling.response().Status for _ in range(2)] == [0, 0]
    assert [r.transfer_syntax_uid for r, _ in node.intake.taken] == [LE, "1.2.840.10008.1.2"]
    calling.send(stored(DATA, context=5))  # this one was not accepted
    assert calling.pdu() == abort(2, 6)


def test_the_sop_class_is_that_of_the_context(node: Hearing) -> None:
    calling = node.call((CTImageStorage, LE), (MRImageStorage, LE))
    calling.send(stored(DATA, context=3))
    response = calling.response()
    assert (response.Status, response.OffendingElement) == (0xC000, 0x00000002)
    assert response.ErrorComment == f"SOP Class {CTImageStorage} in a context of {MRImageStorage}"[:64]
    assert node.intake.taken == []


def test_a_response_is_cut_to_what_the_peer_takes(node: Hearing) -> None:
    calling = node.call(maximum=64)
    calling.send(stored(DATA))
    pdus = [calling.pdu(), calling.pdu()]
    assert [(len(pdu) - 6, pdu[11]) for pdu in pdus] == [(64, 1), (len(pdus[1]) - 6, 3)]
    assert len(pdus[1]) - 6 <= 64
    assert pdus[0][12:] + pdus[1][12:] == store_response(COMMAND_READ, Outcome(status=0))


LONG = 540_673
VIOLATIONS: dict[str, tuple[bytes, bytes, str]] = {
    "an unknown PDU": (struct.pack(">BxL4x", 0x99, 4), abort(2, 1), "PDU type 99"),
    "A-ASSOCIATE-RQ again": (associate_rq([(CTImageStorage, LE)]), abort(2, 2), "PDU type 01"),
    "A-ASSOCIATE-AC": (struct.pack(">BxL4x", 2, 4), abort(2, 2), "PDU type 02"),
    "A-RELEASE-RP": (RELEASE_RP, abort(2, 2), "PDU type 06"),
    "a release within a data set": (p_data(COMMAND, HALVES[0]) + RELEASE_RQ, abort(2, 2), "in a message"),
    "an unknown PDU within a data set": (
        p_data(COMMAND, HALVES[0]) + struct.pack(">BxL4x", 0x16, 4),
        abort(2, 1),
        "PDU type 16 in a message",
    ),
    "a longer PDU than announced": (
        struct.pack(">BxLLBB", 4, LONG, LONG - 4, 1, 3),
        abort(2, 6),
        f"PDU of {LONG} bytes, 540672 announced",
    ),
    "a PDV longer than its PDU": (struct.pack(">BxLLBB", 4, 10, 7, 1, 3) + bytes(4), abort(2, 6), "PDV of 7"),
    "a PDV of one byte in all": (struct.pack(">BxLLBB", 4, 6, 1, 1, 3), abort(2, 6), "PDV of 1 bytes"),
    "a PDV that leaves three bytes": (
        struct.pack(">BxLLBB", 4, 13, 6, 1, 3) + bytes(7),
        abort(2, 6),
        "PDV of 6",
    ),
    "a data set without a command": (p_data(pdv(DATA)), abort(2, 5), "without a command set"),
    "a command within a data set": (p_data(COMMAND, HALVES[0], COMMAND), abort(2, 5), "within a data set"),
    "another context within a data set": (
        p_data(COMMAND, HALVES[0], pdv(DATA, context=3)),
        abort(2, 6),
        "context 3 within a message in 1",
    ),
    "another context within a command": (
        p_data(pdv(store_rq()[:9], command=True, last=False), pdv(store_rq()[9:], command=True, context=3)),
        abort(2, 6),
        "context 3 within a message in 1",
    ),
    "a context that was not accepted": (stored(DATA, context=7), abort(2, 6), "context 7 was not accepted"),
    "a command that is none": (p_data(pdv(b"\xff" * 40, command=True)), abort(0, 0), "none of a command set"),
    "no command field": (
        p_data(pdv(store_rq(CommandField=None), command=True)),
        abort(0, 0),
        "(0000,0100) is missing",
    ),
    "no message id": (p_data(pdv(store_rq(MessageID=None), command=True)), abort(0, 0), "(0000,0110)"),
    "a C-STORE without a data set": (
        p_data(pdv(store_rq(CommandDataSetType=0x101), command=True)),
        abort(0, 0),
        "without a data set",
    ),
    "an unknown command": (
        p_data(pdv(command_set(CommandField=0x0999, MessageID=1, CommandDataSetType=0x101), command=True)),
        abort(0, 0),
        "a message that cannot be read",
    ),
    "a C-FIND": (
        p_data(
            pdv(
                command_set(
                    AffectedSOPClassUID="1.2.840.10008.5.1.4.1.2.2.1",
                    CommandField=0x20,
                    MessageID=1,
                    Priority=0,
                    CommandDataSetType=1,
                ),
                command=True,
            ),
            pdv(b"\x08\x00\x52\x00\x06\x00\x00\x00STUDY "),
        ),
        b"",
        "",
    ),
}


@pytest.mark.parametrize("violation", VIOLATIONS)
def test_who_breaks_the_protocol_is_told_how(node: Hearing, violation: str) -> None:
    sent, told, words = VIOLATIONS[violation]
    calling = node.call()
    with capture_logs() as lines:
        calling.send(sent)
        answer = calling.pdu()
        calling.close()
        assert node.ended() == [Ending.ABORTED]
    if not told:  # a service that we do not provide: pynetdicom's, refused or aborted
        assert answer[0] in (4, 7)
        return
    assert answer == told
    (line,) = [line for line in lines if line["event"] == "association aborted"]
    assert words in line["reason"] and line["calling_ae"] == "SCU"
    assert line["association"] == node.intake.opened[0].id
    assert node.intake.taken == []
    assert all(arrival.discarded for arrival in node.intake.arrivals)


def test_a_command_that_never_ends_is_aborted(node: Hearing) -> None:
    calling = node.call()
    piece = p_data(pdv(bytes(60_000), command=True, last=False))
    calling.send(piece, piece)
    assert calling.pdu() == abort(2, 6)
    assert 60_000 < COMMAND_MAX_BYTES < 120_000


def test_a_data_set_that_never_ends_is_aborted(tmp_path: Path) -> None:
    with hearing(tmp_path, max_instance_mb=1) as node, capture_logs() as lines:
        calling = node.call()
        calling.send(p_data(COMMAND))
        for _ in range(10):
            calling.send(p_data(pdv(bytes(100_000), last=False)))
        calling.send(p_data(pdv(b"x", last=False)))
        assert calling.pdu() == abort(0, 0)
        assert node.ended() == [Ending.ABORTED]
    assert lines[-1]["reason"] == "a data set of more than 1000000 bytes"


def test_a_data_set_as_long_as_it_may_be_is_taken(tmp_path: Path) -> None:
    with hearing(tmp_path, max_instance_mb=1) as node:
        calling = node.call()
        calling.send(p_data(COMMAND))
        for n in range(10):
            calling.send(p_data(pdv(bytes(100_000), last=n == 9)))
        assert calling.response().Status == 0
        assert len(node.intake.taken[0][1]) == 1_000_000


def test_silence_between_and_within_messages(tmp_path: Path) -> None:
    with hearing(tmp_path, network_timeout_s=0.1) as node, capture_logs() as lines:
        assert node.call().pdu() == abort(0, 0)
        calling = node.call()
        calling.send(stored(DATA)[:200])
        assert calling.pdu() == abort(0, 0)
        assert node.ended(2) == [Ending.ABORTED] * 2
    reasons = [line["reason"] for line in lines if line["event"] == "association aborted"]
    assert reasons == ["silence of 0.1 s", "the peer stopped within a message, or does not read"]


def test_a_peer_that_only_drips_is_aborted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PDVs of one byte, each in time: it is the average that counts, once the time-out is over."""
    monkeypatch.setattr("node.upper_layer.messages.LEAST_BYTES_PER_S", 10**9)
    with hearing(tmp_path, network_timeout_s=0.3, artim_s=0.2) as node, capture_logs() as lines:
        calling = node.call()
        calling.send(p_data(COMMAND))
        with pytest.raises(OSError):
            while True:
                calling.send(p_data(pdv(b"x", last=False)))
        assert node.ended() == [Ending.ABORTED]
    assert "bytes of a message in 0 s" in lines[-1]["reason"]
    assert len(node.intake.arrivals[0].data) > 10  # it was patient for the time-out


@pytest.mark.parametrize("when", ["refusal", "full", "rejected"])
def test_what_we_cannot_take_is_read_to_its_end_and_the_association_goes_on(node: Hearing, when: str) -> None:
    error = OutOfSpace("disk full: 1 MB free, 2 MB reserved")
    calling = node.call()
    setattr(node.intake, when, error)
    with capture_logs() as lines:
        calling.send(b"".join(CUTS["a PDU for each"]))
        answer = calling.response()
    assert (answer.Status, answer.ErrorComment) == (0xA700, str(error))
    assert all(arrival.discarded for arrival in node.intake.arrivals)
    (line,) = lines
    assert (line["event"], line["status"], line["reason"]) == ("instance refused", "A700", "OutOfSpace")
    setattr(node.intake, when, None)
    calling.send(stored(DATA))
    assert calling.response().Status == 0
    assert [data_set for _, data_set in node.intake.taken] == [DATA]


def test_the_element_at_fault_is_told(node: Hearing) -> None:
    node.intake.rejected = Duplicate("other content stored under 2.25.1", attribute=0x00080018)
    calling = node.call()
    calling.send(stored(DATA))
    answer = calling.response()
    assert (answer.Status, answer.OffendingElement) == (0x0111, 0x00080018)
    assert answer.ErrorComment == "other content stored under 2.25.1"


def test_an_unforeseen_error_is_ours(node: Hearing) -> None:
    node.intake.rejected = ZeroDivisionError()
    calling = node.call()
    with capture_logs() as lines:
        calling.send(stored(DATA))
        assert calling.response().Status == 0x0110
    assert [line["event"] for line in lines] == ["instance failed"]


BAD_UIDS: dict[str, tuple[dict[str, Any], int]] = {
    "no class": ({"AffectedSOPClassUID": None}, 0x00000002),
    "no instance": ({"AffectedSOPInstanceUID": None}, 0x00001000),
}


@pytest.mark.parametrize("fault", BAD_UIDS)
def test_a_uid_that_the_command_does_not_have(node: Hearing, fault: str) -> None:
    changes, tag = BAD_UIDS[fault]
    calling = node.call()
    calling.send(p_data(pdv(store_rq(**changes), command=True)) + p_data(pdv(DATA)))
    answer = calling.response()
    assert (answer.Status, answer.OffendingElement) == (0xC000, tag)
    assert node.intake.arrivals == []


@pytest.mark.parametrize("uid", ["../../etc/passwd", "1." + "2" * 63, "1.2\\3", "\x80\x81"])
def test_a_uid_that_is_none(node: Hearing, uid: str) -> None:
    value = uid.encode("latin-1")
    value += b"\0" * (len(value) % 2)
    plain = store_rq(AffectedSOPInstanceUID=None)
    command = plain + struct.pack("<HHL", 0, 0x1000, len(value)) + value
    calling = node.call()
    calling.send(p_data(pdv(command, command=True)) + p_data(pdv(DATA)))
    answer = calling.response()
    assert (answer.Status, answer.OffendingElement) == (0xC000, 0x00001000)
    assert node.intake.arrivals == []


def test_another_version_of_the_protocol(node: Hearing) -> None:
    connection = node.connect()
    connection.sendall(associate_rq([(CTImageStorage, LE)], version=2))
    assert connection.recv(100) == struct.pack(">BxLxBBB", 3, 4, 1, 2, 2)
    assert node.intake.opened == []


@pytest.mark.parametrize("cut", [20, 100, -3])
def test_a_request_that_cannot_be_read_is_aborted(node: Hearing, cut: int) -> None:
    whole = associate_rq([(CTImageStorage, LE)])[6:cut]
    with capture_logs() as lines:
        connection = node.connect()
        connection.sendall(struct.pack(">BxL", 1, len(whole)) + whole)
        assert connection.recv(100) == abort(0, 0)
        eventually(lambda: not node.scp._here)
    (line,) = lines
    assert line["event"] == "connection closed" and "cannot be read" in line["reason"]
    assert node.intake.opened == []
