"""Who is let in: A-ASSOCIATE-RJ by its numbers (PS3.8 Table 9-21), and what an association leaves behind."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import CTImageStorage
from sqlalchemy import Connection
from structlog.testing import capture_logs

from node.config import Peer
from node.damping import Damper
from node.peers import Admission, Admitted
from node.rejections import TOLD_MAX, WAITING_MAX, Rejections
from storage import database, events, tallies
from storage.records import Association, Event
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


def test_a_database_that_is_locked_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beginning and end are written when it is free again, under their own times."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    with receiver(tmp_path) as node:
        times = iter([100.0, 117.0])
        monkeypatch.setattr(node.scp, "_clock", lambda: next(times))
        with node.locked():
            with associated(node.port) as association:
                assert association.is_established
            eventually(lambda: not node.scp._here)
            assert Store.associations(node) == []
        (row,) = node.ended()
    assert (row.opened_at, row.closed_at, row.ending) == (100.0, 117.0, Ending.RELEASED)


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
        monkeypatch.setattr(node.instances, "free_bytes", lambda: 2_047_999_999)
        assert rejection(request(node.port)) == (2, 3, 1)
        (told,) = eventually(lambda: node.events("rejected"))
        assert told.detail == "disk full: 2047 MB free, 2048 MB reserved"
        assert node.associations() == []


def test_while_the_node_stops_nobody_is_let_in_and_who_is_busy_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.upper_layer.accepted.DRAIN_IDLE_S", 30.0)
    with receiver(tmp_path) as node, associated(node.port) as association:
        stopping = threading.Thread(target=node.scp.drain, args=(30,))
        stopping.start()
        eventually(lambda: node.scp._lobby._deaf.is_set())
        with pytest.raises(OSError):
            socket.create_connection(("127.0.0.1", node.port), timeout=5)
        answer = store(association, encoded(ct()), sop_instance_uid=ct().SOPInstanceUID)
        assert answer.Status == 0x0000  # what is open goes on
        association.release()
        stopping.join(30)
        assert not stopping.is_alive()
        assert [row.ending for row in node.ended()] == [Ending.RELEASED]


def test_who_is_idle_when_the_node_stops_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.upper_layer.accepted.DRAIN_IDLE_S", 0.0)
    with receiver(tmp_path) as node:
        association = request(node.port)
        began = time.monotonic()
        node.scp.drain(600)
        assert time.monotonic() - began < 60  # not to the end of its patience
        eventually(lambda: association.is_aborted)
        assert [row.ending for row in node.ended()] == [Ending.ABORTED]


def test_who_has_connected_and_asks_while_the_node_stops_is_asked_to_come_again(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        node.scp._draining = True
        assert rejection(request(node.port)) == (2, 3, 1)
        (told,) = eventually(lambda: node.events("rejected"))
        assert told.detail == "the node is stopping"


def test_what_is_open_when_the_patience_ends_is_aborted(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        association = request(node.port)
        node.scp.drain(0)
        eventually(lambda: association.is_aborted)
        assert [row.ending for row in node.ended()] == [Ending.ABORTED]


def test_an_index_that_is_hopelessly_behind_lets_nobody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    with receiver(tmp_path) as node:
        with node.locked():
            with associated(node.port):
                pass
            with monkeypatch.context() as patch:
                patch.setattr("node.intake.BEHIND_S", 0.0)
                assert rejection(request(node.port)) == (2, 3, 1)
        with associated(node.port):
            pass
        assert [row.ending for row in node.ended()] == [Ending.RELEASED] * 2


def test_an_error_of_ours_lets_nobody_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """pynetdicom swallows what a handler raises, and would go on to accept."""
    with receiver(tmp_path) as node:
        with monkeypatch.context() as patch:
            patch.setattr("node.scp.admit", lambda **_: 1 / 0)
            assert rejection(request(node.port)) == (2, 3, 1)
        with associated(node.port):
            pass


def test_a_peer_that_hangs_up_while_it_is_admitted_leaves_nothing_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with receiver(tmp_path, max_associations=1) as node:
        asked, go_on = threading.Event(), threading.Event()

        def slow() -> None:
            asked.set()
            go_on.wait(30)

        opened: list[socket.socket] = []
        with monkeypatch.context() as patch:
            patch.setattr(node.intake, "check_ready", slow)
            patch.setattr("tests.node.receiving._without_delay", lambda e: opened.append(_socket(e)))
            caller = threading.Thread(target=request, args=(node.port,))
            caller.start()
            assert asked.wait(30)
            opened[0].shutdown(socket.SHUT_RDWR)
            caller.join(60)
            go_on.set()
            assert [row.ending for row in node.ended()] == [Ending.ABORTED]
        with associated(node.port):  # its place is free
            pass


def _socket(event: Any) -> socket.socket:
    connection: socket.socket = event.assoc.dul.socket.socket
    return connection


def test_an_error_within_an_association_frees_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with capture_logs() as lines, receiver(tmp_path, max_associations=1) as node:
        with monkeypatch.context() as patch:
            patch.setattr("node.upper_layer.accepted.read_command", lambda *_: 1 / 0)
            with associated(node.port) as association:
                assert store(association, encoded(ct()), sop_instance_uid=ct().SOPInstanceUID) is None
        with associated(node.port):
            pass
        assert [row.ending for row in node.ended()] == [Ending.ABORTED, Ending.RELEASED]
    assert [line["event"] for line in lines] == ["association failed", "association aborted"]
    assert lines[1]["reason"] == "an error of ours: see the log"


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
        return rejections._waiting.qsize()

    assert [tell(0), tell(59.9), tell(60.0), tell(60.1), tell(60.2, "Y")] == [1, 1, 2, 2, 3]
    rejections.start()
    rejections.stop()
    assert [(each.at, each.subject) for each in node.events("rejected")] == [
        (60.2, "Y"),
        (60.0, "X"),
        (0.0, "X"),
    ]


def test_who_calls_himself_otherwise_each_time_is_told_so_often_a_minute_and_counted_always(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scanner that tries AE titles must fill neither the log nor the ledger nor the audit trail."""
    monkeypatch.setattr("node.rejections.WAITING_MAX", 1000)
    monkeypatch.setattr("node.rejections.STOP_S", 60.0)
    node = Store(tmp_path)
    rejections = Rejections(node.ledger)
    admitted = Admitted(admission=Admission.CALLING_AE_UNKNOWN, reason="no peer has this AE title")
    with capture_logs() as lines:
        for minute in (600.0, 660.0):
            for number in range(TOLD_MAX + 5):
                who = Association(
                    id="", calling_ae=f"{minute}X{number}", called_ae="X", address="192.0.2.1", opened_at=0
                )
                rejections.tell(who, admitted, now=minute)
    rejections.start()
    rejections.stop()
    told = [line["event"] for line in lines]
    assert told == 2 * [*TOLD_MAX * ["association rejected"], "rejections not told"]
    assert len(node.events("rejected")) == 2 * TOLD_MAX
    with node.ledger.reading() as connection:
        assert tallies.counted(connection) == {
            (tallies.Counter.REJECTED, "calling AE unknown"): 2 * (TOLD_MAX + 5)
        }


