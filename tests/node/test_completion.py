"""Series are completed by the best evidence that their rows hold; a restart changes nothing but the quiet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from node import completion
from node.completion import waits_for
from node.config import Assembly, Config
from node.dispatcher import Dispatcher
from node.intake import Intake
from storage import arrivals, expectations, pace
from storage.records import Association
from storage.states import Ending, SeriesState, Source
from tests.node import results
from tests.node.receiving import SERIES, Store, ct, take
from tests.node.results import job_statuses, workflow_ledger
from tests.stores import reading

workflow_template = results.workflow_template
CONFIG = Config(assembly=Assembly(quiet_s=4, long_quiet_s=60, cap_s=600))


def slice_of(number: int, *, series: str = SERIES) -> Dataset:
    """One of a stack of slices 2 mm apart."""
    return ct(
        number,
        series=series,
        ImagePositionPatient=[0, 0, 2.0 * number],
        ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
        PixelSpacing=[0.7, 0.7],
        RescaleSlope=1,
        RescaleIntercept=-1024,
        FrameOfReferenceUID=f"{series}.9",
        ImageType=["ORIGINAL", "PRIMARY", "AXIAL"],
    )


class Node:
    """A dispatcher and what peers do to its ledger, on a clock that is moved by hand."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = 0.0
        self.started: list[Dispatcher] = []
        self.intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: self.now)
        self.restart(at=0.0)

    def restart(self, *, at: float) -> None:
        self.now = at
        fresh = Dispatcher(
            CONFIG,
            self.store.blobs,
            self.store.ledger,
            store=reading(self.store.blobs),
            clock=lambda: self.now,
            monotonic=lambda: self.now,
        )
        self.started.append(fresh)

    def close(self) -> None:
        for each in self.started:
            each._jobs.close()

    def open(self, id: str, *, at: float, ae: str = "CT1") -> None:
        row = Association(id=id, calling_ae=ae, called_ae="CTNODE", address="127.0.0.1", opened_at=at)
        with self.store.ledger.writing() as connection:
            arrivals.open_association(connection, row)

    def end(self, id: str, *, at: float, ending: Ending = Ending.RELEASED) -> None:
        with self.store.ledger.writing() as connection:
            arrivals.close_association(connection, id, ending, at)

    def take(self, number: int, *, at: float, by: str, series: str = SERIES) -> None:
        self.now = at
        take(self.intake, slice_of(number, series=series), association_id=by)

    def look(self, at: float, series: str = SERIES) -> tuple[SeriesState, int, str | None]:
        self.now = at
        self.started[-1].assemble()
        found = self.store.series(series)
        return found.state, found.revision, found.rule

    def completed_at(self, begin: float, *, end: float, series: str = SERIES) -> float:
        """When the dispatcher completes it, looking every half second."""
        at = begin
        while at <= end:
            if self.look(at, series)[0] is not SeriesState.RECEIVING:
                return at
            at += 0.5
        raise AssertionError(f"{series} is not complete at {end}")

    def transfer(
        self, series: str, numbers: list[int], *, begin: float, gap_s: float = 0.1, ae: str = "CT1"
    ) -> float:
        """One association that brings these slices; returns when the last of them came."""
        id = f"{series}/{begin}"[-36:]
        self.open(id, at=begin, ae=ae)
        for index, number in enumerate(numbers):
            self.take(number, at=begin + gap_s * index, by=id, series=series)
        self.end(id, at=self.now)
        return self.now


RECEIVING = SeriesState.RECEIVING


@pytest.fixture
def node(tmp_path: Path, workflow_template: Path) -> Iterator[Node]:
    with workflow_ledger(workflow_template, tmp_path) as store:
        each = Node(store)
        yield each
        each.close()


