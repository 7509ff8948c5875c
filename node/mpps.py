"""Modality Performed Procedure Step as SCP (PS3.4 F.7): which instances a scanner made, series by series.

A data set is read without I/O; `PerformedSteps` keeps what was read. The patient, who stands in the same
data set, is not looked at.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from node.answers import Answer, NotDone, items, named, text, uid
from storage import steps
from storage.blobs import is_uid
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Step
from storage.states import STEP_NEXT, StepState

STATES: Final = {state.value.upper(): state for state in StepState}
"""The defined terms of (0040,0252) Performed Procedure Step Status (PS3.3 C.4.14)."""

NEEDED: Final = (
    "PerformedProcedureStepID",
    "PerformedStationAETitle",
    "PerformedProcedureStepStartDate",
    "PerformedProcedureStepStartTime",
    "Modality",
)
"""What must have a value when a step begins (Type 1 in PS3.4 Table F.7.2-1), beside status and study."""

REFERENCES: Final = ("ReferencedImageSequence", "ReferencedNonImageCompositeSOPInstanceSequence")
"""Where a series' instances are listed: (0008,1140) and (0040,0220)."""

ENDED: Final = "Performed Procedure Step Object may no longer be updated"
"""The words of PS3.4 F.7.2.2.4."""

Listed = Mapping[str, tuple[str, ...]]
"""Series Instance UID -> SOP Instance UIDs."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an N-SET says."""

    state: StepState | None  # None: it says nothing of it
    listed: Listed | None  # of all series; None: it has no Performed Series Sequence (0040,0340)


def read_creation(ds: Dataset) -> tuple[str, Listed]:
    """Study Instance UID and series of an N-CREATE (PS3.4 F.7.2.1).

    Raises:
        NotDone: an attribute of Type 1 is missing (0120) or empty (0121), the status is not IN PROGRESS, or
            a UID is none (0106).
    """
    state = _state(text(ds, "PerformedProcedureStepStatus"))
    if state is not StepState.IN_PROGRESS:
        words = f"{named('PerformedProcedureStepStatus')} is {state.value.upper()}, not IN PROGRESS"
        raise NotDone(Answer.INVALID_VALUE, words)
    for keyword in NEEDED:
        text(ds, keyword)
    scheduled = items(ds, "ScheduledStepAttributesSequence")
    if not scheduled:
        answer = Answer.NO_VALUE if "ScheduledStepAttributesSequence" in ds else Answer.MISSING
        raise NotDone(answer, f"{named('ScheduledStepAttributesSequence')} has no item")
    studies = [uid(item, "StudyInstanceUID") for item in scheduled]
    return studies[0], _listed(ds)


def read_change(ds: Dataset) -> Change:
    """What an N-SET changes (PS3.4 F.7.2.2). Raises NotDone as `read_creation`."""
    status = "PerformedProcedureStepStatus"
    state = _state(text(ds, status)) if status in ds else None
    return Change(state=state, listed=_listed(ds) if "PerformedSeriesSequence" in ds else None)


def _state(value: str) -> StepState:
    if value not in STATES:
        words = f"{named('PerformedProcedureStepStatus')} is none of {', '.join(STATES)}"
        raise NotDone(Answer.INVALID_VALUE, words)
    return STATES[value]


def _listed(ds: Dataset) -> Listed:
    """The instances of every series; one that stands twice has both lists."""
    found: dict[str, list[str]] = {}
    for series in items(ds, "PerformedSeriesSequence"):
        references = [each for keyword in REFERENCES for each in items(series, keyword)]
        sops = [uid(each, "ReferencedSOPInstanceUID") for each in references]
        found.setdefault(uid(series, "SeriesInstanceUID"), []).extend(sops)
    return {name: tuple(sops) for name, sops in found.items()}


class PerformedSteps:
    """The steps that scanners tell us of."""

    def __init__(self, ledger: Ledger, *, clock: Callable[[], float] = time.time) -> None:
        self._ledger = ledger
        self._clock = clock

    def create(self, sop_instance_uid: str, ds: Dataset, *, calling_ae: str) -> None:
        """A step begins.

        Raises:
            NotDone: the data set is not that of a step that begins, or the step is known (0111).
            LedgerDown: the database does not answer.
        """
        study_instance_uid, listed = read_creation(ds)
        step = Step(
            sop_instance_uid=sop_instance_uid,
            calling_ae=calling_ae,
            study_instance_uid=study_instance_uid,
            listed=dict(listed),
            state=StepState.IN_PROGRESS,
            created_at=self._clock(),
        )
        with self._ledger.writing() as connection:
            if not steps.create(connection, step):
                raise NotDone(Answer.DUPLICATE, f"step {sop_instance_uid} exists")

    def change(self, sop_instance_uid: str, ds: Dataset, *, calling_ae: str) -> None:
        """A step goes on or ends, as the AE that began it says; when completed, its series are expected.

        Raises:
            NotDone: the data set is wrong, this AE began no such step (0112), or it has ended
                (0110, A710).
            LedgerDown: the database does not answer.
        """
        now = self._clock()
        with self._ledger.writing() as connection:
            step = steps.find(connection, sop_instance_uid)
            if step is None or step.calling_ae != calling_ae:
                which = sop_instance_uid if is_uid(sop_instance_uid) else "of a UID that is none"
                raise NotDone(Answer.NO_SUCH_INSTANCE, f"{calling_ae} began no step {which}")
            if not STEP_NEXT[step.state]:
                raise NotDone(Answer.FINAL, ENDED)
            change = read_change(ds)
            state = change.state or step.state
            listed = step.listed if change.listed is None else change.listed
            if not steps.change(connection, sop_instance_uid, state=state, listed=listed, now=now):
                raise NotDone(Answer.FINAL, ENDED)  # on another association, at the same time
        if state is StepState.COMPLETED:
            count = sum(len(set(sops)) for sops in listed.values())
            log().info("step completed", instance=sop_instance_uid, calling_ae=step.calling_ae, count=count)
