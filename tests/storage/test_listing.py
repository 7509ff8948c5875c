"""Lists and traces of series, callers and disagreements: on both databases, and by their indexes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import text

from storage import (
    arrivals,
    callers,
    deliveries,
    disagreements,
    events,
    listing,
    outcomes,
    promises,
    proofs,
    schema,
    traces,
)
from storage.disagreements import Compared, Example
from storage.ledger import Ledger
from storage.listing import Wanted
from storage.records import Event, FindingRow, VolumeRow
from storage.states import DeliveryState, Ending, SeriesState
from tests.storage.rows import SERIES, STUDY, association, complete, instance, result, volume

OTHER = "1.2.826.0.1.21"
DISAGREES = {
    "header_disagreements": [
        {"attribute": "BodyPartExamined", "header": "LEG", "pixels": "ABDOMEN"},
        {"attribute": "ContrastBolusAgent", "header": "", "pixels": "yes"},
    ],
    "seconds": {"read": 0.5, "infer": 1.5},
}


def analysed(
    ledger: Ledger,
    *,
    series: str = SERIES,
    association_id: str = "a",
    at: float = 1000.0,
    calling_ae: str = "",
    contrast: str = "agrees",
) -> None:
    """A series of three slices, analysed at 3000, its result waiting for one destination."""
    report: VolumeRow = replace(volume(series=series), report=DISAGREES)
    found = (
        FindingRow(name="body_part", value="Chest_100%", confidence=1.0),
        FindingRow(name="axis", value="axial", confidence=1.0),
        FindingRow(name="BodyPartExamined", value="disagrees", confidence=1.0),
        FindingRow(name="ContrastBolusAgent", value=contrast, confidence=1.0),
    )
    number = 0 if series == SERIES else 500
    with ledger.writing() as connection:
        arrivals.open_association(
            connection,
            replace(association(association_id, at=at - 100), calling_ae=calling_ae or f"CT{association_id}"),
        )
        for each in (1, 2, 3):
            one = instance(number + each, series=series, at=at + each, association_id=association_id)
            header = replace(one.header, manufacturer="ACME")
            assert arrivals.add_instance(connection, replace(one, header=header))
        arrivals.close_association(connection, association_id, Ending.RELEASED, at + 4)
        complete(connection, series=series)
        outcomes.record_analysis(
            connection, [(report, found)], [result(number + 1, series=series, kind="SR")],
            series_instance_uid=series, revision=1, now=3000.0,
        )  # fmt: skip
        deliveries.owe(connection, result(number + 1).sop_instance_uid, "pacs", 3000.0)


def uids(ledger: Ledger, limit: int = 50, **wanted: object) -> list[str]:
    with ledger.reading() as connection:
        found = listing.lines(connection, Wanted(**wanted), limit)  # type: ignore[arg-type]
    return [line.series.series_instance_uid for line in found]


def test_a_line_has_who_sent_it_and_what_it_shows(ledger: Ledger) -> None:
    analysed(ledger)
    with ledger.reading() as connection:
        (line,) = listing.lines(connection, Wanted())
        assert listing.count_by_state(connection) == {SeriesState.ANALYSED: 1}
    assert (line.calling_aes, line.findings) == (("CTa",), {"body_part": ("Chest_100%",)})
    assert line.key == (1003.0, SERIES)
    assert line.results == {DeliveryState.WAITING: 1}


def test_a_line_says_where_the_results_are(ledger: Ledger) -> None:
    analysed(ledger)
    with ledger.writing() as connection:
        for destination, state in (("archive", "stored"), ("vna", "stored"), ("old", "withdrawn")):
            deliveries.owe(connection, result(1).sop_instance_uid, destination, 3000.0)
            this = schema.delivery.update().where(schema.delivery.c.destination == destination)
            connection.execute(this.values(state=state, settled_at=3001.0, last_error="e"))
        (line,) = listing.lines(connection, Wanted())
    assert line.results == {DeliveryState.WAITING: 1, DeliveryState.STORED: 2}


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("", [OTHER, SERIES]),
        (SERIES, [SERIES]),
        (STUDY, [OTHER, SERIES]),
        ("0.1.21", [OTHER]),
        ("CTa", [SERIES]),
        (" CTb ", [OTHER]),
        ("CT", []),
        ("chest", [OTHER, SERIES]),
        ("100%", [OTHER, SERIES]),
        ("100_", []),
        ("t%1", []),
        ("'; DROP TABLE series; --", []),
    ],
)
def test_what_is_searched_for(ledger: Ledger, words: str, found: list[str]) -> None:
    analysed(ledger)
    analysed(ledger, series=OTHER, association_id="b", at=1500.0)
    assert uids(ledger, words=words) == found


def test_pages_follow_each_other(ledger: Ledger) -> None:
    analysed(ledger)
    analysed(ledger, series=OTHER, association_id="b")  # received at the same moment
    assert uids(ledger, limit=1) == [OTHER]
    assert uids(ledger, limit=1, before=(1003.0, OTHER)) == [SERIES]
    assert uids(ledger, before=(1003.0, SERIES)) == []
    assert uids(ledger, state=SeriesState.HELD) == []


def test_no_list_reads_all_instances(sqlite_ledger: Ledger) -> None:
    """What would be slow with 100,000 instances is seen in the plan with three."""
    analysed(sqlite_ledger)
    plans = []
    with sqlite_ledger.reading() as connection:
        statements: list[str] = []
        connection.connection.driver_connection.set_trace_callback(statements.append)  # type: ignore[union-attr]
        for words in ("", "1.2", "CTa", "chest"):
            listing.lines(connection, Wanted(words=words))
        disagreements.scanners(connection, 0.0)
        callers.last_heard(connection)
        traces.trace(connection, arrivals.find_series(connection, SERIES), 1.0)  # type: ignore[arg-type]
        connection.connection.driver_connection.set_trace_callback(None)  # type: ignore[union-attr]
        for statement in statements:
            if statement.startswith("SELECT"):
                plans += [
                    row.detail for row in connection.execute(text("EXPLAIN QUERY PLAN " + _bound(statement)))
                ]
    assert any("instance" in plan for plan in plans)
    assert [plan for plan in plans if plan.startswith("SCAN instance")] == []


def test_deliveries_are_counted_by_their_index(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.reading() as connection:
        statement = "SELECT destination, state, count(*) FROM delivery GROUP BY destination, state"
        (plan,) = connection.execute(text(f"EXPLAIN QUERY PLAN {statement}"))
    assert "USING COVERING INDEX ix_delivery_destination_state" in plan.detail


def _bound(statement: str) -> str:
    """Colons of literals are none of SQLAlchemy's parameters."""
    return statement.replace(":", "\\:")


