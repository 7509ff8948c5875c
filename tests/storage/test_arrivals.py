"""What arrives: associations, instances and their series, on both databases."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from sqlalchemy import text

from storage import arrivals, outcomes
from storage.ledger import Ledger
from storage.states import Ending, SeriesState
from tests.storage.rows import OTHER_SERIES, SERIES, STUDY, association, complete, instance
from tests.waiting import eventually


def test_an_instance_comes_back_as_it_went_in(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.open_association(connection, association("a"))
        sent = instance(1, association_id="a", ineligible="no Pixel Data")
        assert arrivals.add_instance(connection, sent) is True
    with ledger.reading() as connection:
        assert arrivals.find_instance(connection, sent.header.sop_instance_uid) == sent
        assert arrivals.find_instance(connection, "1.2.3") is None
        assert arrivals.study_of(connection, SERIES) == STUDY
        assert arrivals.study_of(connection, "1.2.3") is None


def test_the_first_instance_opens_its_series(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1, at=1000.0))
        series = arrivals.find_series(connection, SERIES)
    assert series is not None
    assert (series.state, series.revision, series.instances) == (SeriesState.RECEIVING, 0, 1)
    assert (series.first_received_at, series.last_received_at) == (1000.0, 1000.0)
    assert (series.completed_at, series.evidence, series.reason) == (None, None, None)
    assert (series.study_instance_uid, series.modality) == (STUDY, "CT")


def test_more_instances_move_only_the_last_arrival(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for number in (1, 2, 3):
            arrivals.add_instance(connection, instance(number, at=1000.0 + number))
        series = arrivals.find_series(connection, SERIES)
        stored = arrivals.instances_of(connection, SERIES)
    assert series is not None
    assert (series.instances, series.first_received_at, series.last_received_at) == (3, 1001.0, 1003.0)
    assert [i.received_at for i in stored] == [1001.0, 1002.0, 1003.0]


def test_an_instance_that_is_stored_already_changes_nothing(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1, at=1000.0))
        before = arrivals.find_series(connection, SERIES)
        assert arrivals.add_instance(connection, instance(1, at=1009.0)) is False
        assert arrivals.find_series(connection, SERIES) == before


@pytest.mark.parametrize(("at", "expected"), [(999.0, 1000.0), (1001.0, 1000.0), (1001.5, 1001.5)])
def test_a_series_that_is_heard_again_is_not_quiet(ledger: Ledger, at: float, expected: float) -> None:
    """Written once a second at most, and never backwards."""
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1, at=1000.0))
        arrivals.add_instance(connection, instance(9, series=OTHER_SERIES, at=1000.0))
        before = arrivals.find_series(connection, SERIES)
        assert before is not None
        assert arrivals.unheard(connection, SERIES, at) is (expected > 1000.0)
        arrivals.heard_again(connection, SERIES, at)
        assert arrivals.find_series(connection, SERIES) == replace(before, last_received_at=expected)
        other = arrivals.find_series(connection, OTHER_SERIES)
        assert other is not None and other.last_received_at == 1000.0


def test_a_stored_uid_in_another_series_leaves_no_series_behind(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        assert arrivals.add_instance(connection, instance(1, series=OTHER_SERIES)) is False
        assert arrivals.find_series(connection, OTHER_SERIES) is None


@pytest.mark.parametrize("at", [1000.0, 999.0], ids=["same clock reading", "clock set back"])
def test_every_arrival_is_noticed_whatever_the_clock_says(ledger: Ledger, at: float) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1, at=1000.0))
        decided_on = arrivals.find_series(connection, SERIES)
        arrivals.add_instance(connection, instance(2, at=at))
        now = arrivals.find_series(connection, SERIES)
    assert decided_on is not None
    assert now is not None
    assert now.last_received_at > decided_on.last_received_at
    assert now.last_received_at == pytest.approx(1000.0, abs=1e-5)


@pytest.mark.parametrize("ineligible", [None, "no Pixel Data"])
def test_a_late_instance_takes_the_series_back(ledger: Ledger, ineligible: str | None) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1, at=1000.0, ineligible=ineligible))
        assert complete(connection, now=1010.0) == 1
        arrivals.add_instance(connection, instance(2, at=1500.0))
        series = arrivals.find_series(connection, SERIES)
    assert series is not None
    assert (series.state, series.revision, series.instances) == (SeriesState.RECEIVING, 1, 2)
    assert (series.first_received_at, series.last_received_at) == (1500.0, 1500.0)
    assert (series.completed_at, series.reason) == (1010.0, None)


def test_two_associations_send_the_same_instance_at_once(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
    assert _race(ledger, instance(2), instance(2)) == [True, False]
    with ledger.reading() as connection:
        series = arrivals.find_series(connection, SERIES)
        assert series is not None
        assert series.instances == 2 == len(arrivals.instances_of(connection, SERIES))


def test_two_associations_open_the_same_series_at_once(ledger: Ledger) -> None:
    assert _race(ledger, instance(1), instance(2)) == [True, True]
    with ledger.reading() as connection:
        series = arrivals.find_series(connection, SERIES)
    assert series is not None
    assert series.instances == 2


def _race(ledger: Ledger, first: object, second: object) -> list[bool]:
    """The second transaction runs while the first has written and not committed."""
    added: list[bool] = []

    def add_second() -> None:
        with ledger.writing() as connection:
            added.append(arrivals.add_instance(connection, second))  # type: ignore[arg-type]

    other = threading.Thread(target=add_second)
    with ledger.writing() as connection:
        added.append(arrivals.add_instance(connection, first))  # type: ignore[arg-type]
        other.start()
        wait_until_blocked(ledger)
    other.join(20)
    return added


def wait_until_blocked(ledger: Ledger) -> None:
    """PostgreSQL says when a transaction waits for another; SQLite lets one writer in at a time."""
    if ledger.engine.dialect.name == "sqlite":
        return
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    def blocked() -> bool:
        with ledger.reading() as connection:
            return connection.execute(waiting).scalar() == 1

    eventually(blocked, what="the second transaction waits for the first")


def test_an_association_ends_once(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.open_association(connection, association("late", at=901.0))
        arrivals.open_association(connection, association("a", at=900.0))
        assert arrivals.open_associations(connection) == [association("a"), association("late", at=901.0)]
        arrivals.close_association(connection, "a", Ending.ABORTED, 950.0)
        arrivals.close_association(connection, "a", Ending.RELEASED, 960.0)
        assert arrivals.open_associations(connection) == [association("late", at=901.0)]
        assert _ending(connection, "a") == (950.0, "aborted")


def test_associations_that_were_open_when_the_receiver_stopped_are_lost(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for id in ("a", "b", "c"):
            arrivals.open_association(connection, association(id))
        arrivals.close_association(connection, "a", Ending.RELEASED, 950.0)
        assert arrivals.close_lost_associations(connection, 999.0) == 2
        assert arrivals.close_lost_associations(connection, 1000.0) == 0
        assert [_ending(connection, id) for id in ("a", "b", "c")] == [
            (950.0, "released"),
            (999.0, "lost"),
            (999.0, "lost"),
        ]


@pytest.mark.parametrize(
    ("receiver", "receivers", "expected"), [(1, None, "b"), (0, 2, "ac"), (0, 3, "a"), (2, None, "c")]
)
def test_a_receiver_loses_its_own_associations(
    ledger: Ledger, receiver: int, receivers: int | None, expected: str
) -> None:
    """And the first one those of receivers that are no more."""
    with ledger.writing() as connection:
        for number, id in enumerate("abc"):
            arrivals.open_association(connection, replace(association(id), receiver=number))
        count = arrivals.close_lost_associations(connection, 9.0, receiver=receiver, receivers=receivers)
        lost = [id for id in "abc" if _ending(connection, id) == (9.0, "lost")]
    assert (count, "".join(lost)) == (len(expected), expected)


def _ending(connection: object, id: str) -> tuple[float, str]:
    row = connection.execute(  # type: ignore[attr-defined]
        text("SELECT closed_at, ending FROM association WHERE id = :id"), {"id": id}
    ).one()
    return row.closed_at, row.ending


def test_what_is_refused_and_kept_is_remembered_once_for_each_content(ledger: Ledger) -> None:
    refused = instance(1)
    with ledger.writing() as connection:
        assert arrivals.keep_aside(connection, refused, "other content") is True
        assert arrivals.keep_aside(connection, refused, "other content") is False
        assert arrivals.keep_aside(connection, replace(refused, digest="f" * 64), "other content") is True
        assert arrivals.find_series(connection, SERIES) is None


def test_text_of_others_never_breaks_the_ledger(ledger: Ledger) -> None:
    """A NUL in a value, or more characters than the standard allows (PS3.5 6.2), is found in the field."""
    with ledger.writing() as connection:
        strange = instance(1, modality="C\0T" + "X" * 20, ineligible="says \0")
        assert arrivals.add_instance(connection, strange) is True
        series = arrivals.find_series(connection, SERIES)
        stored = arrivals.find_instance(connection, strange.header.sop_instance_uid)
    assert series is not None
    assert stored is not None
    assert series.modality == "C T" + "X" * 13
    assert stored.header == strange.header
    assert stored.ineligible == "says  "


def test_the_newest_series_come_first(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1, at=1000.0))
        arrivals.add_instance(connection, instance(2, series=OTHER_SERIES, at=1001.0))
        uids = [s.series_instance_uid for s in arrivals.recent_series(connection, 5)]
        assert uids == [OTHER_SERIES, SERIES]
        assert len(arrivals.recent_series(connection, 1)) == 1
        assert outcomes.queued_before(connection, 1e9) == []