def test_a_flood_of_rejections_waits_for_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.rejections.TOLD_MAX", 1000)
    node = Store(tmp_path)
    rejections = Rejections(node.ledger)
    admitted = Admitted(admission=Admission.CALLING_AE_UNKNOWN, reason="no peer has this AE title")
    with capture_logs() as lines:
        for number in range(WAITING_MAX + 2):
            who = Association(
                id="", calling_ae=f"X{number}", called_ae="CTNODE", address="192.0.2.1", opened_at=0
            )
            rejections.tell(who, admitted, now=0)
    assert rejections._waiting.qsize() == WAITING_MAX
    assert [line["event"] for line in lines].count("association rejected") == WAITING_MAX + 2
    (*_, last) = lines
    assert (last["event"], last["reason"]) == (
        "rejection not recorded",
        "100 wait for the database already",
    )


def test_a_caller_for_whom_no_thread_is_left_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of a container counts threads: the lobby, which all callers need, goes on."""
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name == "association":
            raise RuntimeError("can't start new thread")
        begin(thread)

    with receiver(tmp_path) as node, capture_logs() as lines:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            assert not request(node.port).is_established
        with associated(node.port):
            pass
    assert lines[0] == {
        "event": "connection closed",
        "address": "",
        "reason": "this process can start no more threads",
        "log_level": "warning",
    }


def test_at_the_end_rejections_wait_for_no_database_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.rejections.STOP_S", 0.05)
    node = Store(tmp_path)
    rejections, locked = Rejections(node.ledger), threading.Event()
    monkeypatch.setattr(Rejections, "_write", lambda *_: locked.wait(60))
    admitted = Admitted(admission=Admission.CALLING_AE_UNKNOWN, reason="no peer has this AE title")
    for number in range(3):
        who = Association(id="", calling_ae=f"X{number}", called_ae="CTNODE", address="", opened_at=0)
        rejections.tell(who, admitted, now=0)
    rejections.start()
    rejections.stop()
    assert rejections._thread.is_alive()
    locked.set()
    rejections._thread.join(60)
    assert rejections._waiting.qsize() > 0  # the rest stands in the log


def test_a_rejection_that_the_ledger_does_not_take_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = events.tell

    def refuse(connection: Connection, event: Event) -> None:
        if event.subject == "BAD":
            raise ValueError("not taken")
        tell(connection, event)

    monkeypatch.setattr(events, "tell", refuse)
    node = Store(tmp_path)
    rejections = Rejections(node.ledger)
    admitted = Admitted(admission=Admission.CALLING_AE_UNKNOWN, reason="no peer has this AE title")
    for calling in ("BAD", "X"):
        who = Association(id="", calling_ae=calling, called_ae="CTNODE", address="", opened_at=0)
        rejections.tell(who, admitted, now=0)
    rejections.start()
    rejections.stop()
    assert [each.subject for each in node.events("rejected")] == ["X"]


def test_after_the_clock_was_set_back_a_rejection_is_told() -> None:
    damper = Damper()
    assert [damper.is_news("x", now) for now in (4000.0, 400.0, 401.0)] == [True, True, False]
