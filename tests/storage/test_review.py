"""A study that contradicts itself on its patient is held until a person has looked; no value is in a word."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from storage import arrivals, events, outcomes, repeats, retention, review, schema
from storage.contradictions import ATTRIBUTES, Bearer, contradiction, differences
from storage.ledger import Ledger
from storage.records import Instance, Series
from storage.states import SeriesState
from tests.storage.rows import FINDINGS, STUDY, instance, volume

ONE, TWO, THREE = "1.2.826.0.1.51", "1.2.826.0.1.52", "1.2.826.0.1.53"
OTHER_STUDY = "1.2.826.0.1.11"
DOE: dict[str, str] = {
    "PatientID": "digest-of-17",
    "PatientName": "digest-of-doe",
    "PatientSex": "digest-of-m",
}
ROE = DOE | {"PatientID": "digest-of-18"}


def of(number: int, series: str, patient: dict[str, str] | None = DOE, **header: Any) -> Instance:
    """An instance of a patient."""
    plain = instance(number, series=series, at=1000.0 + number)
    sop = f"{series}.{number}"
    changed = replace(plain.header, sop_instance_uid=sop, **header)
    return replace(plain, header=changed, path=f"{sop}.dcm", patient=patient)


def receive(connection: Connection, *instances: Instance) -> None:
    for each in instances:
        assert arrivals.add_instance(connection, each)


def series_of(connection: Connection, uid: str) -> Series:
    found = arrivals.find_series(connection, uid)
    assert found is not None
    return found


def complete(connection: Connection, uid: str, now: float = 5000.0) -> Series:
    last = series_of(connection, uid).last_received_at
    outcomes.complete(connection, uid, last_received_at=last, rule="quiet", evidence="quiet", now=now)
    return series_of(connection, uid)


def analyse(connection: Connection, uid: str) -> None:
    assert outcomes.record_analysis(
        connection,
        [(volume(series=uid), FINDINGS)],
        [],
        series_instance_uid=uid,
        revision=series_of(connection, uid).revision,
        now=6000.0,
    )


def told(connection: Connection, subject: str) -> list[tuple[str, str]]:
    return [(e.kind, e.detail) for e in reversed(events.recent(connection, 100, subject=subject))]


def test_a_series_of_another_patient_is_held_and_says_which_attribute(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, *[of(n, ONE) for n in range(3)])
        assert complete(connection, ONE).state is SeriesState.QUEUED
        receive(connection, *[of(n, TWO, ROE) for n in range(2)])
        held = complete(connection, TWO)
    assert (held.state, held.revision, held.completed_at) == (SeriesState.HELD, 1, 5000.0)
    assert held.reason == (
        f"Patient ID (0010,0020) has 2 values within the study: 3 instances of series {ONE}"
        f" against 2 instances of series {TWO}"
    )


def test_two_patients_in_one_series_are_held_alone(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE), of(2, ONE, ROE))
        assert complete(connection, ONE).state is SeriesState.HELD
        (one,) = review.held_series(connection)
    assert (one.series_instance_uid, one.held_at) == (ONE, 5000.0)


@pytest.mark.parametrize(
    "patient",
    [
        DOE,
        {},
        None,
        {"PatientID": "digest-of-17"},
        DOE | {"PatientName": ""},
        DOE | {"IssuerOfPatientID": "digest-of-here"},
        DOE | {"OtherPatientIDs": "digest-of-19"},
    ],
)
def test_an_absent_value_is_no_contradiction(ledger: Ledger, patient: dict[str, str] | None) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE), of(2, ONE, patient), of(1, TWO, patient))
        assert complete(connection, ONE).state is SeriesState.QUEUED
        assert complete(connection, TWO).state is SeriesState.QUEUED
        assert told(connection, ONE) == []


@pytest.mark.parametrize("keyword", ATTRIBUTES)
def test_each_attribute_is_compared(sqlite_ledger: Ledger, keyword: str) -> None:
    with sqlite_ledger.writing() as connection:
        receive(connection, of(1, ONE, DOE | {keyword: "x"}), of(2, ONE, DOE | {keyword: "y"}))
        held = complete(connection, ONE)
    assert held.state is SeriesState.HELD
    assert str(held.reason).startswith(ATTRIBUTES[keyword])


def test_another_study_is_another_patient_unless_they_share_a_frame_of_reference(ledger: Ledger) -> None:
    frame = {"frame_of_reference_uid": "1.2.826.0.1.60"}
    atlas = {"frame_of_reference_uid": "1.2.840.10008.1.4.1.1"}
    with ledger.writing() as connection:
        receive(connection, of(1, ONE, **frame), of(2, ONE, **atlas))
        receive(connection, of(1, TWO, ROE, study_instance_uid=OTHER_STUDY, **atlas))
        assert complete(connection, TWO).state is SeriesState.QUEUED
        receive(connection, of(1, THREE, ROE, study_instance_uid=OTHER_STUDY, **frame))
        held = complete(connection, THREE)
        assert contradiction(connection, TWO) is None
        assert contradiction(connection, ONE) is not None
    assert held.reason == (
        "Patient ID (0010,0020) has 2 values within one frame of reference of two studies:"
        f" 2 instances of series {ONE} against 1 instances of series {THREE}"
    )


def test_a_frame_of_reference_that_is_no_uid_is_not_compared(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE, frame_of_reference_uid="7" * 65))
        found = connection.execute(schema.instance.select()).one()
    assert found.frame_of_reference_uid is None


def test_what_is_analysed_already_is_withheld_and_told_once(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE))
        complete(connection, ONE)
        assert review.withheld(connection, ONE) == "its series is queued again"
        analyse(connection, ONE)
        assert review.withheld(connection, ONE) is None
        receive(connection, of(1, TWO, ROE))
        assert str(review.withheld(connection, ONE)).startswith("Patient ID")
        complete(connection, TWO)
        receive(connection, of(1, THREE, ROE))
        complete(connection, THREE)
        ((kind, detail),) = told(connection, ONE)
        assert kind == "identity conflict"
        assert detail.startswith(
            "results that have not left are withheld: Patient ID (0010,0020) has 2 values"
        )
        assert [kind for kind, _ in told(connection, TWO)] == ["identity conflict"]
        assert retention.expired_series(connection, 1e9) == [ONE]  # what is held waits for a person


def test_a_page_of_another_patient_is_not_eligible_and_withholds_the_rest(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE))
        complete(connection, ONE)
        analyse(connection, ONE)
        receive(connection, replace(of(1, TWO, ROE), ineligible="not CT image data: PDF"))
        assert complete(connection, TWO).state is SeriesState.NOT_ELIGIBLE
        assert review.withheld(connection, ONE) is not None
        released = review.release(connection, ONE, 7000.0)
        assert review.withheld(connection, ONE) is None
    assert released == review.Released(queued=(), series=(ONE, TWO))


def test_a_release_lets_everything_of_the_contradiction_go(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE), of(1, TWO, ROE), of(1, THREE, ROE))
        for uid in (ONE, TWO, THREE):
            assert complete(connection, uid).state is SeriesState.HELD
        released = review.release(connection, TWO, 7000.0)
        assert released == review.Released(queued=((ONE, 1), (TWO, 1), (THREE, 1)), series=(ONE, TWO, THREE))
        after = series_of(connection, ONE)
        assert (after.state, after.released, after.reason) == (SeriesState.QUEUED, True, None)
        assert told(connection, TWO)[-1][0] == "released"
        assert review.release(connection, TWO, 8000.0) is None
        analyse(connection, ONE)
        assert review.withheld(connection, ONE) is None


def test_what_comes_after_a_release_is_looked_at_again(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE), of(1, TWO, ROE))
        complete(connection, ONE)
        complete(connection, TWO)
        review.release(connection, ONE, 7000.0)
        analyse(connection, ONE)
        receive(connection, of(2, TWO, ROE))
        assert series_of(connection, TWO).released is False
        assert complete(connection, TWO).state is SeriesState.HELD
        assert review.withheld(connection, ONE) is None  # nothing came to it


def test_a_series_that_was_released_without_more_to_come_is_not_held(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE), of(1, TWO, ROE))
        complete(connection, ONE)
        assert review.release(connection, ONE, 7000.0) is not None
        assert complete(connection, TWO).state is SeriesState.QUEUED


def test_a_hold_whose_contradiction_has_aged_out_can_be_released(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE), of(1, TWO, ROE))
        complete(connection, TWO)
        for table in (schema.instance, schema.series):
            connection.execute(table.delete().where(table.c.series_instance_uid == ONE))
        assert review.release(connection, TWO, 7000.0) == review.Released(queued=((TWO, 1),), series=(TWO,))
        assert told(connection, TWO)[-1] == ("released", "1 series queued; no contradiction is left")


def test_nothing_is_released_where_nothing_is_held(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE))
        complete(connection, ONE)
        assert review.release(connection, ONE, 7000.0) is None
        assert review.release(connection, "1.2.3", 7000.0) is None
        assert repeats.analyse_again(connection, ONE, 1.0) is None


def test_a_held_series_is_not_analysed_by_a_retry(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE), of(2, ONE, ROE))
        complete(connection, ONE)
        assert repeats.analyse_again(connection, ONE, 7000.0) is None
        assert series_of(connection, ONE).state is SeriesState.HELD


bearers = st.lists(
    st.builds(
        Bearer,
        series_instance_uid=st.sampled_from([ONE, TWO, THREE, "1.2.54", "1.2.55"]),
        instances=st.integers(1, 500),
        patient=st.dictionaries(st.sampled_from(sorted(ATTRIBUTES)), st.sampled_from(["", "qqq", "zzz"])),
    ),
    max_size=8,
)


@given(bearers)
def test_a_message_has_no_digest_and_any_order_gives_it(found: list[Bearer]) -> None:
    said = differences(found, "the study")
    assert sorted(said) == sorted(differences(found[::-1], "the study"))
    assert not any("qqq" in s or "zzz" in s for s in said)
    two = {k for k in ATTRIBUTES if {"qqq", "zzz"} <= {b.patient.get(k) for b in found}}
    assert {s.split(" has ")[0] for s in said} == {ATTRIBUTES[k] for k in two}


def test_many_series_are_counted() -> None:
    found = [Bearer(series_instance_uid=f"1.{n}", instances=n, patient=DOE) for n in range(1, 7)]
    (said,) = differences([*found, Bearer(series_instance_uid="1.9", instances=1, patient=ROE)], "the study")
    assert said.endswith(
        "6 instances of series 1.6, 5 instances of series 1.5, 4 instances of series 1.4,"
        " 6 instances of 3 more series against 1 instances of series 1.9"
    )


def test_the_study_of_the_records_is_the_one_that_is_searched(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        receive(connection, of(1, ONE))
        assert series_of(connection, ONE).study_instance_uid == STUDY
        assert contradiction(connection, ONE) is None