def test_a_series_that_looks_whole_takes_the_short_quiet(node: Node) -> None:
    last = node.transfer(SERIES, [3, 1, 2], begin=100)
    assert node.look(last + 3.9) == (RECEIVING, 0, None)
    assert node.look(last + 4) == (SeriesState.QUEUED, 1, "geometry closed")
    evidence = "geometry closed, 4 s quiet, 1 associations released, 3 instances"
    assert node.store.series().evidence == evidence
    assert list(job_statuses(node.store)) == [f"analyse/{SERIES}/1"]


def test_a_gap_takes_the_long_quiet_and_its_filling_the_short_one(node: Node) -> None:
    last = node.transfer(SERIES, [1, 2, 4, 5], begin=100)
    assert node.look(last + 59.9) == (RECEIVING, 0, None)
    last = node.transfer(SERIES, [3], begin=last + 59.9)
    assert node.look(last + 3.9) == (RECEIVING, 0, None)
    assert node.look(last + 4) == (SeriesState.QUEUED, 1, "geometry closed")


def test_a_gap_that_stays_is_told(node: Node) -> None:
    last = node.transfer(SERIES, [1, 2, 4, 5], begin=100)
    assert node.look(last + 60) == (SeriesState.QUEUED, 1, "long quiet")
    evidence = str(node.store.series().evidence)
    assert evidence.startswith("60 s quiet, no open association, 4 instances, ")


def test_an_abort_takes_the_long_quiet_from_its_time(node: Node) -> None:
    node.open("a", at=100)
    for number in (1, 2, 3):
        node.take(number, at=100 + number, by="a")
    node.end("a", at=120, ending=Ending.ABORTED)
    assert node.look(179.9) == (RECEIVING, 0, None)
    assert node.look(180) == (SeriesState.QUEUED, 1, "long quiet")
    assert "an association was aborted or lost" in str(node.store.series().evidence)


def test_a_sender_that_begins_again_is_not_quiet_though_nothing_is_new(node: Node) -> None:
    """Cut off after the third slice of five, it sends from the first on, a slice every 30 s."""
    node.open("a", at=100)
    for number in (1, 2, 3):
        node.take(number, at=100 + number, by="a")
    node.end("a", at=103, ending=Ending.ABORTED)
    node.open("b", at=150)
    for number, at in ((1, 151), (2, 181), (3, 211), (4, 241), (5, 271)):
        node.take(number, at=at, by="b")
        assert node.look(at + 29) == (RECEIVING, 0, None)
    node.end("b", at=300)
    assert node.look(300) == (SeriesState.QUEUED, 1, "geometry closed")
    node.take(1, at=400, by="b")
    assert node.store.series().last_received_at == 271  # what is complete stays as it is


def test_a_list_that_is_met_takes_no_time(node: Node) -> None:
    node.open("a", at=100)
    node.take(1, at=101, by="a")
    with node.store.ledger.writing() as connection:
        expectations.tell(
            connection,
            series_instance_uid=SERIES,
            source=Source.MPPS,
            told_by="1.2.3",
            count=2,
            sop_instance_uids=[f"{SERIES}.1", f"{SERIES}.2"],
            now=101.0,
        )
    assert node.look(170) == (RECEIVING, 0, None)  # one is missing, and the association is open
    node.take(2, at=170, by="a")
    assert node.look(170) == (SeriesState.QUEUED, 1, "count known")
    assert node.store.series().evidence == "MPPS 1.2.3 lists 2, 2 instances stored"


