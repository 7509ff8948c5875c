"""Completion and its job commit together; what got stuck is found. A real ledger, the clock by hand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydicom.uid import MRImageStorage

from node import completion, dispatcher
from node.completion import analysis, analysis_key
from node.config import Assembly, Config, Delivery, Peer, Storage
from node.delivery_jobs import route_job
from node.dispatcher import Dispatcher, patient
from node.intake import Intake
from storage import circuits, deliveries, events, outcomes, workflows
from storage.errors import LedgerDown, Refused
from storage.records import Circuit, Event
from storage.states import DeliveryState, SeriesState, Trouble
from storage.workflows import Job, Queue
from tests.node import results
from tests.node.delivery_world import Pacs as ScriptedPacs
from tests.node.receiving import SERIES, Store, ct, free_port, take
from tests.node.results import analysed, job_statuses, rows, states, workflow_ledger
from tests.node.scu_peers import Store as Pacs
from tests.node.scu_peers import scp
from tests.stores import reading
from tests.waiting import eventually

workflow_template = results.workflow_template
CONFIG = Config(assembly=Assembly(quiet_s=8, long_quiet_s=8, cap_s=60))

QUIET = "8 s quiet, no open association, 2 instances, "


class Node:
    """A dispatcher that is called by hand, on a clock that is moved by hand."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = 0.0
        self.dispatcher = Dispatcher(
            CONFIG,
            store.blobs,
            store.ledger,
            store=reading(store.blobs),
            clock=lambda: self.now,
            monotonic=lambda: self.now,
        )
        self.intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: self.now)

    def take(self, number: int, *, at: float, association: str = "a1", **attributes: object) -> None:
        self.now = at
        each = ct(number, **attributes)  # type: ignore[arg-type]
        take(self.intake, each, association_id=association)

    def assemble(self, at: float) -> tuple[SeriesState, int]:
        self.now = at
        self.dispatcher.assemble()
        series = self.store.series()
        return series.state, series.revision

    def jobs(self) -> list[str]:
        return sorted(job_statuses(self.store))


@pytest.fixture
def node(tmp_path: Path, workflow_template: Path) -> Iterator[Node]:
    with workflow_ledger(workflow_template, tmp_path) as store:
        each = Node(store)
        yield each
        each.dispatcher._jobs.close()


def test_a_series_is_complete_and_its_job_is_owed(node: Node) -> None:
    node.store.association("a1")
    node.take(1, at=100)
    node.take(2, at=105)
    assert node.assemble(113) == (SeriesState.RECEIVING, 0)  # the association is open
    node.store.close_association("a1", 106)
    assert node.assemble(112.9) == (SeriesState.RECEIVING, 0)
    assert node.jobs() == []
    assert node.assemble(113) == (SeriesState.QUEUED, 1)
    series = node.store.series()
    assert (series.rule, str(series.evidence).startswith(QUIET)) == ("long quiet", True)
    assert (series.completed_at, series.instances) == (113, 2)
    assert node.jobs() == [f"analyse/{SERIES}/1"]
    (job,) = job_statuses(node.store).values()
    assert (job.name, job.queue_name, job.status) == ("analyse", Queue.INFER, "ENQUEUED")
    assert node.assemble(500) == (SeriesState.QUEUED, 1)
    assert len(node.jobs()) == 1


def test_a_late_instance_is_a_new_revision(node: Node) -> None:
    node.store.association("a1")
    node.take(1, at=100)
    node.store.close_association("a1", 101)
    assert node.assemble(108) == (SeriesState.QUEUED, 1)
    node.take(1, at=109)  # the same again is none
    assert node.assemble(109) == (SeriesState.QUEUED, 1)
    node.take(2, at=110)
    assert node.assemble(124.9) == (SeriesState.RECEIVING, 1)  # it has paused for 10 s before
    assert node.assemble(125) == (SeriesState.QUEUED, 2)
    assert node.jobs() == [f"analyse/{SERIES}/1", f"analyse/{SERIES}/2"]