def test_a_trace_has_everything_in_order(ledger: Ledger) -> None:
    analysed(ledger)
    with ledger.writing() as connection:
        events.tell(connection, Event(at=3100.0, kind="dead letter", subject=SERIES, detail="full"))
        (row,) = deliveries.deliveries_of(connection, SERIES)
        deliveries.give_up(connection, [row.id], error="full", now=3100.0)
        series = arrivals.find_series(connection, SERIES)
        assert series is not None
        found = traces.trace(connection, series, 5000.0)
    assert [(s.what, s.begin_at, s.end_at) for s in found] == [
        ("association", 900.0, 1004.0),
        ("instances stored", 1001.0, 1003.0),
        ("complete as revision 1", 1003.0, 2000.0),
        ("waited for a worker", 2000.0, 2998.0),
        ("analysed", 2998.0, 3000.0),
        ("SR to pacs", 3000.0, 3100.0),
        ("dead letter", 3100.0, 3100.0),
    ]
    assert found[0].detail == "CTa from 10.0.0.1, receiver 0: released"
    assert found[4].detail == "reading 0.50 s, models 1.50 s; 1 result objects"
    assert found[5].detail == "dead, attempt 1: full"


def courses(ledger: Ledger, now: float) -> list[tuple[str, str, float, float]]:
    """What, its detail's first word, from when, to when: of deliveries and their proofs."""
    with ledger.reading() as connection:
        series = arrivals.find_series(connection, SERIES)
        assert series is not None
        found = traces.trace(connection, series, now)
    lanes = ("delivery", "proof")
    return [(s.what, s.detail.partition(",")[0], s.begin_at, s.end_at) for s in found if s.lane in lanes]


