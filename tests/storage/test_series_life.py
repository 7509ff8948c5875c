"""A series' life by chance: whatever comes in whatever order, the tables of `storage.states` hold."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import ClassVar, Final

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection

from storage import arrivals, deliveries, outcomes, repeats
from storage.ledger import Ledger
from storage.records import Delivery, Series
from storage.states import DELIVERY_NEXT, OWED, SERIES_NEXT, DeliveryState, SeriesState
from tests.storage.rows import FINDINGS, SERIES, instance, result, volume

DESTINATIONS: Final = ("PACS", "VNA")
FATES: Final = ("settle", "postpone", "refuse for now", "not answer", "withdraw", "give up", "revive")


class SeriesLife(RuleBasedStateMachine):
    """Each rule is one transaction; after each, what changed is compared with the tables."""

    template: ClassVar[Path]

    @initialize()
    def open(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        shutil.copy(self.template, self.folder / "ledger.db")
        self.ledger = Ledger(f"sqlite:///{self.folder / 'ledger.db'}")
        self.clock = 1000.0
        self.sent: set[int] = set()
        self.completions = 0
        self.results: dict[str, int] = {}  # SOP Instance UID -> revision
        self.settled: dict[int, list[DeliveryState]] = {}  # every final state a delivery was given
        self.revived: dict[int, int] = {}
        self.seen: Series | None = None
        self.owed: dict[int, Delivery] = {}

    def teardown(self) -> None:
        if hasattr(self, "ledger"):
            self.ledger.close()
            shutil.rmtree(self.folder)

    def _series(self, connection: Connection) -> Series:
        series = arrivals.find_series(connection, SERIES)
        assert series is not None
        return series

    @rule(
        number=st.integers(0, 9),
        step_s=st.sampled_from([0.0, 0.0, 0.5, 60.0, -30.0]),
        image=st.booleans(),
    )
    def arrive(self, number: int, step_s: float, image: bool) -> None:
        self.clock += step_s
        sent = instance(number, at=self.clock, ineligible=None if image else "no Pixel Data")
        with self.ledger.writing() as connection:
            added = arrivals.add_instance(connection, sent)
        assert added is (number not in self.sent)
        self.sent.add(number)

    @precondition(lambda self: self.sent)
    @rule(stale=st.booleans())
    def complete(self, stale: bool) -> None:
        with self.ledger.writing() as connection:
            series = self._series(connection)
            last = series.last_received_at - (1e-6 if stale else 0.0)
            revision = outcomes.complete(
                connection, SERIES, last_received_at=last, rule="r", evidence="quiet", now=self.clock
            )
        may = series.state is SeriesState.RECEIVING and not stale
        self.completions += may
        assert revision == (self.completions if may else None)

    @precondition(lambda self: self.completions)
    @rule(data=st.data(), count=st.integers(0, 2))
    def analyse(self, data: st.DataObject, count: int) -> None:
        """Of any revision, again or late: a job runs at least once."""
        revision = data.draw(st.integers(1, self.completions))
        made = [result(10 * revision + n, revision=revision) for n in range(count)]
        with self.ledger.writing() as connection:
            before = self._series(connection)
            recorded = outcomes.record_analysis(
                connection,
                [(volume(revision=revision), FINDINGS)],
                made,
                series_instance_uid=SERIES,
                revision=revision,
                now=self.clock,
            )
            after = self._series(connection)
            found = outcomes.volumes_of(connection, SERIES, revision)
        assert recorded is (before.revision == revision and before.state is SeriesState.QUEUED)
        if not recorded:
            assert after == before
            return
        assert found == [volume(revision=revision)]
        self.results |= {r.sop_instance_uid: revision for r in made}

    @precondition(lambda self: self.completions)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        revision = data.draw(st.integers(1, self.completions))
        with self.ledger.writing() as connection:
            before = self._series(connection)
            moved = outcomes.fail(connection, SERIES, revision=revision, reason="no decoder", now=self.clock)
        assert moved is (before.revision == revision and before.state is SeriesState.QUEUED)

    @precondition(lambda self: self.completions)
    @rule()
    def analyse_again(self) -> None:
        with self.ledger.writing() as connection:
            before = self._series(connection)
            revision = repeats.analyse_again(connection, SERIES, self.clock)
        may = before.state in (SeriesState.FAILED, SeriesState.ANALYSED)
        self.completions += may
        assert revision == (self.completions if may else None)

    @precondition(lambda self: self.results)
    @rule(data=st.data(), destination=st.sampled_from(DESTINATIONS))
    def owe(self, data: st.DataObject, destination: str) -> None:
        uid = data.draw(st.sampled_from(sorted(self.results)))
        known = {
            (d.result.sop_instance_uid, d.destination)
            for d in self.owed.values()
            if d.state is not DeliveryState.WITHDRAWN
        }
        with self.ledger.writing() as connection:
            new = deliveries.owe(connection, uid, destination, self.clock)
        assert new is ((uid, destination) not in known)

    @precondition(lambda self: self.owed)
    @rule(data=st.data(), fate=st.sampled_from(FATES))
    def deliver(self, data: st.DataObject, fate: str) -> None:
        ids = data.draw(st.lists(st.sampled_from(sorted(self.owed)), min_size=1, unique=True))
        with self.ledger.writing() as connection:
            if fate == "settle":
                deliveries.stored(connection, ids, self.clock)
            elif fate == "postpone":
                deliveries.postpone(connection, ids, until=self.clock + 60, error="busy")
            elif fate == "refuse for now":
                deliveries.postpone(connection, ids, until=self.clock + 60, error="full", answered=True)
            elif fate == "not answer":
                deliveries.sent(connection, ids, until=self.clock + 60, error="silent", now=self.clock)
            elif fate == "withdraw":
                deliveries.withdraw(connection, ids, reason="no SEG there", now=self.clock)
            elif fate == "give up":
                deliveries.give_up(connection, ids, error="refused", now=self.clock)
            else:
                deliveries.revive(connection, ids, self.clock)

    @invariant()
    def the_tables_hold(self) -> None:
        if not hasattr(self, "ledger"):
            return
        with self.ledger.reading() as connection:
            series = arrivals.find_series(connection, SERIES)
            stored = arrivals.instances_of(connection, SERIES)
            owed = {d.id: d for d in deliveries.deliveries_of(connection, SERIES)}
        self._check_series(series, len(stored))
        self._check_deliveries(owed)
        self.seen, self.owed = series, owed

    def _check_series(self, series: Series | None, stored: int) -> None:
        assert (series is None) == (not self.sent)
        if series is None:
            return
        assert series.instances == stored == len(self.sent)
        assert series.revision == self.completions
        assert (series.reason is not None) == (series.state in (SeriesState.FAILED, SeriesState.NOT_ELIGIBLE))
        assert series.first_received_at <= series.last_received_at
        if self.seen is not None:
            assert series.state is self.seen.state or series.state in SERIES_NEXT[self.seen.state]
            assert series.revision - self.seen.revision in (0, 1)
            assert (series.instances > self.seen.instances) == (
                series.last_received_at > self.seen.last_received_at
            )

    def _check_deliveries(self, owed: dict[int, Delivery]) -> None:
        assert set(self.owed) <= set(owed)
        for id, now in owed.items():
            was = self.owed.get(id)
            assert (now.settled_at is None) == (now.state in OWED)
            assert now.sent_at is not None or now.state is not DeliveryState.SENT
            if was is None:
                assert (now.state, now.attempts) == (DeliveryState.WAITING, 0)
                continue
            assert now.state is was.state or now.state in DELIVERY_NEXT[was.state]
            assert now.attempts - was.attempts in (0, 1)
            if was.state is DeliveryState.STORED:
                assert now == was  # settled once, for ever


def test_a_series_life(sqlite_template: Path) -> None:
    SeriesLife.template = sqlite_template
    run_state_machine_as_test(
        SeriesLife,
        settings=settings(
            max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_the_tables_are_the_drawing() -> None:
    """The picture at the top of `storage.states`, arrow by arrow."""
    arrows = {
        ("receiving", "queued"),
        ("receiving", "not eligible"),
        ("receiving", "held"),
        ("held", "queued"),
        ("queued", "analysed"),
        ("queued", "failed"),
        ("analysed", "queued"),
        ("failed", "queued"),
    }
    late = {(state.value, "receiving") for state in SeriesState}
    found = {(before.value, after.value) for before, following in SERIES_NEXT.items() for after in following}
    assert found == arrows | late
    assert {(b.value, a.value) for b, following in DELIVERY_NEXT.items() for a in following} == {
        ("waiting", "waiting"),
        ("waiting", "sent"),
        ("waiting", "stored"),
        ("waiting", "dead"),
        ("waiting", "withdrawn"),
        ("sent", "sent"),
        ("sent", "waiting"),
        ("sent", "stored"),
        ("sent", "dead"),
        ("sent", "withdrawn"),
        ("stored", "committed"),
        ("stored", "verified"),
        ("stored", "waiting"),
        ("stored", "dead"),
        ("committed", "verified"),
        ("committed", "waiting"),
        ("committed", "dead"),
        ("dead", "waiting"),
        ("dead", "withdrawn"),
        ("withdrawn", "waiting"),
        ("withdrawn", "stored"),
    }
    with pytest.raises(ValueError, match="lost"):
        SeriesState("lost")