def test_what_is_not_eligible_says_why_and_is_never_analysed(node: Node) -> None:
    node.store.association("a1")
    node.take(1, at=100, SOPClassUID=MRImageStorage)
    node.store.close_association("a1", 101)
    assert node.assemble(108) == (SeriesState.NOT_ELIGIBLE, 1)
    assert node.store.series().reason == "not CT image data: MR Image Storage (1 instances)"
    assert node.jobs() == []
    node.take(2, at=110)  # a CT image after all
    assert node.assemble(125) == (SeriesState.QUEUED, 2)
    assert node.jobs() == [f"analyse/{SERIES}/2"]


def test_the_time_in_which_the_receiver_was_down_is_no_quiet(node: Node) -> None:
    node.store.association("a1")
    node.take(1, at=100)
    node.store.close_association("a1", 101)
    with node.store.ledger.writing() as connection:
        events.tell(connection, Event(at=150, kind="receiver listens", subject="CTNODE", detail=""))
    assert node.assemble(157.9) == (SeriesState.RECEIVING, 0)
    assert node.assemble(158) == (SeriesState.QUEUED, 1)


def test_a_dispatcher_that_starts_gives_a_quiet_first(node: Node) -> None:
    node.store.association("a1")
    node.take(1, at=100)
    node.store.close_association("a1", 101)
    node.now = 1000
    started = Dispatcher(
        CONFIG,
        node.store.blobs,
        node.store.ledger,
        store=reading(node.store.blobs),
        clock=lambda: node.now,
        monotonic=lambda: node.now,
    )
    started.assemble()
    assert node.store.series().state is SeriesState.RECEIVING
    node.now = 1008
    started.assemble()
    assert node.store.series().state is SeriesState.QUEUED
    started._jobs.close()


