"""What becomes of a series: completion, states, analysis, on both databases."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from sqlalchemy import Connection, func, select, update
from sqlalchemy.exc import IntegrityError

from storage import arrivals, outcomes, repeats, schema
from storage.ledger import Ledger
from storage.states import DELIVERY_NEXT, SERIES_NEXT, DeliveryState, SeriesState
from tests.storage.rows import FINDINGS, SERIES, add_analysed, analyse, complete, instance, result, volume

NOT_FROM_OUTSIDE = SeriesState.RECEIVING
"""The one state that `set_state` never leaves: completion alone does."""


def test_completion_queues_a_series_with_a_new_revision(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1, at=1000.0))
        assert complete(connection, now=1010.0) == 1
        series = arrivals.find_series(connection, SERIES)
    assert series is not None
    assert (series.state, series.revision, series.completed_at) == (SeriesState.QUEUED, 1, 1010.0)
    assert (series.evidence, series.reason) == ("quiet for 5 s", None)


def test_each_completion_is_the_next_revision(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for revision in (1, 2, 3):
            arrivals.add_instance(connection, instance(revision, at=1000.0 * revision))
            assert complete(connection) == revision
            assert complete(connection) is None


def test_a_slice_that_slipped_in_prevents_completion(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1, at=1000.0))
        decided_on = arrivals.find_series(connection, SERIES)
        assert decided_on is not None
        arrivals.add_instance(connection, instance(2, at=1000.0))
        last = decided_on.last_received_at
        assert (
            outcomes.complete(connection, SERIES, last_received_at=last, rule="r", evidence="", now=1.0)
            is None
        )
        series = arrivals.find_series(connection, SERIES)
    assert series is not None
    assert (series.state, series.revision) == (SeriesState.RECEIVING, 0)


def test_an_unknown_series_is_not_completed(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        assert (
            outcomes.complete(connection, "1.2.3", last_received_at=1.0, rule="r", evidence="", now=1.0)
            is None
        )


def test_a_series_without_ct_image_data_says_why(ledger: Ledger) -> None:
    reasons = ["not CT image data: PET", "no Pixel Data", "no Pixel Data"]
    with ledger.writing() as connection:
        for number, reason in enumerate(reasons):
            arrivals.add_instance(connection, instance(number, ineligible=reason))
        assert complete(connection) == 1
        series = arrivals.find_series(connection, SERIES)
    assert series is not None
    assert series.state is SeriesState.NOT_ELIGIBLE
    assert series.reason == "no Pixel Data (2 instances); not CT image data: PET (1 instances)"


def test_one_ct_instance_makes_a_series_eligible(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1, ineligible="no Pixel Data"))
        arrivals.add_instance(connection, instance(2))
        complete(connection)
        series = arrivals.find_series(connection, SERIES)
    assert series is not None
    assert (series.state, series.reason) == (SeriesState.QUEUED, None)


@pytest.mark.parametrize(("before", "after"), [*product(SeriesState, SeriesState)])
def test_set_state_obeys_the_table(sqlite_ledger: Ledger, before: SeriesState, after: SeriesState) -> None:
    with sqlite_ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        _put_into(connection, before)
        moved = outcomes.set_state(connection, SERIES, revision=3, state=after, reason="because")
        series = arrivals.find_series(connection, SERIES)
    allowed = after in SERIES_NEXT[before] and before is not NOT_FROM_OUTSIDE
    assert moved is allowed
    assert series is not None
    assert (series.state, series.reason) == ((after, "because") if allowed else (before, "before"))


def _put_into(connection: Connection, state: SeriesState) -> None:
    connection.execute(update(schema.series).values(state=state, revision=3, reason="before"))


def test_every_state_has_its_row_in_the_tables() -> None:
    assert set(SERIES_NEXT) == set(SeriesState)
    assert set(DELIVERY_NEXT) == set(DeliveryState)
    assert all(SeriesState.RECEIVING in following for following in SERIES_NEXT.values())


def test_set_state_leaves_another_revision_alone(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        complete(connection)
        for revision in (0, 2):
            moved = outcomes.set_state(
                connection, SERIES, revision=revision, state=SeriesState.FAILED, reason="x"
            )
            assert moved is False
        assert outcomes.set_state(connection, SERIES, revision=1, state=SeriesState.FAILED, reason="x")


@pytest.mark.parametrize("state", [SeriesState.FAILED, SeriesState.NOT_ELIGIBLE])
def test_the_schema_refuses_a_failure_without_a_reason(ledger: Ledger, state: SeriesState) -> None:
    with pytest.raises(IntegrityError, match="reason_stated"), ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        connection.execute(update(schema.series).values(state=state))


def test_the_schema_refuses_a_state_it_does_not_know(ledger: Ledger) -> None:
    with pytest.raises(IntegrityError, match="seriesstate"), ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        connection.exec_driver_sql("UPDATE series SET state = 'lost'")


def test_an_analysis_comes_back_as_it_was_recorded(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        complete(connection)
        refused = replace(volume(2), eligible=False, reason="two spacings", digest=None, report={})
        outcomes.record_analysis(
            connection,
            [(refused, ()), (volume(1), FINDINGS)],
            [result(2, kind="sr"), result(1, kind="seg")],
            series_instance_uid=SERIES,
            revision=1,
            now=3000.0,
        )
        series = arrivals.find_series(connection, SERIES)
        assert outcomes.volumes_of(connection, SERIES, 1) == [volume(1), refused]
        assert outcomes.results_of(connection, SERIES, 1) == [
            result(1, kind="seg"),
            result(2, kind="sr"),
        ]
        assert _findings(connection) == [("L3", "present", 0.5), ("axis", "axial", 0.875)]
    assert series is not None
    assert (series.state, series.reason) == (SeriesState.ANALYSED, None)


def test_recording_an_analysis_again_changes_nothing(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_analysed(connection, result(1))
        once = _everything(connection)
        analyse(connection, result(1), now=9999.0)
        assert _everything(connection) == once


def test_a_late_analysis_leaves_nothing_behind(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        complete(connection)
        arrivals.add_instance(connection, instance(2, at=1001.0))
        complete(connection)
        analyse(connection, result(2, revision=2), revision=2)
        newer = outcomes.volumes_of(connection, SERIES, 2), outcomes.results_of(connection, SERIES, 2)
        series = arrivals.find_series(connection, SERIES)
        assert analyse(connection, result(1), revision=1) is False
        assert arrivals.find_series(connection, SERIES) == series
        assert newer == (
            outcomes.volumes_of(connection, SERIES, 2),
            outcomes.results_of(connection, SERIES, 2),
        )
        assert outcomes.results_of(connection, SERIES, 1) == outcomes.volumes_of(connection, SERIES, 1) == []


def test_an_analysis_that_a_late_slice_overtook_is_not_recorded(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        complete(connection)
        arrivals.add_instance(connection, instance(2, at=1500.0))
        assert analyse(connection, result(1)) is False
        series = arrivals.find_series(connection, SERIES)
        assert outcomes.results_of(connection, SERIES, 1) == []
    assert series is not None
    assert (series.state, series.revision) == (SeriesState.RECEIVING, 1)


def test_queued_before_names_what_waits_too_long(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        complete(connection, now=2000.0)
        assert outcomes.queued_before(connection, 2000.0) == []
        assert outcomes.queued_before(connection, 2000.5) == [(SERIES, 1)]
        analyse(connection, result(1))
        assert outcomes.queued_before(connection, 9999.0) == []


@pytest.mark.parametrize("state", SeriesState)
def test_a_person_has_a_settled_series_analysed_again(sqlite_ledger: Ledger, state: SeriesState) -> None:
    with sqlite_ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        _put_into(connection, state)
        revision = repeats.analyse_again(connection, SERIES, 5000.0)
        series = arrivals.find_series(connection, SERIES)
    assert series is not None
    if state in (SeriesState.FAILED, SeriesState.ANALYSED):
        assert revision == 4 == series.revision
        assert (series.state, series.completed_at, series.reason) == (SeriesState.QUEUED, 5000.0, None)
    else:
        assert (revision, series.state, series.revision) == (None, state, 3)


def _findings(connection: Connection) -> list[tuple[str, str, float]]:
    table = schema.finding
    rows = connection.execute(select(table.c.name, table.c.value, table.c.confidence).order_by(table.c.name))
    return [tuple(row) for row in rows]  # type: ignore[misc]


def _everything(connection: Connection) -> object:
    return (
        outcomes.volumes_of(connection, SERIES, 1),
        outcomes.results_of(connection, SERIES, 1),
        _findings(connection),
        connection.execute(select(func.count()).select_from(schema.volume)).scalar(),
        connection.execute(select(schema.result.c.created_at)).all(),
        arrivals.find_series(connection, SERIES),
    )