def test_a_trace_follows_a_result_until_it_is_proven(ledger: Ledger) -> None:
    analysed(ledger)
    assert courses(ledger, 3050.0) == [("SR to pacs", "waiting", 3000.0, 3050.0)]
    with ledger.writing() as connection:
        (row,) = deliveries.deliveries_of(connection, SERIES)
        deliveries.sent(connection, [row.id], until=3200.0, error="silent", now=3060.0)
    assert courses(ledger, 3070.0) == [("SR to pacs", "sent", 3000.0, 3070.0)]
    with ledger.writing() as connection:
        deliveries.stored(connection, [row.id], 3100.25)
        proofs.prove(connection, [row.id], DeliveryState.COMMITTED, 3104.5)
    committed = [
        ("SR to pacs", "stored", 3000.0, 3100.25),
        ("SR committed to by pacs", "", 3100.25, 3104.5),
    ]
    assert courses(ledger, 9000.0) == committed
    with ledger.writing() as connection:
        proofs.prove(connection, [row.id], DeliveryState.VERIFIED, 3105.0)
    found = ("SR found in its study at pacs", "", 3104.5, 3105.0)
    assert courses(ledger, 9000.0) == [*committed, found]


def test_a_trace_shows_a_result_that_is_not_proven(ledger: Ledger) -> None:
    analysed(ledger)
    with ledger.writing() as connection:
        (row,) = deliveries.deliveries_of(connection, SERIES)
        deliveries.stored(connection, [row.id], 3100.0)
        proofs.bury(connection, [row.id], why="0119", now=3200.0)
    assert courses(ledger, 9000.0) == [
        ("SR to pacs", "stored", 3000.0, 3100.0),
        ("SR not proven by pacs", "", 3100.0, 3200.0),
    ]


def test_a_trace_of_what_was_carried_over_took_no_time(ledger: Ledger) -> None:
    analysed(ledger)
    with ledger.writing() as connection:
        connection.execute(schema.volume.update().values(carried_from=1))
        series = arrivals.find_series(connection, SERIES)
        assert series is not None
        (found,) = [s for s in traces.trace(connection, series, 5000.0) if s.what == "analysed"]
    assert (found.begin_at, found.end_at) == (3000.0, 3000.0)


def test_a_trace_ends_with_what_a_destination_promised(ledger: Ledger) -> None:
    analysed(ledger)
    pair = ("1.2.840.10008.5.1.4.1.1.88.34", result(1).sop_instance_uid)
    with ledger.writing() as connection:
        for uid, instances, now in (("2.25.1", [pair], 3200.0), ("2.25.2", [("1.2", "1.2.3")], 3300.0)):
            told = {"transaction_uid": uid, "instances": instances, "now": now}
            promises.ask(connection, destination="pacs", called_ae="PACS", **told)  # type: ignore[arg-type]
        found = traces.trace(connection, arrivals.find_series(connection, SERIES), 5000.0)  # type: ignore[arg-type]
    said = (found[-1].what, found[-1].begin_at, found[-1].end_at)
    assert said == ("commitment asked of pacs", 3200.0, 5000.0)  # no answer yet
    assert found[-1].detail == "asked, 1 results, transaction 2.25.1"