def test_the_state_and_the_job_commit_together(
    node: Node, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And a series that could not be decided is left alone for a while."""
    node.store.association("a1")
    node.take(1, at=100)
    node.store.close_association("a1", 101)
    with monkeypatch.context() as patch:
        patch.setattr(node.dispatcher._jobs, "enqueue", lambda *_: 1 / 0)
        assert node.assemble(108) == (SeriesState.RECEIVING, 0)
        assert "series not decided" in "".join(capsys.readouterr())
    assert node.assemble(117.9) == (SeriesState.RECEIVING, 0)
    assert node.assemble(118) == (SeriesState.QUEUED, 1)


def test_an_instance_that_slips_in_while_it_is_decided(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    node.store.association("a1")
    node.take(1, at=100)
    node.store.close_association("a1", 101)
    decide = completion.decide

    def meanwhile(*arguments: object, **named: object) -> object:
        node.take(2, at=108)
        return decide(*arguments, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(completion, "decide", meanwhile)
        assert node.assemble(108) == (SeriesState.RECEIVING, 0)
    assert node.jobs() == []
    assert node.assemble(116) == (SeriesState.QUEUED, 1)
    assert "2 instances" in str(node.store.series().evidence)


def test_an_analysis_that_ended_without_an_outcome_is_told(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    node.store.association("a1")
    node.take(1, at=100)
    node.store.close_association("a1", 101)
    node.assemble(108)
    ended = {analysis_key(SERIES, 1): "ERROR: boom"}
    monkeypatch.setattr(node.dispatcher._jobs, "failed", lambda keys: {k: ended[k] for k in keys})
    node.now = 118  # not before it is ten seconds old
    node.dispatcher.reconcile()
    assert node.store.series().state is SeriesState.QUEUED
    node.now = 118.1
    node.dispatcher.reconcile()
    series = node.store.series()
    assert (series.state, series.reason) == (SeriesState.FAILED, "the analysis ended: ERROR: boom")
    (told,) = node.store.events("analysis failed")
    assert (told.subject, told.at) == (SERIES, 118.1)
    node.dispatcher.reconcile()
    assert len(node.store.events("analysis failed")) == 1


def test_a_cancelled_job_is_seen_by_dbos_itself(node: Node) -> None:
    node.store.association("a1")
    node.take(1, at=100)
    node.store.close_association("a1", 101)
    node.assemble(108)
    node.dispatcher._jobs._client.cancel_workflow(analysis_key(SERIES, 1))
    node.now = 200
    node.dispatcher.reconcile()
    assert node.store.series().reason == "the analysis ended: CANCELLED"


def test_a_delivery_without_a_job_gets_one(node: Node) -> None:
    analysed(node.store)
    with node.store.ledger.writing() as connection:
        for result in outcomes.results_of(connection, SERIES, 1):
            deliveries.owe(connection, result.sop_instance_uid, "pacs", 1000.0)
    node.now = 1900.0
    node.dispatcher.remind()
    assert node.jobs() == []
    node.now = 1900.1
    node.dispatcher.remind()
    node.dispatcher.remind()
    (job,) = job_statuses(node.store).values()
    assert (job.name, job.queue_name, job.queue_partition_key) == ("deliver", Queue.DELIVER, "pacs")
    assert job.workflow_id == f"deliver/pacs/{SERIES}/1/overdue/2"
    with node.store.ledger.writing() as connection:
        ids = [row.id for row in rows(node.store).values()]
        deliveries.give_up(connection, ids, error="x", now=1900)
    node.now = 10_000
    node.dispatcher.remind()  # a dead letter is not overdue
    assert len(node.jobs()) == 1


def test_results_whose_job_ended_before_they_were_owed_are_routed_again(node: Node) -> None:
    """Nobody is owed them yet, so nothing else would ever find them."""
    first = route_job(SERIES, 1, key_suffix="1")
    with node.store.ledger.writing() as connection:
        node.dispatcher._jobs.enqueue(connection, first)
    node.dispatcher.remind()
    assert node.jobs() == [first.key]  # it waits, or runs
    node.dispatcher._jobs._client.cancel_workflow(first.key)
    node.now = 2000.0
    node.dispatcher.remind()
    (job,) = job_statuses(node.store).values()
    assert (job.workflow_id, job.name, job.status) == (f"route/{SERIES}/1/again/2000000", "route", "ENQUEUED")
    assert (job.queue_name, list(job.input["args"])) == (Queue.ROUTE, [SERIES, 1])
    node.dispatcher.remind()
    assert len(node.jobs()) == 1


def test_deliveries_of_a_clock_that_was_ahead_get_a_job(node: Node) -> None:
    analysed(node.store)
    with node.store.ledger.writing() as connection:
        for result in outcomes.results_of(connection, SERIES, 1):
            deliveries.owe(connection, result.sop_instance_uid, "pacs", 90 * 86_400.0)
    node.now = 1000.0
    node.dispatcher.remind()
    assert node.jobs() == [f"deliver/pacs/{SERIES}/1/overdue/1"]


def test_a_job_waits_for_the_database_and_for_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(dispatcher.time, "sleep", waited.append)
    outcomes_of_a_try = iter([LedgerDown("away"), LedgerDown("away"), None])
    ran: list[tuple[object, ...]] = []

    def job(*arguments: str | int) -> None:
        ran.append(arguments)
        error = next(outcomes_of_a_try, Refused("no"))
        if error is not None:
            raise error

    patient(job)("1.2", 3)
    assert (ran, waited) == ([("1.2", 3)] * 3, [5.0, 5.0])
    with pytest.raises(Refused):
        patient(job)()


def test_all_jobs_wait_for_the_database(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, tuple[Queue, Callable[..., None]]] = {}
    ran: list[str] = []

    class Listening:
        """Stands in for the executor: what it would run is run here."""

        def __init__(self, _ledger: object, *, role: str) -> None:
            assert role == "dispatcher"

        def start(self, functions: dict[str, tuple[Queue, Callable[..., None]]]) -> None:
            started.update(functions)

        def stop(self, *, wait_s: int) -> None:
            assert wait_s > 0

    def away_once(name: str) -> Callable[..., None]:
        def job(_self: object, *_arguments: str | int) -> None:
            ran.append(name)
            if ran.count(name) == 1:
                raise LedgerDown("away")

        return job

    stopping = threading.Event()
    stopping.set()
    monkeypatch.setattr(dispatcher, "Executor", Listening)
    monkeypatch.setattr(dispatcher, "LEDGER_WAIT_S", 0)
    for name in ("route", "deliver", "probe"):
        monkeypatch.setattr(dispatcher.Delivering, name, away_once(name))
    node.dispatcher.run(stopping)
    for _queue, function in started.values():
        function(SERIES, 1)
    assert {name: queue for name, (queue, _) in started.items()} == {
        "route": Queue.ROUTE,
        "deliver": Queue.DELIVER,
        "probe": Queue.DELIVER,
    }
    assert ran == ["route", "route", "deliver", "deliver", "probe", "probe"]


def test_old_and_settled_series_go_only_where_that_is_wanted(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    monkeypatch.setattr(dispatcher.retention, "retire", lambda *a, **_k: asked.append(a[2]) or 0)
    node.now = 86_400.0 * 100
    node.dispatcher.retire()
    assert asked == [86_400.0 * 70]
    never = Config(storage=Storage(retention_days=0))
    keeping = Dispatcher(
        never,
        node.store.blobs,
        node.store.ledger,
        store=reading(node.store.blobs),
        clock=lambda: node.now,
        monotonic=lambda: node.now,
    )
    keeping.retire()
    keeping._jobs.close()
    assert len(asked) == 1


def test_the_paces_go_on_when_the_database_is_away() -> None:
    stopping, called = threading.Event(), []

    def away() -> None:
        called.append("away")
        raise LedgerDown("away")

    def last() -> None:
        called.append("last")
        if called.count("last") == 3:
            stopping.set()

    dispatcher._keep_pace([(0.0, away), (0.0, last)], stopping)
    assert called == ["away", "last"] * 3


def test_the_paces_go_on_after_an_error_that_nobody_foresaw(capsys: pytest.CaptureFixture[str]) -> None:
    stopping = threading.Event()
    dispatcher._keep_pace([(0.0, lambda: 1 / 0), (0.0, stopping.set)], stopping)  # type: ignore[list-item]
    assert "round failed" in "".join(capsys.readouterr())


def test_what_is_open_is_closed_whatever_ends_the_dispatcher(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    class Failing:
        def __init__(self, _ledger: object, *, role: str) -> None: ...

        def start(self, _functions: object) -> None:
            raise KeyError("a bug")

        def stop(self, *, wait_s: int) -> None:
            closed.append("executor")

    monkeypatch.setattr(dispatcher, "Executor", Failing)
    monkeypatch.setattr(node.dispatcher._jobs, "close", lambda: closed.append("jobs"))
    with pytest.raises(KeyError):
        node.dispatcher.run(threading.Event())
    assert closed == ["executor", "jobs"]


def test_the_job_of_an_analysis() -> None:
    assert analysis("1.2", 3) == Job(
        queue=Queue.INFER, name="analyse", key="analyse/1.2/3", arguments=("1.2", 3)
    )


def test_a_circuit_without_a_job_gets_one_and_nothing_behind_it_does(node: Node) -> None:
    analysed(node.store)
    circuit = Circuit(
        destination="pacs",
        trouble=Trouble.UNREACHABLE,
        failures=3,
        since=1000.0,
        next_try_at=1120.0,
        reason="r",
    )
    with node.store.ledger.writing() as connection:
        for result in outcomes.results_of(connection, SERIES, 1):
            deliveries.owe(connection, result.sop_instance_uid, "pacs", 1000.0)
        circuits.keep(connection, circuit)
    node.now = 2020.0
    node.dispatcher.remind()
    assert node.jobs() == []
    node.now = 2020.1
    node.dispatcher.remind()
    (job,) = job_statuses(node.store).values()
    assert (job.name, job.queue_name, job.queue_partition_key) == ("probe", Queue.DELIVER, "pacs")


def test_a_running_dispatcher_tries_a_pacs_that_was_down_once_for_all(
    tmp_path: Path, workflow_template: Path
) -> None:
    """Real jobs: three tries, then `probe` until somebody listens; then everything arrives."""
    port = free_port()
    with workflow_ledger(workflow_template, tmp_path) as store:
        analysed(store)
        pacs = Peer(name="pacs", ae_title="PACS", gets_results=True, hosts=("127.0.0.1",), port=port)
        config = Config(
            peers=(pacs,),
            storage=Storage(root=tmp_path, retention_days=0),
            delivery=Delivery(retry_first_s=0.1, retry_max_s=0.2),
        )
        jobs = workflows.Jobs(store.ledger)
        with store.ledger.writing() as connection:
            route = Job(queue=Queue.ROUTE, name="route", key="route/1", arguments=(SERIES, 1))
            jobs.enqueue(connection, route)
        jobs.close()
        stopping = threading.Event()
        running = threading.Thread(
            target=Dispatcher(config, store.blobs, store.ledger, store=reading(store.blobs)).run,
            args=(stopping,),
        )
        running.start()

        def failures() -> int:
            with store.ledger.reading() as connection:
                found = circuits.find(connection, "pacs")
            return 0 if found is None else found.failures

        peer = ScriptedPacs(port)
        try:
            eventually(lambda: failures() >= 5)
            peer.up()
            eventually(lambda: states(store) == {"sr": DeliveryState.STORED, "seg": DeliveryState.STORED})
            eventually(lambda: failures() == 0)
        finally:
            stopping.set()
            running.join(40)
            peer.down()
        assert not running.is_alive()
        names = [job.name for job in job_statuses(store).values()]
        assert names.count("deliver") == 1 + 2  # the first, and its two tries before the circuit opened
        assert names.count("probe") >= 3
        assert len(peer.came) == 2


def test_a_running_dispatcher_brings_results_to_their_destinations(
    tmp_path: Path, workflow_template: Path
) -> None:
    """The whole process but its signals: routes, delivers to a PACS that is full once, completes a series."""
    full_once = iter([0xA700])
    peer = Pacs(lambda event: next(full_once, 0x0000))
    contexts = [(str(uid), ["1.2.840.10008.1.2.1"]) for uid in results.KINDS.values()]
    with workflow_ledger(workflow_template, tmp_path) as store, scp(contexts, peer.handlers) as address:
        analysed(store)
        pacs = Peer(name="pacs", ae_title="PEER", gets_results=True, hosts=("127.0.0.1",), port=address.port)
        config = Config(
            peers=(pacs,),
            assembly=Assembly(quiet_s=0.1, long_quiet_s=0.1, cap_s=60),
            storage=Storage(root=tmp_path, retention_days=0),
            delivery=Delivery(retry_first_s=0.2, retry_max_s=0.2),
        )
        jobs = workflows.Jobs(store.ledger)
        with store.ledger.writing() as connection:
            route = Job(queue=Queue.ROUTE, name="route", key="route/1", arguments=(SERIES, 1))
            jobs.enqueue(connection, route)
        jobs.close()
        stopping = threading.Event()
        running = threading.Thread(
            target=Dispatcher(config, store.blobs, store.ledger, store=reading(store.blobs)).run,
            args=(stopping,),
        )
        running.start()
        try:
            eventually(lambda: states(store) == {"sr": DeliveryState.STORED, "seg": DeliveryState.STORED})
            store.association("late")
            take(Intake(store.instances, store.ledger, reserve_bytes=0), ct(7), association_id="late")
            store.close_association("late", 1.0)
            eventually(lambda: store.series().state is SeriesState.QUEUED)
            assert store.series().revision == 2
        finally:
            stopping.set()
            running.join(40)
        assert not running.is_alive()
        assert sorted(row.attempts for row in rows(store).values()) == [1, 2]
        assert len(peer.came) == 3
