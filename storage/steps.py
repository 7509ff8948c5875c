"""Modality performed procedure steps, and what they say of their series once they are completed.

A step keeps UIDs alone: of the patient, who stands in the same data set, nothing is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, delete, select, update

from storage import expectations, schema
from storage.ledger import insert_new
from storage.records import Step
from storage.states import Source, StepState


def create(connection: Connection, step: Step) -> bool:
    """A step began; False when its SOP Instance UID is taken."""
    return insert_new(
        connection,
        schema.step,
        sop_instance_uid=step.sop_instance_uid,
        calling_ae=step.calling_ae,
        study_instance_uid=step.study_instance_uid,
        listed=_written(step.listed),
        state=step.state,
        created_at=step.created_at,
    )


def find(connection: Connection, sop_instance_uid: str) -> Step | None:
    """The step of that SOP Instance UID."""
    table = schema.step
    row = connection.execute(select(table).where(table.c.sop_instance_uid == sop_instance_uid)).first()
    if row is None:
        return None
    listed = {uid: tuple(sops) for uid, sops in row.listed.items()}
    return Step(**{**row._mapping, "listed": listed})


def change(
    connection: Connection,
    sop_instance_uid: str,
    *,
    state: StepState,
    listed: Mapping[str, Collection[str]],
    now: float,
) -> bool:
    """A step that is in progress goes on or ends; False when it was not in progress.

    When it is completed, each of its series with instances is expected to have exactly these. A step that
    is discontinued tells nothing: what it lists may have been thrown away (PS3.4 F.7.2.2.2).

    Args:
        connection: of the transaction.
        sop_instance_uid: of the step.
        state: from now on.
        listed: Series Instance UID -> all SOP Instance UIDs made so far.
        now: when it was said.
    """
    table = schema.step
    ended_at = None if state is StepState.IN_PROGRESS else now
    statement = update(table).where(
        table.c.sop_instance_uid == sop_instance_uid, table.c.state == StepState.IN_PROGRESS
    )
    changed = connection.execute(statement.values(state=state, listed=_written(listed), ended_at=ended_at))
    if not changed.rowcount:
        return False
    for series_instance_uid, sops in listed.items() if state is StepState.COMPLETED else ():
        if sops:  # an empty list is common, and says nothing
            expectations.tell(
                connection,
                series_instance_uid=series_instance_uid,
                source=Source.MPPS,
                told_by=sop_instance_uid,
                count=len(set(sops)),
                sop_instance_uids=set(sops),
                now=now,
            )
    return True


def forget_before(connection: Connection, at: float) -> int:
    """Remove steps that began before a time, ended or not. Returns how many."""
    table = schema.step
    return connection.execute(delete(table).where(table.c.created_at < at)).rowcount


def _written(listed: Mapping[str, Collection[str]]) -> dict[str, list[str]]:
    return {uid: sorted(set(sops)) for uid, sops in sorted(listed.items())}