def test_an_association_that_is_open_goes_on_until_now(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.open_association(connection, association("a"))
        arrivals.add_instance(connection, instance(1, association_id="a"))
        arrivals.add_instance(connection, instance(2))
        series = arrivals.find_series(connection, SERIES)
        assert series is not None
        found = traces.trace(connection, series, 5000.0)
    assert [(s.what, s.end_at) for s in found] == [
        ("association", 5000.0),
        ("instances stored", 1000.0),
        ("instances stored", 1000.0),
    ]


def test_disagreements_are_counted_by_scanner(ledger: Ledger) -> None:
    analysed(ledger)
    analysed(ledger, series=OTHER, association_id="b")
    with ledger.reading() as connection:
        found = disagreements.scanners(connection, 0.0)
        assert disagreements.scanners(connection, 2000.5) == []
    assert [(s.calling_ae, s.manufacturer, s.volumes) for s in found] == [
        ("CTa", "ACME", 1),
        ("CTb", "ACME", 1),
    ]
    assert found[0].of("BodyPartExamined") == Compared(
        volumes=1, wrong=1, example=Example(series_instance_uid=SERIES, header="LEG", pixels="ABDOMEN")
    )
    assert found[0].of("ContrastBolusAgent") == Compared(volumes=1, wrong=0)
    assert found[0].of("KVP") == Compared()
    assert (found[0].of("BodyPartExamined").share, found[0].of("KVP").share) == (1.0, 0.0)


def test_a_share_is_of_the_volumes_that_could_be_compared(ledger: Ledger) -> None:
    """A header that says nothing is not right: it is not counted."""
    analysed(ledger, calling_ae="CT", contrast="undetermined")
    analysed(ledger, series=OTHER, association_id="b", calling_ae="CT", contrast="disagrees")
    with ledger.reading() as connection:
        (found,) = disagreements.scanners(connection, 0.0)
    assert (found.volumes, found.of("ContrastBolusAgent").volumes) == (2, 1)
    assert found.of("ContrastBolusAgent").share == 1.0
    assert found.of("ContrastBolusAgent").example == Example(
        series_instance_uid=OTHER, header="", pixels="yes"
    )


def test_disagreements_of_a_former_revision_count_no_more(ledger: Ledger) -> None:
    analysed(ledger)
    with ledger.writing() as connection:
        connection.execute(schema.series.update().values(revision=2))
        assert disagreements.scanners(connection, 0.0) == []
        (line,) = listing.lines(connection, Wanted())
    assert line.findings == {}


def test_rejected_callers_stand_once_each(ledger: Ledger) -> None:
    told = [
        ("CT9", 10.0, "caller AE 'CT9' from 10.0.0.9: no peer has this AE title"),
        ("CT9", 20.0, "caller AE 'CT9' from 10.0.0.9: no peer has this AE title; a: b"),
        ("CT9", 30.0, "caller AE 'CT9' from 2001:db8::9: no peer has this AE title"),
        ("x' from 6.6.6.6", 40.0, 'caller AE "x\' from 6.6.6.6" from 10.0.0.7: why'),
        ("CT8", 50.0, "caller AE 'CT8' from 10.0.0.8 called 'B'; we are 'CTNODE'"),
        ("CT7", 5.0, "too old"),
    ]
    with ledger.writing() as connection:
        for subject, at, detail in told:
            events.tell(connection, Event(at=at, kind="rejected", subject=subject, detail=detail))
        events.tell(connection, Event(at=60.0, kind="released", subject="CT9", detail=""))
        found = callers.rejected(connection, 6.0)
    assert [(c.calling_ae, c.address, c.last_at, c.count) for c in found] == [
        ("CT8", "10.0.0.8", 50.0, 1),
        ("x' from 6.6.6.6", "10.0.0.7", 40.0, 1),
        ("CT9", "2001:db8::9", 30.0, 1),
        ("CT9", "10.0.0.9", 20.0, 2),
    ]
    assert found[0].reason == "called 'B'; we are 'CTNODE'"
    assert found[3].reason == "no peer has this AE title; a: b"


def test_when_a_caller_was_heard(ledger: Ledger) -> None:
    analysed(ledger)
    with ledger.reading() as connection:
        assert callers.last_heard(connection) == {"CTa": 900.0}


def test_which_subjects_of_events_are_series(ledger: Ledger) -> None:
    analysed(ledger)
    with ledger.reading() as connection:
        assert listing.known(connection, {SERIES, STUDY, "CTa", "pacs"}) == {SERIES}
        assert listing.known(connection, set()) == frozenset()