def test_the_slices_are_looked_at_once_for_each_last_arrival(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[float] = []
    shape_of = completion.progresses.shape_of
    monkeypatch.setattr(completion.progresses, "shape_of", lambda *a: looked.append(node.now) or shape_of(*a))
    last = node.transfer(SERIES, [1, 2, 4], begin=100)
    for quarters in range(60):
        node.look(last + quarters / 4)
    assert looked == [last + 4]
    last = node.transfer(SERIES, [6], begin=last + 50)
    for quarters in range(60):
        node.look(last + quarters / 4)
    assert looked[1:] == [last + 4]
    assert node.look(last + 60)[0] is SeriesState.QUEUED
    node.look(last + 61)
    assert node.started[-1]._completing._shapes == {}


def test_a_series_that_cannot_be_decided_holds_up_no_other(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    shape_of = completion.progresses.shape_of
    failing = [f"{SERIES}.1"]
    monkeypatch.setattr(
        completion.progresses, "shape_of", lambda c, uid: 1 / 0 if uid in failing else shape_of(c, uid)
    )
    for series in (f"{SERIES}.1", f"{SERIES}.2"):
        last = node.transfer(series, [1, 2, 3], begin=100)
    assert node.look(last + 4, f"{SERIES}.2")[0] is SeriesState.QUEUED
    assert node.look(last + 4, f"{SERIES}.1")[0] is RECEIVING


def test_a_round_looks_at_slices_for_a_second_and_the_next_goes_on(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    shape_of = completion.progresses.shape_of

    def slow(*arguments: object) -> object:
        clock[0] += 0.6
        return shape_of(*arguments)

    monkeypatch.setattr(completion, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    monkeypatch.setattr(completion.progresses, "shape_of", slow)
    names = [f"{SERIES}.{number}" for number in (1, 2, 3)]
    for series in names:
        last = node.transfer(series, [1, 2, 3], begin=100)
    node.look(last + 4, names[0])
    states = [node.store.series(series).state for series in names]
    assert sorted(states) == [SeriesState.QUEUED, SeriesState.QUEUED, RECEIVING]
    node.look(last + 4, names[0])
    assert [node.store.series(series).state for series in names] == [SeriesState.QUEUED] * 3


def test_pauses_are_learned_and_outlive_the_process(node: Node) -> None:
    """Five series with pauses of 6 s at most: 1.5 times what the bin of 6 s holds, within the bounds."""
    begin = 1000.0
    for number in range(5):
        series = f"{SERIES}.{number}"
        last = node.transfer(series, [1, 2, 3], begin=begin, gap_s=3.5)
        node.completed_at(last + 1, end=last + 70, series=series)
        begin += 1000
    with node.store.ledger.reading() as connection:
        (known,) = pace.known(connection).values()
    assert sum(known.all) == pytest.approx(1 + 0.99 + 0.99**2 + 0.99**3 + 0.99**4)
    node.restart(at=begin - 500)
    last = node.transfer(SERIES, [1, 2, 3], begin=begin)
    learned_s = 1.5 * 4.0
    assert node.look(last + learned_s - 0.1)[0] is RECEIVING
    assert node.look(last + learned_s) == (SeriesState.QUEUED, 1, "geometry closed")


def test_a_caller_is_believed_less_after_it_went_on(node: Node) -> None:
    last = node.transfer(SERIES, [1, 2, 3], begin=100)
    assert node.completed_at(last, end=200) == last + 4
    last = node.transfer(SERIES, [4, 5], begin=last + 20)
    assert node.look(last + 59.9) == (RECEIVING, 1, "geometry closed")
    assert node.look(last + 60) == (SeriesState.QUEUED, 2, "long quiet")
    other = f"{SERIES}.7"
    last = node.transfer(other, [1, 2, 3], begin=1000)
    assert node.look(last + 59.9, other) == (RECEIVING, 0, None)
    unaffected = f"{SERIES}.8"
    last = node.transfer(unaffected, [1, 2, 3], begin=2000, ae="CT2")
    assert node.look(last + 4, unaffected)[0] is SeriesState.QUEUED


def test_a_count_that_was_behind_teaches_as_a_shape_that_deceived(node: Node) -> None:
    """A PACS that was itself receiving had counted what came before the pause."""
    last = node.transfer(SERIES, [1, 2, 3], begin=100)
    with node.store.ledger.writing() as connection:
        expectations.tell(
            connection,
            series_instance_uid=SERIES,
            source=Source.QUERY,
            told_by="PACS",
            count=3,
            sop_instance_uids=None,
            now=last,
        )
    assert node.look(last + 4) == (SeriesState.QUEUED, 1, "count known")
    last = node.transfer(SERIES, [4, 5], begin=last + 20)
    assert node.look(last + 59.9) == (RECEIVING, 1, "count known")
    assert node.look(last + 60) == (SeriesState.QUEUED, 2, "long quiet")
    other = f"{SERIES}.7"
    last = node.transfer(other, [1, 2, 3], begin=1000)
    assert node.look(last + 59.9, other) == (RECEIVING, 0, None)


def test_what_a_series_waits_for(node: Node) -> None:
    def waits(now: float, series: str = SERIES) -> tuple[float, str] | None:
        with node.store.ledger.reading() as connection:
            found = waits_for(connection, CONFIG.assembly, series, now)
        return None if found is None else (found.until, found.reason.split(";")[0])

    node.open("a", at=100)
    node.take(1, at=101, by="a")
    assert waits(101, "1.2.3") is None
    assert waits(102) == (105, "1 associations that sent to it are open")  # the slices are looked at then
    assert waits(105) == (701, "1 associations that sent to it are open")
    node.end("a", at=106)
    assert waits(107) == (161, "60 s of quiet")
    assert waits(161) is None


@pytest.mark.parametrize("restart_s", [0.05, 0.2, 1.0, 3.9, 4.1, 30.0, 300.0])
def test_a_restart_gives_the_short_quiet_from_its_time(node: Node, restart_s: float) -> None:
    """While the transfer goes on, in its quiet, or long after: nobody looked in between."""
    last = 100.2
    node.transfer(SERIES, [1, 2, 3], begin=100)
    node.restart(at=100 + restart_s)
    from_then = max(last, 100 + restart_s)
    assert node.look(from_then + 3.99) == (RECEIVING, 0, None)
    assert node.look(from_then + 4) == (SeriesState.QUEUED, 1, "geometry closed")


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["take", "look", "restart", "abort", "release"]),
        st.sampled_from([0.1, 1.0, 3.0, 5.0, 12.0, 70.0]),
    ),
    min_size=1,
    max_size=12,
)


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(EVENTS)
def test_a_restart_at_any_moment_neither_fires_early_nor_forgets(
    node: Node, events: list[tuple[str, float]]
) -> None:
    """A new dispatcher on the same ledger gives a quiet first, and completes what it finds."""
    begin = node.now + 5000
    series = f"2.25.{int(begin)}"
    node.restart(at=begin)
    number, quiet_since = _happen(node, series, begin, events)
    node.restart(at=node.now)
    assert node.look(max(node.now, quiet_since) + 700, series)[0] is SeriesState.QUEUED, "forgotten"
    assert node.store.series(series).instances == number


def _happen(node: Node, series: str, begin: float, events: list[tuple[str, float]]) -> tuple[int, float]:
    """No completion before a short quiet has passed since the last instance and the last start."""
    now, number, open_id, quiet_since = begin, 0, "", begin
    for what, after_s in [("take", 0.1)] * 3 + events:
        now += after_s
        if what == "restart":
            node.restart(at=now)
            quiet_since = now
        if what == "take":
            number += 1
            if not open_id:
                open_id = f"{series}/{number}"
                node.open(open_id, at=now, ae=series[-8:])
            node.take(number, at=now, by=open_id, series=series)
            quiet_since = now
        if what in ("abort", "release") and open_id:
            node.end(open_id, at=now, ending=Ending.ABORTED if what == "abort" else Ending.RELEASED)
            open_id = ""
        before = node.store.series(series)
        _state, revision, _rule = node.look(now, series)
        if revision > before.revision:
            assert now >= quiet_since + 4, "fired early"
            assert not open_id, "fired while an association was open"
    if open_id:
        node.end(open_id, at=now)
    return number, quiet_since
