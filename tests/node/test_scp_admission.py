"""Who is let in: A-ASSOCIATE-RJ by its numbers (PS3.8 Table 9-21), and what an association leaves behind."""

from __future__ import annotations

import socket
import threading
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from pydicom.uid import CTImageStorage

from node.config import Peer
from node.peers import Admission, Admitted
from node.rejections import REMEMBERED, Rejections
from storage import database
from storage.errors import LedgerDown
from storage.records import Association
from storage.states import Ending
from tests.node.receiving import (
    LE,
    Receiver,
    Store,
    associated,
    ct,
    dcmtk_run,
    encoded,
    receiver,
    rejection,
    request,
    send,
    store,
)
from tests.waiting import eventually

ELSEWHERE = Peer(name="far", ae_title="FAR", may_send=True, hosts=("192.0.2.7",))
RESULTS_ONLY = Peer(name="pacs", ae_title="PACS", gets_results=True, hosts=("127.0.0.1",), port=104)
HERE = Peer(name="scanner", ae_title="SCU", may_send=True, hosts=("127.0.0.1",))


@pytest.mark.parametrize(
    ("calling", "called", "numbers", "words"),
    [
        ("SCU", "OTHER", (1, 1, 7), "called 'OTHER'"),
        ("SCU", "ctnode", (1, 1, 7), "called 'ctnode'"),
        ("STRANGER", "CTNODE", (1, 1, 3), "no peer has this AE title"),
        ("FAR", "CTNODE", (1, 1, 3), "peer 'far' calls from 192.0.2.7"),
        ("PACS", "CTNODE", (1, 1, 3), "may not send"),
        ("STRANGER", "OTHER", (1, 1, 7), "called 'OTHER'"),
    ],
)
def test_a_caller_that_is_not_configured_is_rejected_for_good(
    tmp_path: Path, calling: str, called: str, numbers: tuple[int, int, int], words: str
) -> None:
    with receiver(tmp_path, [HERE, ELSEWHERE, RESULTS_ONLY]) as node:
        association = request(node.port, calling=calling, called=called)
        assert rejection(association) == numbers
        (told,) = eventually(lambda: node.events("rejected"))
        assert told.subject == calling and words in told.detail
        assert node.associations() == []


