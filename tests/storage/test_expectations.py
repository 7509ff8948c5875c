"""What others say of a series' instances, held against what is stored."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from storage import arrivals, commitments, expectations, steps
from storage.blobs import Blobs
from storage.expectations import Quiet, expected, quiet, tell
from storage.ledger import Ledger
from storage.records import Expectation, Step
from storage.retention import retire
from storage.states import Ending, Source, StepState
from tests.storage import rows
from tests.storage.rows import CT, OTHER_SERIES, SERIES, STUDY

STEP, PACS, TRANSACTION = "1.2.826.0.1.50.1", "PACS", "1.2.826.0.1.60.1"


def sop(number: int) -> str:
    return rows.instance(number).header.sop_instance_uid


def add(connection: Connection, *numbers: int, series: str = SERIES, at: float = 1000.0) -> None:
    for number in numbers:
        assert arrivals.add_instance(connection, rows.instance(number, series=series, at=at))


def tell_list(connection: Connection, *numbers: int, series: str = SERIES, told_by: str = STEP) -> None:
    uids = {sop(number) for number in numbers}
    tell(
        connection,
        series_instance_uid=series,
        source=Source.MPPS,
        told_by=told_by,
        count=len(uids),
        sop_instance_uids=uids,
        now=1.0,
    )


def tell_count(connection: Connection, count: int, *, told_by: str = PACS, now: float = 1.0) -> None:
    tell(
        connection,
        series_instance_uid=SERIES,
        source=Source.QUERY,
        told_by=told_by,
        count=count,
        sop_instance_uids=None,
        now=now,
    )


def ask(connection: Connection, *numbers: int, uid: str = TRANSACTION, now: float = 1500.0) -> None:
    pairs = [(CT, sop(number)) for number in numbers]
    assert commitments.ask(connection, transaction_uid=uid, calling_ae="SCU", instances=pairs, now=now)


def of(connection: Connection, series: str = SERIES) -> list[tuple[Source, str, int, int, int]]:
    """Source, who, count, missing, unlisted of each expectation of a series."""
    found = expected(connection, [SERIES, OTHER_SERIES]).get(series, ())
    return [(e.source, e.told_by, e.count, e.missing, e.unlisted) for e in found]


STORED_AGAINST_LIST = [
    # stored, listed, missing, unlisted
    ((), (1, 2, 3), 3, 0),
    ((1,), (1, 2, 3), 2, 0),
    ((1, 2, 3), (1, 2, 3), 0, 0),
    ((1, 2, 3, 4), (1, 2, 3), 0, 1),
    ((1, 4), (1, 2, 3), 2, 1),
    ((4, 5), (1,), 1, 2),
]


@pytest.mark.parametrize(("stored", "listed", "missing", "unlisted"), STORED_AGAINST_LIST)
def test_a_list_is_compared_instance_by_instance(
    ledger: Ledger, stored: tuple[int, ...], listed: tuple[int, ...], missing: int, unlisted: int
) -> None:
    with ledger.writing() as connection:
        tell_list(connection, *listed)  # before the first instance
        add(connection, *stored)
        add(connection, 99, series=OTHER_SERIES)
    with ledger.reading() as connection:
        assert of(connection) == [(Source.MPPS, STEP, len(listed), missing, unlisted)]
        assert of(connection, OTHER_SERIES) == []


@pytest.mark.parametrize(
    ("stored", "count", "missing"), [(0, 3, 3), (2, 3, 1), (3, 3, 0), (4, 3, 0), (0, 0, 0)]
)
def test_a_count_knows_no_instances(ledger: Ledger, stored: int, count: int, missing: int) -> None:
    with ledger.writing() as connection:
        add(connection, *range(1, stored + 1))
        tell_count(connection, count)
    with ledger.reading() as connection:
        assert of(connection) == [(Source.QUERY, PACS, count, missing, 0)]


def test_the_same_one_is_believed_as_it_spoke_last(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add(connection, 1, 2)
        tell_count(connection, 5)
        tell_count(connection, 2)
        tell_count(connection, 9, told_by="OTHER")
        tell_list(connection, 1)
        tell_list(connection, 1, 2, 3)
    with ledger.reading() as connection:
        assert of(connection) == [
            (Source.MPPS, STEP, 3, 1, 0),
            (Source.QUERY, "OTHER", 9, 7, 0),
            (Source.QUERY, PACS, 2, 0, 0),
        ]


def test_lists_that_overlap_are_held_against_the_instances_together(ledger: Ledger) -> None:
    """Cumulative steps of one scan; their counts add up to more than is here, which no list holds."""
    with ledger.writing() as connection:
        tell_list(connection, 1, 2)
        tell_list(connection, 1, 2, 3, told_by=f"{STEP}.2")
        tell_list(connection, 4, series=OTHER_SERIES)  # of no concern here
        add(connection, 1, 2, 3)
    with ledger.reading() as connection:
        assert of(connection) == [(Source.MPPS, STEP, 2, 0, 0), (Source.MPPS, f"{STEP}.2", 3, 0, 0)]
    with ledger.writing() as connection:
        add(connection, 4)
    with ledger.reading() as connection:
        assert of(connection) == [(Source.MPPS, STEP, 2, 0, 1), (Source.MPPS, f"{STEP}.2", 3, 0, 1)]


def test_a_list_of_another_series_is_none_of_this(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        tell_list(connection, 1, 2, series=OTHER_SERIES)
        add(connection, 1, 2)  # in SERIES, where the list does not want them
    with ledger.reading() as connection:
        assert of(connection) == []
        assert of(connection, OTHER_SERIES) == [(Source.MPPS, STEP, 2, 2, 0)]


COMMITMENTS = [
    # stored here, stored in another series, asked, expectation here, expectation there
    ((1, 2), (), (1, 2), (2, 0, 0), None),
    ((1, 2), (), (1, 2, 3), (3, 1, 0), None),
    ((1, 2, 3), (), (1, 2), (2, 0, 1), None),
    ((1,), (7,), (1, 7, 8), (2, 1, 0), (2, 1, 0)),  # 8 may belong to either
    ((1,), (7,), (1,), (1, 0, 0), None),
    ((1,), (7,), (8, 9), None, None),  # nothing of it is here: no series is concerned
]


@pytest.mark.parametrize(("here", "there", "asked", "expect_here", "expect_there"), COMMITMENTS)
def test_a_commitment_concerns_the_series_that_have_some_of_it(
    ledger: Ledger,
    here: tuple[int, ...],
    there: tuple[int, ...],
    asked: tuple[int, ...],
    expect_here: tuple[int, int, int] | None,
    expect_there: tuple[int, int, int] | None,
) -> None:
    with ledger.writing() as connection:
        ask(connection, *asked)
        add(connection, *here)
        add(connection, *there, series=OTHER_SERIES)
    with ledger.reading() as connection:
        for series, expect in ((SERIES, expect_here), (OTHER_SERIES, expect_there)):
            found = [] if expect is None else [(Source.COMMITMENT, TRANSACTION, *expect)]
            assert of(connection, series) == found
        alone = expected(connection, [SERIES]).get(
            SERIES, ()
        )  # of one series: the other is stored all the same
        assert [(e.count, e.missing, e.unlisted) for e in alone] == ([expect_here] if expect_here else [])


def test_a_commitment_that_is_settled_counts_where_nothing_is_missing(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add(connection, 1, 2, at=1000.0)
        ask(connection, 1, 2, uid="1.1", now=1001.0)
        ask(connection, 1, 2, 3, uid="1.2", now=1001.0)
        ask(connection, 1, 2, uid="1.3", now=999.0)  # asked for before the series began: a former revision's
        for uid in ("1.1", "1.2", "1.3"):
            commitments.settle(connection, uid, 1002.0)
    with ledger.reading() as connection:
        assert of(connection) == [(Source.COMMITMENT, "1.1", 2, 0, 0)]


def test_three_thousand_instances_take_few_queries(sqlite_ledger: Ledger) -> None:
    numbers = range(3000)
    with sqlite_ledger.writing() as connection:
        add(connection, *range(10))
        tell_list(connection, *numbers)
        ask(connection, *numbers)
    statements: list[str] = []
    with sqlite_ledger.reading() as connection:
        event.listen(connection, "before_cursor_execute", lambda *a: statements.append(a[2]))
        (listed, asked) = expected(connection, [SERIES])[SERIES]
    assert listed == Expectation(source=Source.MPPS, told_by=STEP, count=3000, missing=2990, unlisted=0)
    assert (asked.count, asked.missing, asked.unlisted) == (3000, 2990, 0)
    assert len(statements) <= 4 + -(-2990 // expectations.UIDS_AT_ONCE)


def test_where_nothing_is_expected_three_queries_do(sqlite_ledger: Ledger) -> None:
    with sqlite_ledger.writing() as connection:
        add(connection, *range(10))
    statements: list[str] = []
    with sqlite_ledger.reading() as connection:
        event.listen(connection, "before_cursor_execute", lambda *a: statements.append(a[2]))
        assert expected(connection, [SERIES]) == {}
    assert len(statements) == 3  # what is told, when the series began, what is asked


def test_what_is_quiet_and_who_sent_it(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for id, calling_ae in (("a", "CT1"), ("b", "CT2")):
            arrivals.open_association(connection, rows.association(id))
            connection.exec_driver_sql(f"UPDATE association SET calling_ae='{calling_ae}' WHERE id='{id}'")
        for number, series, at, id in (
            (1, SERIES, 1000.0, "a"),
            (2, SERIES, 1001.0, "b"),
            (3, OTHER_SERIES, 1005.0, "a"),
            (4, "1.3", 1000.0, None),  # rebuilt from its file: nobody knows who sent it
            (5, "1.4", 1000.0, "a"),
        ):
            arrivals.add_instance(connection, rows.instance(number, series=series, at=at, association_id=id))
        arrivals.close_association(connection, "b", Ending.RELEASED, 1002.0)
        rows.complete(connection, series="1.4")
    with ledger.reading() as connection:
        both = Quiet(
            series_instance_uid=SERIES, study_instance_uid=STUDY, calling_aes=frozenset({"CT1", "CT2"})
        )
        assert quiet(connection, before=1001.0) == [both]
        assert quiet(connection, before=1000.9) == []
        assert {each.series_instance_uid for each in quiet(connection, before=1005.0)} == {
            SERIES,
            OTHER_SERIES,
        }


def test_what_was_told_is_forgotten_by_its_age(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        tell_count(connection, 3, now=10.0)
        tell_count(connection, 4, told_by="OTHER", now=20.0)
        assert expectations.forget_before(connection, 20.0) == 1
        assert of(connection) == [(Source.QUERY, "OTHER", 4, 4, 0)]


def test_what_is_old_is_aged_out_with_the_series(sqlite_ledger: Ledger, tmp_path: Path) -> None:
    with sqlite_ledger.writing() as connection:
        tell_count(connection, 3, now=10.0)
        ask(connection, 1, uid="1.1", now=10.0)
        ask(connection, 1, uid="1.2", now=10.0)  # not told yet: it stays
        commitments.settle(connection, "1.1", 11.0)
        step = Step(
            sop_instance_uid=STEP,
            calling_ae="CT1",
            study_instance_uid=STUDY,
            listed={},
            state=StepState.IN_PROGRESS,
            created_at=10.0,
        )
        steps.create(connection, step)
    retire(Blobs(tmp_path / "root"), sqlite_ledger, 20.0)
    with sqlite_ledger.reading() as connection:
        assert of(connection) == []
        assert steps.find(connection, STEP) is None
        assert [each.transaction_uid for each in commitments.unsettled(connection)] == ["1.2"]
        assert commitments.find(connection, "1.1") is None
