"""Rows of many instances in few statements, on both databases."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import arrivals, instance_rows, schema
from storage.instance_rows import TICK_S, Known
from storage.ledger import Ledger
from storage.records import Instance, PixelPlace, Series
from storage.states import SeriesState
from tests.storage.rows import OTHER_SERIES, SERIES, STUDY, association, complete, instance


def add(ledger: Ledger, instances: Sequence[Instance]) -> bool:
    with ledger.writing() as connection:
        return instance_rows.add(connection, instances)


def series_of(ledger: Ledger, uid: str = SERIES) -> Series:
    with ledger.reading() as connection:
        found = arrivals.find_series(connection, uid)
    assert found is not None
    return found


def test_instances_of_several_series_come_back_as_they_went_in(ledger: Ledger) -> None:
    pixels = PixelPlace(offset=616, length=512, bits_stored=12, high_bit=11, signed=False, padding=(0, 9))
    sent = [
        replace(instance(1), pixels=pixels, patient={"PatientID": "ab"}),
        instance(2, series=OTHER_SERIES, at=1002.0),
        replace(instance(3, at=1003.0), path="segments/ab.seg:4096:512"),
    ]
    assert add(ledger, sent) is True
    with ledger.reading() as connection:
        found = [arrivals.find_instance(connection, each.header.sop_instance_uid) for each in sent]
        segments = connection.execute(schema.instance.select().order_by(schema.instance.c.path)).all()
    assert found == sent
    assert [row.segment for row in segments] == [None, None, "ab"]
    assert (series_of(ledger).instances, series_of(ledger, OTHER_SERIES).instances) == (2, 1)
    assert series_of(ledger).last_received_at == 1003.0
    assert add(ledger, []) is True


@pytest.mark.parametrize("at", [1000.0, 999.0, 1500.0])
def test_a_batch_takes_a_series_back_and_moves_its_last_arrival(ledger: Ledger, at: float) -> None:
    add(ledger, [instance(1, at=1000.0)])
    with ledger.writing() as connection:
        assert complete(connection, now=1010.0) == 1
        connection.execute(schema.series.update().values(released=True))
    assert add(ledger, [instance(2, at=at), instance(3, at=at)]) is True
    found = series_of(ledger)
    assert (found.state, found.revision, found.instances) == (SeriesState.RECEIVING, 1, 3)
    assert (found.first_received_at, found.released, found.reason) == (at, False, None)
    assert found.last_received_at == (1500.0 if at > 1000.0 else 1000.0 + TICK_S)


def test_what_another_transaction_wrote_first_is_said(ledger: Ledger) -> None:
    """The caller rolls back: half of it is written then."""
    add(ledger, [instance(1)])
    assert add(ledger, [instance(2), instance(1)]) is False


def test_a_series_that_stands_in_another_study_is_said(ledger: Ledger) -> None:
    add(ledger, [instance(1)])
    elsewhere = instance(2)
    assert (
        add(ledger, [replace(elsewhere, header=replace(elsewhere.header, study_instance_uid="9"))]) is False
    )


def test_what_is_known_is_found(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.open_association(connection, association("a"))
        instance_rows.add(connection, [instance(1), replace(instance(2), path="segments/ab.seg:0:1")])
        arrivals.keep_aside(connection, replace(instance(3), path="aside/1970-01-02/x.dcm"), "other content")
        uid, plain = instance(1).header.sop_instance_uid, instance(1).path
        expected = {uid: Known(series_instance_uid=SERIES, digest=instance(1).digest)}
        assert instance_rows.known(connection, {uid, "1.2.3"}) == expected
        assert instance_rows.known(connection, ()) == {} == instance_rows.studies(connection, ())
        assert instance_rows.studies(connection, [SERIES, "1.2.3"]) == {SERIES: STUDY}
        assert instance_rows.associations(connection, ["a", "b"]) == {"a"}
        asked = [plain, "segments/ab.seg:0:1", "aside/1970-01-02/x.dcm", "elsewhere"]
        assert instance_rows.paths(connection, asked) == set(asked[:3])
        assert instance_rows.plain_files(connection, "1970-01-01") == {plain, "aside/1970-01-02/x.dcm"}
        assert instance_rows.plain_files(connection, "1970-01-02") == {"aside/1970-01-02/x.dcm"}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(batches=st.lists(st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.floats(0, 9)))))
def test_the_sums_are_those_of_the_rows(
    sqlite_ledger: Ledger, batches: list[list[tuple[int, str, float]]]
) -> None:
    """Every batch that has something new is noticed; what is not new counts nowhere."""
    with sqlite_ledger.writing() as connection:
        for table in (schema.instance, schema.series):
            connection.execute(table.delete())
    seen: set[int] = set()
    for batch in batches:
        new: dict[int, Instance] = {}
        for number, series, at in batch:
            if number not in seen:
                new.setdefault(number, instance(number, series=f"{SERIES}.{ord(series)}", at=at))
        seen.update(new)
        before = _all(sqlite_ledger)
        assert add(sqlite_ledger, list(new.values())) is True
        after = _all(sqlite_ledger)
        for uid in {each.header.series_instance_uid for each in new.values()}:
            assert uid not in before or after[uid].last_received_at > before[uid].last_received_at
        with sqlite_ledger.reading() as connection:
            for uid, series_row in after.items():
                assert series_row.instances == len(arrivals.instances_of(connection, uid))


def _all(ledger: Ledger) -> dict[str, Series]:
    with ledger.reading() as connection:
        return {each.series_instance_uid: each for each in arrivals.recent_series(connection, 10)}
