"""What a later revision carries over, withdraws and goes by, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection

from storage import arrivals, deliveries, outcomes, repeats, revisions
from storage.ledger import Ledger
from storage.records import Delivery, ResultRow, VolumeRow
from storage.states import DeliveryState, SeriesState
from tests.storage.rows import FINDINGS, SERIES, complete, instance, result, volume

WAITING, STORED = DeliveryState.WAITING, DeliveryState.STORED
DEAD, WITHDRAWN = DeliveryState.DEAD, DeliveryState.WITHDRAWN

A = replace(volume(1), digest="a" * 64, lineage=1, frames=("1.2.3 1", "1.2.4 1"))
B = replace(volume(2), digest="b" * 64, lineage=2, frames=("1.2.5 1",))
SR_A, SR_B = result(1), replace(result(2), volume_number=2)


def next_revision(
    connection: Connection, revision: int, volumes: list[VolumeRow], results: list[ResultRow]
) -> bool:
    """One more instance, completion, and these volumes and results."""
    arrivals.add_instance(connection, instance(revision, at=1000.0 * revision))
    assert complete(connection, now=1000.0 * revision + 100) == revision
    return record(connection, revision, volumes, results)


def record(connection: Connection, revision: int, volumes: list[VolumeRow], results: list[ResultRow]) -> bool:
    return outcomes.record_analysis(
        connection,
        [(replace(v, revision=revision), FINDINGS) for v in volumes],
        [replace(r, revision=revision) for r in results],
        series_instance_uid=SERIES,
        revision=revision,
        now=1000.0 * revision + 200,
    )


def owe(connection: Connection, *results: ResultRow) -> None:
    for each in results:
        deliveries.owe(connection, each.sop_instance_uid, "PACS", 1500.0)


def owed(connection: Connection) -> dict[str, Delivery]:
    return {d.result.sop_instance_uid: d for d in deliveries.deliveries_of(connection, SERIES)}


def uids(results: list[ResultRow]) -> list[str]:
    return [r.sop_instance_uid for r in results]


def test_what_waits_or_is_dead_is_withdrawn_and_what_was_delivered_stays(ledger: Ledger) -> None:
    made = [result(n) for n in (1, 2, 3)]
    with ledger.writing() as connection:
        assert next_revision(connection, 1, [A], made)
        owe(connection, *made)
        ids = [d.id for d in owed(connection).values()]
        deliveries.stored(connection, ids[:1], 1600.0)
        deliveries.give_up(connection, ids[1:2], error="refused", now=1600.0)
        assert next_revision(connection, 2, [replace(A, digest="c" * 64)], [result(4)])
        found = owed(connection)
        assert [d.state for d in found.values()] == [STORED, WITHDRAWN, WITHDRAWN]
        for each in list(found.values())[1:]:
            assert each.last_error == "replaced by revision 2 of its series"
            assert (each.settled_at, each.next_attempt_at) == (2200.0, None)
        assert deliveries.unsettled(connection) == []


def test_a_volume_that_is_carried_over_keeps_its_results_on_their_way(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        next_revision(connection, 1, [A, B], [SR_A, SR_B])
        owe(connection, SR_A, SR_B)
        new = replace(result(3), volume_number=1)
        shifted = replace(A, number=2, carried_from=1)
        next_revision(connection, 2, [replace(B, number=1, digest="c" * 64), shifted], [new])
        assert uids(outcomes.results_that_hold(connection, SERIES, 2)) == uids([SR_A, new])
        states = {uid: d.state for uid, d in owed(connection).items()}
        assert states == {SR_A.sop_instance_uid: WAITING, SR_B.sop_instance_uid: WITHDRAWN}
        again = [replace(B, number=1, digest="c" * 64, carried_from=2), shifted]
        next_revision(connection, 3, again, [])
        assert uids(outcomes.results_that_hold(connection, SERIES, 3)) == uids([SR_A, new])
        assert outcomes.results_of(connection, SERIES, 3) == []


def test_what_a_failure_withdrew_is_owed_again_when_it_is_carried_over(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        next_revision(connection, 1, [A], [SR_A])
        owe(connection, SR_A)
        arrivals.add_instance(connection, instance(2, at=2000.0))
        assert complete(connection) == 2
        assert outcomes.fail(connection, SERIES, revision=2, reason="no decoder", now=2300.0)
        (failed,) = owed(connection).values()
        assert (failed.state, failed.settled_at) == (WITHDRAWN, 2300.0)
        assert failed.last_error == "its series has a revision 2, which could not be analysed"
        assert outcomes.fail(connection, SERIES, revision=2, reason="no decoder", now=2400.0) is False
        next_revision(connection, 3, [replace(A, carried_from=1)], [])
        assert uids(outcomes.results_that_hold(connection, SERIES, 3)) == uids([SR_A])
        assert deliveries.owe(connection, SR_A.sop_instance_uid, "PACS", 3500.0) is True
        (again,) = owed(connection).values()
        assert (again.state, again.created_at, again.settled_at) == (WAITING, 3500.0, None)
        assert deliveries.owe(connection, SR_A.sop_instance_uid, "PACS", 3600.0) is False


def test_a_failure_of_an_overtaken_revision_withdraws_nothing(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        next_revision(connection, 1, [A], [SR_A])
        owe(connection, SR_A)
        arrivals.add_instance(connection, instance(2, at=2000.0))
        assert outcomes.fail(connection, SERIES, revision=1, reason="late", now=1.0) is False
        assert owed(connection)[SR_A.sop_instance_uid].state is WAITING


@pytest.mark.parametrize("at", ["before the completion", "after the completion"])
def test_a_late_instance_between_model_run_and_record(ledger: Ledger, at: str) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        assert complete(connection) == 1
        arrivals.add_instance(connection, instance(2, at=1500.0))
        if at == "after the completion":
            assert complete(connection) == 2
        assert record(connection, 1, [A], [SR_A]) is False
        assert outcomes.results_of(connection, SERIES, 1) == []
        if at == "before the completion":
            assert complete(connection) == 2
        assert record(connection, 2, [A], [result(9)]) is True
        assert uids(outcomes.results_that_hold(connection, SERIES, 2)) == uids([result(9)])


def test_the_past_of_a_series(ledger: Ledger) -> None:
    refused = replace(volume(3), eligible=False, reason="localizer", digest=None, frames=("1.2.9 1",))
    with ledger.writing() as connection:
        assert revisions.history(connection, SERIES, 1) == revisions.History(
            volumes=(), results={}, lineages=frozenset()
        )
        next_revision(connection, 1, [A, B, refused], [SR_A, SR_B])
        newer = replace(result(3), volume_number=2, predecessor_uid=SR_A.sop_instance_uid)
        next_revision(
            connection,
            2,
            [replace(B, number=1, carried_from=1), replace(A, number=2, digest="c" * 64)],
            [newer],
        )
        past = revisions.history(connection, SERIES, 3)
        assert [(f.volume.number, f.lineage, f.findings) for f in past.volumes] == [
            (1, 2, FINDINGS),
            (2, 1, FINDINGS),
        ]
        assert past.volumes[1].volume.frames == A.frames
        assert {lineage: uids(list(rows)) for lineage, rows in past.results.items()} == {
            1: uids([newer, SR_A]),
            2: uids([SR_B]),
        }
        assert past.lineages == {1, 2}
        first = revisions.history(connection, SERIES, 2)
        assert [f.volume for f in first.volumes] == [A, B]


def test_a_revision_that_failed_has_no_part_in_the_past(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        next_revision(connection, 1, [A], [SR_A])
        arrivals.add_instance(connection, instance(2, at=2000.0))
        complete(connection)
        outcomes.fail(connection, SERIES, revision=2, reason="no decoder", now=2300.0)
        (former,) = revisions.history(connection, SERIES, 3).volumes
    assert former.volume == A


def test_a_revision_that_was_held_does_not_break_a_lineage(ledger: Ledger) -> None:
    """The first half is analysed, a slice after a gap holds it, the slices of the gap come last."""
    held = replace(volume(1), eligible=False, reason="missing slices", digest=None, frames=("1.2.3 1",))
    with ledger.writing() as connection:
        next_revision(connection, 1, [A, B], [SR_A, SR_B])
        newer = replace(B, number=2, digest="c" * 64)
        next_revision(connection, 2, [held, newer], [])
        past = revisions.history(connection, SERIES, 3)
    assert [f.volume for f in past.volumes] == [A, replace(newer, revision=2)]
    assert [uids(list(past.results[f.lineage])) for f in past.volumes] == [uids([SR_A]), uids([SR_B])]


def test_what_a_person_asks_for_is_told_from_what_came_late(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        next_revision(connection, 1, [A], [SR_A])
        assert repeats.analyse_again(connection, SERIES, 5000.0) == 2
        series = arrivals.find_series(connection, SERIES)
        assert series is not None
        assert (series.state, series.rule) == (SeriesState.QUEUED, repeats.ASKED)
