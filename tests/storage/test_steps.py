"""Modality performed procedure steps: their states, and what a completed one tells."""

from __future__ import annotations

import dataclasses

import pytest

from storage import steps
from storage.expectations import expected
from storage.ledger import Ledger
from storage.records import Step
from storage.states import STEP_NEXT, Source, StepState
from tests.storage.rows import OTHER_SERIES, SERIES, STUDY

UID = "1.2.826.0.1.50.1"
BEGUN = Step(
    sop_instance_uid=UID,
    calling_ae="CT1",
    study_instance_uid=STUDY,
    listed={SERIES: ("1.1",)},
    state=StepState.IN_PROGRESS,
    created_at=10.0,
)
LISTED = {SERIES: ("1.2", "1.1", "1.2"), OTHER_SERIES: (), "1.5": ("1.3",)}


def change(ledger: Ledger, state: StepState, now: float = 20.0) -> bool:
    with ledger.writing() as connection:
        return steps.change(connection, UID, state=state, listed=LISTED, now=now)


def told(ledger: Ledger) -> dict[str, tuple[Source, str, int]]:
    with ledger.reading() as connection:
        found = expected(connection, list(LISTED))
    return {uid: (each.source, each.told_by, each.count) for uid, (each,) in found.items()}


def test_a_step_is_what_was_told(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        assert steps.find(connection, UID) is None
        assert steps.create(connection, BEGUN)
        assert not steps.create(connection, dataclasses.replace(BEGUN, calling_ae="CT2"))
    with ledger.reading() as connection:
        assert steps.find(connection, UID) == BEGUN
    assert told(ledger) == {}


@pytest.mark.parametrize("state", StepState)
def test_a_completed_step_alone_tells_of_its_series(ledger: Ledger, state: StepState) -> None:
    with ledger.writing() as connection:
        steps.create(connection, BEGUN)
    assert change(ledger, state)
    with ledger.reading() as connection:
        step = steps.find(connection, UID)
    assert step is not None
    assert step.state is state
    assert step.listed == {SERIES: ("1.1", "1.2"), OTHER_SERIES: (), "1.5": ("1.3",)}
    assert step.ended_at == (None if state is StepState.IN_PROGRESS else 20.0)
    says = {SERIES: (Source.MPPS, UID, 2), "1.5": (Source.MPPS, UID, 1)}
    assert told(ledger) == (says if state is StepState.COMPLETED else {})


@pytest.mark.parametrize("after", StepState)
@pytest.mark.parametrize("before", StepState)
def test_a_step_that_has_ended_does_not_change(ledger: Ledger, before: StepState, after: StepState) -> None:
    with ledger.writing() as connection:
        steps.create(connection, BEGUN)
    change(ledger, before)
    assert change(ledger, after, now=30.0) == (after in STEP_NEXT[before])
    if before is StepState.DISCONTINUED:
        assert told(ledger) == {}


def test_a_step_that_is_not_known_does_not_change(ledger: Ledger) -> None:
    assert not change(ledger, StepState.COMPLETED)
    assert told(ledger) == {}


def test_steps_are_forgotten_by_their_age(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        steps.create(connection, BEGUN)
        steps.create(connection, dataclasses.replace(BEGUN, sop_instance_uid="1.9", created_at=11.0))
        assert steps.forget_before(connection, 11.0) == 1
        assert steps.find(connection, "1.9") is not None
