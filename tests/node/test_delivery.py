"""Results reach every destination, or say why not; peers by pynetdicom, the clock by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from structlog.testing import capture_logs

from node.attempt import Why, why
from node.config import Config, Peer
from node.delivery import Delivering
from node.part10 import data_set_offset
from node.revival import retry_deliveries, retry_series
from node.scu import Sent
from node.store_status import Disposition
from storage import deliveries
from storage.states import DeliveryState, SeriesState
from storage.workflows import Queue
from tests.node.receiving import SERIES, Store, free_port
from tests.node.results import KINDS, JobList, analysed, object_bytes, rows, states
from tests.node.scu_peers import Store as Pacs
from tests.node.scu_peers import scp

NOW = 1_000_000.0
DAY_S = 86_400.0
BOTH = [(str(uid), [str(ExplicitVRLittleEndian)]) for uid in KINDS.values()]
WAITING, STORED, DEAD = DeliveryState.WAITING, DeliveryState.STORED, DeliveryState.DEAD


class Node:
    """The delivering side with a store that holds one SR and one SEG."""

    def __init__(self, root: Path) -> None:
        self.store = Store(root)
        self.jobs = JobList()
        self.now = NOW
        self.peers: dict[str, Peer] = {}
        analysed(self.store)

    def knows(self, name: str, port: int) -> None:
        self.peers[name] = Peer(
            name=name, ae_title="PEER", gets_results=True, hosts=("127.0.0.1",), port=port
        )

    @property
    def delivering(self) -> Delivering:
        config = Config(peers=tuple(self.peers.values()))
        return Delivering(
            config,
            self.store.blobs,
            self.store.ledger,
            self.jobs,  # type: ignore[arg-type]
            clock=lambda: self.now,
        )

    def route(self) -> None:
        self.delivering.route(SERIES, 1)

    def deliver(self, name: str = "pacs") -> None:
        self.delivering.deliver(SERIES, 1, name)


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr("node.settling_deliveries.random.random", lambda: 0.0)
    return Node(tmp_path)


@contextmanager
def pacs(node: Node, answer: Any = lambda event: 0x0000, contexts: Any = BOTH) -> Iterator[Pacs]:
    """A destination that answers with a script; it is called 'pacs'."""
    peer = Pacs(answer)
    with scp(contexts, peer.handlers) as address:
        node.knows("pacs", address.port)
        yield peer


def test_every_result_is_owed_to_every_destination_once(node: Node) -> None:
    node.knows("pacs", 104)
    node.knows("vna", 105)
    node.route()
    assert states(node.store, "pacs") == states(node.store, "vna") == {"sr": WAITING, "seg": WAITING}
    assert [(job.queue, job.name, job.partition, job.arguments) for job in node.jobs.jobs] == [
        (Queue.DELIVER, "deliver", "pacs", (SERIES, 1, "pacs")),
        (Queue.DELIVER, "deliver", "vna", (SERIES, 1, "vna")),
    ]
    before = rows(node.store)
    node.now += 5
    node.route()  # a job runs at least once
    assert rows(node.store) == before
    assert len(node.jobs.jobs) == 2


def test_a_revision_without_results_owes_nothing(node: Node) -> None:
    node.knows("pacs", 104)
    node.delivering.route(SERIES, 2)
    assert (rows(node.store), node.jobs.jobs) == ({}, [])


def test_results_arrive_bit_for_bit(node: Node) -> None:
    with pacs(node) as peer:
        node.route()
        node.deliver()
    assert {uid for uid, _, _ in peer.came} == {"2.25.501.1", "2.25.502.1"}
    for uid, _syntax, data_set in peer.came:
        kind = "sr" if uid.startswith("2.25.501") else "seg"
        file = object_bytes(kind, uid)
        assert data_set == file[data_set_offset(file) :]
    for row in rows(node.store).values():
        assert (row.state, row.attempts, row.settled_at) == (STORED, 1, NOW)
        assert (row.next_attempt_at, row.last_error) == (None, None)
    assert peer.associations == 1


def test_a_job_that_runs_twice_sends_nothing_again(node: Node) -> None:
    with pacs(node) as peer:
        node.route()
        node.deliver()
        node.deliver()
    assert len(peer.came) == 2


def test_out_of_resources_is_tried_again_when_it_is_due(node: Node) -> None:
    statuses = iter([0xA700, 0xA700])
    with pacs(node, lambda event: next(statuses, 0x0000)) as peer:
        node.route()
        node.deliver()
        for row in rows(node.store).values():
            assert (row.state, row.attempts, row.next_attempt_at) == (WAITING, 1, NOW + 30)
            assert row.last_error is not None and row.last_error.startswith("A700 Refused: Out of Resources")
        (_, again) = node.jobs.jobs
        assert (again.delay_s, again.arguments, again.partition) == (30, (SERIES, 1, "pacs"), "pacs")
        node.now += 28.9  # more than a second early: another job's
        node.deliver()
        assert len(peer.came) == 2
        node.now = NOW + 30
        node.deliver()
    assert {(row.state, row.attempts) for row in rows(node.store).values()} == {(STORED, 2)}
    assert len(node.jobs.jobs) == 2


def test_a_refusal_for_good_is_a_dead_letter_and_holds_up_no_other(node: Node) -> None:
    def answer(event: Any) -> int | Dataset:
        if event.request.AffectedSOPClassUID != KINDS["seg"]:
            return 0x0000
        status = Dataset()
        status.Status, status.ErrorComment = 0xC000, "no room for it"
        return status

    with capture_logs() as logs, pacs(node, answer):
        node.route()
        node.deliver()
    assert states(node.store) == {"sr": STORED, "seg": DEAD}
    dead = rows(node.store)["seg"]
    assert dead.last_error == "C000 Error: Cannot Understand (no room for it)"
    assert "no room for it" not in json.dumps(logs, default=str)
    assert (dead.attempts, dead.settled_at, dead.next_attempt_at) == (1, NOW, None)
    (told,) = node.store.events("dead letter")
    expected = "SEG to pacs: C000 Error: Cannot Understand (with a comment)"
    assert (told.subject, told.detail) == (SERIES, expected)
    assert len(node.jobs.jobs) == 1  # nobody tries it again


def test_a_class_that_the_peer_does_not_take_is_a_dead_letter(node: Node) -> None:
    with pacs(node, contexts=[BOTH[0]]):
        node.route()
        node.deliver()
    assert states(node.store) == {"sr": STORED, "seg": DEAD}
    assert "does not accept Segmentation Storage" in str(rows(node.store)["seg"].last_error)


def test_a_peer_that_is_away_is_waited_for_twice_as_long_each_time(node: Node) -> None:
    node.knows("pacs", free_port())
    node.route()
    waits = []
    for job in [node.deliver] * 3 + [lambda: node.delivering.probe("pacs")] * 4:
        job()
        due = rows(node.store)["sr"].next_attempt_at
        assert due is not None
        waits.append(due - node.now)
        node.now = due
    assert waits == [30, 60, 120, 240, 480, 900, 900]
    assert [job.delay_s for job in node.jobs.jobs[1:]] == waits
    assert len(set(node.jobs.keys())) == 8
    assert "127.0.0.1" in str(rows(node.store)["sr"].last_error)
    with pacs(node):
        node.deliver()  # the circuit is open: another job's
        assert states(node.store) == {"sr": WAITING, "seg": WAITING}
        node.delivering.probe("pacs")
    assert states(node.store) == {"sr": STORED, "seg": STORED}
    assert rows(node.store)["sr"].attempts == 8


def test_after_the_days_it_is_a_dead_letter(node: Node) -> None:
    node.knows("pacs", free_port())
    node.route()
    node.now += 7 * DAY_S
    node.deliver()
    assert states(node.store) == {"sr": DEAD, "seg": DEAD}
    assert str(rows(node.store)["sr"].last_error).startswith("given up after 7 days: ")
    assert len(node.store.events("dead letter")) == 2


def test_a_destination_that_is_configured_no_more(node: Node) -> None:
    node.knows("pacs", 104)
    node.route()
    node.peers.clear()
    node.deliver()
    assert states(node.store) == {"sr": DEAD, "seg": DEAD}
    assert rows(node.store)["sr"].last_error == "pacs is no longer a destination in the configuration"


def test_what_the_peer_has_already_is_delivered(node: Node) -> None:
    with pacs(node, lambda event: 0x0111):
        node.route()
        node.deliver()
    assert states(node.store) == {"sr": STORED, "seg": STORED}


def test_a_dead_destination_holds_up_no_other(node: Node) -> None:
    node.knows("dead", free_port())
    with pacs(node):
        node.route()
        node.deliver("dead")
        node.deliver("pacs")
    assert states(node.store, "dead") == {"sr": WAITING, "seg": WAITING}
    assert states(node.store, "pacs") == {"sr": STORED, "seg": STORED}


def _no_such_vr(file: Path) -> None:
    """Media Storage SOP Class UID (0002,0002) has a value representation that is none."""
    head = b"\x02\x00\x02\x00U"
    file.write_bytes(file.read_bytes().replace(head + b"I", head + b"\x1f"))


DAMAGES: Final[dict[str, Callable[[Path], object]]] = {
    "gone": Path.unlink,
    "no DICOM": lambda file: file.write_bytes(b"x" * 500),
    "no such VR": _no_such_vr,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_result_that_cannot_be_read_holds_up_no_other(node: Node, damage: str) -> None:
    with pacs(node):
        node.route()
        file = node.store.blobs.absolute(rows(node.store)["sr"].result.path)
        DAMAGES[damage](file)
        node.deliver()
    assert states(node.store) == {"sr": DEAD, "seg": STORED}
    assert len(node.store.events("dead letter")) == 1


def test_no_attempt_is_lost_to_a_key_that_is_taken(node: Node) -> None:
    """Two rows, revived at the same time with unequal attempts: each wait has a job of its own."""
    with pacs(node, lambda event: 0xA700):
        node.route()
        node.deliver()
        sr, seg = rows(node.store)["sr"], rows(node.store)["seg"]
        with node.store.ledger.writing() as connection:
            deliveries.postpone(connection, [seg.id], until=NOW, error="x")
            deliveries.postpone(connection, [seg.id], until=NOW, error="x")
            deliveries.revive(connection, [sr.id, seg.id], NOW)
        assert seg.id < sr.id
        for _ in range(3):  # both together, and the one with more attempts is the first
            node.deliver()
            node.now += 1000
        with node.store.ledger.writing() as connection:
            deliveries.stored(connection, [seg.id], node.now)
        for _ in range(4):
            jobs = len(node.jobs.jobs)
            node.deliver()
            assert len(node.jobs.jobs) == jobs + 1
            node.now += 1000


def test_dead_letters_are_tried_again_when_a_person_says_so(node: Node) -> None:
    with pacs(node, lambda event: 0xC000):
        node.route()
        node.deliver()
    assert states(node.store) == {"sr": DEAD, "seg": DEAD}
    node.now += 3600
    with node.store.ledger.writing() as connection:
        retry_deliveries(connection, node.jobs, deliveries.unsettled(connection), node.now)  # type: ignore[arg-type]
    assert {(r.state, r.created_at, r.next_attempt_at) for r in rows(node.store).values()} == {
        (WAITING, node.now, node.now)
    }
    assert node.jobs.jobs[-1].arguments == (SERIES, 1, "pacs")
    assert node.jobs.jobs[-1].delay_s == 0
    with pacs(node):
        node.deliver()
    assert {(row.state, row.attempts) for row in rows(node.store).values()} == {(STORED, 2)}


def test_a_series_is_analysed_again_as_a_new_revision(node: Node) -> None:
    with node.store.ledger.writing() as connection:
        assert retry_series(connection, node.jobs, SERIES, NOW) == 2  # type: ignore[arg-type]
    series = node.store.series()
    assert (series.state, series.revision, series.completed_at) == (SeriesState.QUEUED, 2, NOW)
    (job,) = node.jobs.jobs
    assert (job.queue, job.name, job.arguments) == (Queue.INFER, "analyse", (SERIES, 2))
    with node.store.ledger.writing() as connection:
        assert retry_series(connection, node.jobs, SERIES, NOW) is None  # type: ignore[arg-type]
        assert retry_series(connection, node.jobs, "1.2.3", NOW) is None  # type: ignore[arg-type]
    assert len(node.jobs.jobs) == 1


@pytest.mark.parametrize(
    ("status", "reason", "comment", "words", "told"),
    [
        (
            0xA700, "Out of Resources", "no DOE^JANE",
            "A700 Out of Resources (no DOE^JANE)", "A700 Out of Resources (with a comment)",
        ),
        (0x0000, "Success", "", "0000 Success", "0000 Success"),
        (None, "sent twice", "", "sent twice", "sent twice"),
    ],
)  # fmt: skip
def test_an_answer_in_words_for_the_queue_and_without_the_comment_for_the_log(
    status: int | None, reason: str, comment: str, words: str, told: str
) -> None:
    sent = Sent(
        sop_instance_uid="1.2",
        sop_class_uid="1.3",
        disposition=Disposition.LATER,
        status=status,
        reason=reason,
        comment=comment,
    )
    assert why(sent) == Why(words=words, told=told)