@pytest.mark.peers
def test_dcmtk_reads_the_same_reasons(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        wrong = dcmtk_run("echoscu", "-aet", "SCU", "-aec", "OTHER", "127.0.0.1", str(node.port))
        stranger = dcmtk_run("echoscu", "-aet", "STRANGER", "-aec", "CTNODE", "127.0.0.1", str(node.port))
        node.scp._draining = True
        stopping = dcmtk_run("echoscu", "-aet", "SCU", "-aec", "CTNODE", "127.0.0.1", str(node.port))
    assert "Result: Rejected Permanent, Source: Service User" in wrong.stderr
    assert "Reason: Called AE Title Not Recognized" in wrong.stderr
    assert "Reason: Calling AE Title Not Recognized" in stranger.stderr
    assert "Result: Rejected Transient, Source: Service Provider (Presentation Related)" in stopping.stderr
    assert "Reason: Temporary Congestion" in stopping.stderr


@pytest.mark.peers
def test_echo_by_dcmtk_and_its_association_row(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        echo = dcmtk_run("echoscu", "-v", "-aet", "SCU", "-aec", "CTNODE", "127.0.0.1", str(node.port))
        assert echo.returncode == 0 and "Received Echo Response (Success)" in echo.stderr
        (row,) = node.ended()
    assert (row.calling_ae, row.called_ae, row.address) == ("SCU", "CTNODE", "127.0.0.1")
    assert row.ending is Ending.RELEASED
    assert row.closed_at is not None and row.closed_at >= row.opened_at


def test_an_end_that_the_database_did_not_take_is_written_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the time at which it ended."""
    away = LedgerDown("away")
    with receiver(tmp_path) as node:
        node.association("a1")
        with monkeypatch.context() as patch:
            patch.setattr(node.scp, "_clock", lambda: 17.0)
            patch.setattr(node.ledger, "writing", Mock(side_effect=away))
            node.scp._close("a1", Ending.ABORTED)
        assert node.associations()[0].closed_at is None
        with associated(node.port):
            first = node.associations()[0]
            assert (first.id, first.ending, first.closed_at) == ("a1", Ending.ABORTED, 17.0)
            assert node.scp._ended == []


def test_another_application_context_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pynetdicom.acse.APPLICATION_CONTEXT_NAME", "1.2.840.10008.3.1.1.2")
    with receiver(tmp_path) as node:
        assert rejection(request(node.port)) == (1, 1, 2)


def test_a_peer_known_by_its_dns_name_is_let_in(tmp_path: Path) -> None:
    by_name = Peer(name="scanner", ae_title="SCU", may_send=True, hosts=("localhost",))
    with receiver(tmp_path, [by_name]) as node, associated(node.port) as association:
        assert association.is_established


def test_one_more_than_the_limit_is_asked_to_come_again(tmp_path: Path) -> None:
    with receiver(tmp_path, max_associations=2) as node:
        with associated(node.port), associated(node.port):
            assert rejection(request(node.port)) == (2, 3, 2)
        with associated(node.port), associated(node.port):  # those that ended made room
            assert rejection(request(node.port)) == (2, 3, 2)
        assert [row.ending for row in node.ended()] == [Ending.RELEASED] * 4


def test_the_limit_holds_when_all_come_at_once(tmp_path: Path) -> None:
    with receiver(tmp_path, max_associations=3) as node:
        outcomes = _all_at_once(node, 9)
        assert sum(each.is_established for each in outcomes) == 3
        assert {rejection(each) for each in outcomes if not each.is_established} == {(2, 3, 2)}
        _release(outcomes)


def test_twenty_at_once_are_more_than_pynetdicoms_own_limit(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        outcomes = _all_at_once(node, 20)
        assert all(each.is_established for each in outcomes)
        _release(outcomes)
        assert [row.ending for row in node.ended()] == [Ending.RELEASED] * 20


def _all_at_once(node: Receiver, count: int) -> list[Any]:
    outcomes: list[Any] = []
    start = threading.Barrier(count)

    def call() -> None:
        start.wait(30)
        outcomes.append(request(node.port))

    callers = [threading.Thread(target=call) for _ in range(count)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(60)
    assert len(outcomes) == count
    return outcomes


def _release(outcomes: list[Any]) -> None:
    for each in outcomes:
        if each.is_established:
            each.release()


def test_below_the_reserve_nobody_is_let_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with receiver(tmp_path) as node:
        node.intake._reserve_bytes = 2_048_000_000
        monkeypatch.setattr(node.blobs, "free_bytes", lambda: 2_047_999_999)
        assert rejection(request(node.port)) == (2, 3, 1)
        (told,) = eventually(lambda: node.events("rejected"))
        assert told.detail == "disk full: 2047 MB free, 2048 MB reserved"
        assert node.associations() == []


def test_while_the_node_stops_nobody_is_let_in(tmp_path: Path) -> None:
    with receiver(tmp_path) as node, associated(node.port) as association:
        stopping = threading.Thread(target=node.scp.drain, args=(30,))
        stopping.start()
        eventually(lambda: node.scp._draining)
        assert rejection(request(node.port)) == (2, 3, 1)
        answer = store(association, encoded(ct()), sop_instance_uid=ct().SOPInstanceUID)
        assert answer.Status == 0x0000  # what is open goes on
        association.release()
        stopping.join(30)
        assert not stopping.is_alive()
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", node.port), timeout=5)


def test_what_is_open_when_the_patience_ends_is_aborted(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        association = request(node.port)
        node.scp.drain(0)
        eventually(lambda: association.is_aborted)
        assert [row.ending for row in node.ended()] == [Ending.ABORTED]


def test_a_ledger_that_is_locked_lets_nobody_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    with receiver(tmp_path) as node:
        with node.locked():
            assert rejection(request(node.port)) == (2, 3, 1)
        with associated(node.port):
            pass
        assert [row.ending for row in node.ended()] == [Ending.RELEASED]


def test_an_error_of_ours_lets_nobody_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pynetdicom swallows what a handler raises, and would go on to accept."""
    with receiver(tmp_path) as node:
        with monkeypatch.context() as patch:
            patch.setattr("node.scp.admit", lambda **_: 1 / 0)
            assert rejection(request(node.port)) == (2, 3, 1)
        with associated(node.port):
            pass


def test_a_peer_that_hangs_up_before_its_row_stands_leaves_nothing_open(tmp_path: Path) -> None:
    with receiver(tmp_path, max_associations=1) as node:
        with node.locked():  # the row has to wait
            caller = threading.Thread(target=request, args=(node.port,))
            opened: list[socket.socket] = []
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr("tests.node.receiving._without_delay", lambda e: opened.append(_socket(e)))
                caller.start()
                eventually(lambda: node.scp._open)
            opened[0].shutdown(socket.SHUT_RDWR)
            eventually(lambda: not node.scp._open, what="the end is seen while the row waits")
        caller.join(60)
        assert [row.ending for row in node.ended()] == [Ending.ABORTED]
        with associated(node.port):  # its place is free
            pass


def _socket(event: Any) -> socket.socket:
    connection: socket.socket = event.assoc.dul.socket.socket
    return connection


def test_an_association_whose_thread_died_keeps_no_place(tmp_path: Path) -> None:
    with receiver(tmp_path, max_associations=1) as node:
        node.association("dead")
        node.scp._open[threading.Thread()] = "dead"  # never started: not alive, and no event will come
        with associated(node.port):
            pass
        assert [row.ending for row in node.ended()] == [Ending.ABORTED, Ending.RELEASED]


def test_a_connection_that_says_nothing_leaves_no_row(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        for _ in range(3):
            socket.create_connection(("127.0.0.1", node.port)).close()
        assert send(node.port, ct()).Status == 0x0000
        assert len(node.ended()) == 1


@pytest.mark.parametrize("ending", [Ending.RELEASED, Ending.ABORTED, "closed"])
def test_how_an_association_ended_is_kept(tmp_path: Path, ending: str) -> None:
    with receiver(tmp_path) as node:
        association = request(node.port, [(CTImageStorage, LE)])
        if ending == "closed":
            association.dul.socket.socket.shutdown(socket.SHUT_RDWR)
        elif ending is Ending.ABORTED:
            association.abort()
        else:
            association.release()
        expected = Ending.RELEASED if ending is Ending.RELEASED else Ending.ABORTED
        assert [row.ending for row in node.ended()] == [expected]


def test_a_rejection_is_told_once_a_minute_for_each_caller(tmp_path: Path) -> None:
    node = Store(tmp_path)
    rejections = Rejections(node.ledger)
    admitted = Admitted(admission=Admission.CALLING_AE_UNKNOWN, reason="no peer has this AE title")

    def tell(now: float, calling: str = "X") -> int:
        who = Association(id="", calling_ae=calling, called_ae="CTNODE", address="192.0.2.1", opened_at=now)
        rejections.tell(who, admitted, now=now)
        return len(node.events("rejected"))

    assert [tell(0), tell(59.9), tell(60.0), tell(60.1), tell(60.2, "Y")] == [1, 1, 2, 2, 3]
    assert len(rejections._told) == 2
    rejections._told.update({(str(n), "", ""): 0.0 for n in range(REMEMBERED)})
    tell(200, "Z")
    assert len(rejections._told) == 1
