"""MPPS on the wire: the status of each fault, and what a completed step leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select
from structlog.testing import capture_logs

from node import normalized
from node.answers import Answer, NotDone
from node.config import Peer
from node.mpps import read_change, read_creation
from storage import database, schema, steps
from storage.expectations import expected
from storage.records import Step
from storage.states import Source, StepState
from tests.node import workflow
from tests.node.receiving import (
    SCU,
    SERIES,
    STUDY,
    Receiver,
    ct,
    encoded,
    receiver,
    rejection,
    request,
    send,
)
from tests.node.workflow import (
    LE,
    MPPS,
    PATIENT,
    STEP,
    begun,
    change,
    create,
    ended,
    instances,
    item,
    performed,
    scanner,
)

OTHER = "2.25.1003"


running, node = workflow.running, workflow.node


def step(node: Receiver, uid: str = STEP) -> Step | None:
    with node.ledger.reading() as connection:
        return steps.find(connection, uid)


def expectation(node: Receiver, series: str = SERIES) -> list[tuple[Source, str, int, int, int]]:
    node.intake.flush(20)
    with node.ledger.reading() as connection:
        found = expected(connection, [series]).get(series, ())
    return [(e.source, e.told_by, e.count, e.missing, e.unlisted) for e in found]


def test_from_the_first_word_to_the_last(node: Receiver) -> None:
    uids = instances(1, 2)
    with scanner(node.port, MPPS) as association:
        assert create(association, begun()).Status == 0x0000
        found = step(node)
        assert found is not None
        assert (found.calling_ae, found.study_instance_uid, found.state) == (
            "SCU",
            STUDY,
            StepState.IN_PROGRESS,
        )
        assert (
            change(association, item(PerformedSeriesSequence=performed({SERIES: uids[:1]}))).Status == 0x0000
        )
        assert expectation(node) == []  # not until the step is completed
        assert change(association, ended("COMPLETED", {SERIES: uids})).Status == 0x0000
    assert expectation(node) == [(Source.MPPS, STEP, 2, 2, 0)]
    send(node.port, ct(1))
    send(node.port, ct(2))
    assert expectation(node) == [(Source.MPPS, STEP, 2, 0, 0)]


def without(keyword: str) -> Dataset:
    return begun(**{keyword: None})


NOT_CREATED: dict[str, tuple[Dataset | bytes, int, str]] = {
    "no status": (without("PerformedProcedureStepStatus"), 0x0120, "(0040,0252)"),
    "empty status": (begun(PerformedProcedureStepStatus=""), 0x0121, "(0040,0252)"),
    "completed at once": (begun(PerformedProcedureStepStatus="COMPLETED"), 0x0106, "(0040,0252)"),
    "unknown status": (begun(PerformedProcedureStepStatus="RUNNING"), 0x0106, "(0040,0252)"),
    "two statuses": (begun(PerformedProcedureStepStatus=["IN PROGRESS", "COMPLETED"]), 0x0106, "(0040,0252)"),
    "no step ID": (without("PerformedProcedureStepID"), 0x0120, "(0040,0253)"),
    "no station": (without("PerformedStationAETitle"), 0x0120, "(0040,0241)"),
    "no start date": (without("PerformedProcedureStepStartDate"), 0x0120, "(0040,0244)"),
    "no start time": (without("PerformedProcedureStepStartTime"), 0x0120, "(0040,0245)"),
    "no modality": (without("Modality"), 0x0120, "(0008,0060)"),
    "empty modality": (begun(Modality=""), 0x0121, "(0008,0060)"),
    "nothing scheduled": (without("ScheduledStepAttributesSequence"), 0x0120, "(0040,0270)"),
    "no item scheduled": (begun(ScheduledStepAttributesSequence=[]), 0x0121, "(0040,0270)"),
    "no study": (begun(ScheduledStepAttributesSequence=[Dataset()]), 0x0120, "(0020,000D)"),
    "study is no UID": (
        begun(ScheduledStepAttributesSequence=[item(StudyInstanceUID="../x")]),
        0x0106,
        "(0020,000D)",
    ),
    "series without a UID": (begun(PerformedSeriesSequence=[Dataset()]), 0x0120, "(0020,000E)"),
    "instance that is no UID": (
        begun(PerformedSeriesSequence=performed({SERIES: ["x"]})),
        0x0106,
        "(0008,1155)",
    ),
    "no data set": (b"", 0x0120, "(0040,0252)"),
    "random bytes": (bytes(range(7, 256)) * 3, 0x0110, "data set is implicit VR"),
    "cut short": (encoded(begun())[:-3], 0x0110, "bytes"),
}


@pytest.mark.parametrize("fault", NOT_CREATED)
def test_a_step_that_does_not_begin(node: Receiver, fault: str) -> None:
    ds, status, words = NOT_CREATED[fault]
    with scanner(node.port, MPPS) as association:
        answer = create(association, ds)
        assert answer.Status == status
        assert words in answer.ErrorComment and len(answer.ErrorComment) <= 64
        assert step(node) is None
        assert create(association, begun()).Status == 0x0000  # the association goes on


@pytest.mark.parametrize("state", ["IN PROGRESS", "COMPLETED", "DISCONTINUED"])
def test_a_step_that_is_known_does_not_begin_again(node: Receiver, state: str) -> None:
    with scanner(node.port, MPPS) as association:
        create(association, begun())
        change(association, ended(state))
        before = step(node)
        assert create(association, begun()).Status == 0x0111
        assert step(node) == before


def test_a_step_without_a_name_gets_one(node: Receiver) -> None:
    """PS3.7 10.1.5.1.4: the performer names it, and says how."""
    with scanner(node.port, MPPS) as association:
        answer = create(association, begun(), uid=None)
        assert answer.Status == 0x0000
        named = str(answer.AffectedSOPInstanceUID)
        assert change(association, ended("COMPLETED", {SERIES: instances(1)}), uid=named).Status == 0x0000
    assert expectation(node) == [(Source.MPPS, named, 1, 1, 0)]


NOT_CHANGED: dict[str, tuple[Dataset | bytes, int]] = {
    "unknown status": (item(PerformedProcedureStepStatus="FINISHED"), 0x0106),
    "empty status": (item(PerformedProcedureStepStatus=""), 0x0121),
    "series without a UID": (item(PerformedSeriesSequence=[Dataset()]), 0x0120),
    "series that is no UID": (ended("COMPLETED", {"x": []}), 0x0106),
    "instance without a UID": (
        ended(
            "COMPLETED",
            PerformedSeriesSequence=[item(SeriesInstanceUID=SERIES, ReferencedImageSequence=[Dataset()])],
        ),
        0x0120,
    ),
    "random bytes": (bytes(range(7, 256)) * 3, 0x0110),
}


@pytest.mark.parametrize("fault", NOT_CHANGED)
def test_a_change_that_is_none(node: Receiver, fault: str) -> None:
    ds, status = NOT_CHANGED[fault]
    with scanner(node.port, MPPS) as association:
        create(association, begun())
        before = step(node)
        answer = change(association, ds)
        assert (answer.Status, answer.ErrorID) == (status, None)
        assert step(node) == before
        assert expectation(node) == []


def test_a_step_that_is_not_known_does_not_change(node: Receiver) -> None:
    with scanner(node.port, MPPS) as association:
        assert change(association, ended("COMPLETED", {SERIES: instances(1)})).Status == 0x0112
    assert step(node) is None
    assert expectation(node) == []


def test_what_is_no_uid_is_not_repeated_in_the_log(node: Receiver) -> None:
    """A sender may write anything there, a name too."""
    with capture_logs() as lines, scanner(node.port, MPPS) as association:
        answer = change(association, ended("COMPLETED", {SERIES: instances(1)}), "2.25.DOE")
    assert (answer.Status, answer.ErrorComment) == (0x0112, "SCU began no step of a UID that is none")
    assert [line["reason"] for line in lines if line["event"] == "request refused"] == [answer.ErrorComment]


def test_only_who_began_a_step_changes_it(tmp_path: Path) -> None:
    other = Peer(name="other", ae_title="OTHER", may_send=True, hosts=("127.0.0.1",))
    with receiver(tmp_path, [SCU, other]) as node:
        with scanner(node.port, MPPS) as association:
            create(association, begun())
        before = step(node)
        with scanner(node.port, MPPS, calling="OTHER") as association:
            assert change(association, ended("COMPLETED", {SERIES: instances(1)})).Status == 0x0112
        assert (step(node), expectation(node)) == (before, [])
        with scanner(node.port, MPPS) as association:
            assert change(association, ended("COMPLETED", {SERIES: instances(1)})).Status == 0x0000


def test_a_data_set_that_is_too_long_is_not_decoded(node: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    length = len(encoded(begun()))
    with scanner(node.port, MPPS) as association:
        monkeypatch.setattr(normalized, "MAX_DATA_SET_BYTES", length - 1)
        answer = create(association, begun())
        assert (answer.Status, answer.ErrorComment) == (0x0213, "the data set is longer than we take")
        assert create(association, bytes(length)).Status == 0x0213  # not 0110: nobody tried to read it
        assert step(node) is None
        monkeypatch.setattr(normalized, "MAX_DATA_SET_BYTES", length)
        assert create(association, begun()).Status == 0x0000


@pytest.mark.parametrize("again", ["IN PROGRESS", "COMPLETED", "DISCONTINUED", "FINISHED"])
@pytest.mark.parametrize("final", ["COMPLETED", "DISCONTINUED"])
def test_a_step_that_has_ended_may_no_longer_be_updated(node: Receiver, final: str, again: str) -> None:
    """PS3.4 F.7.2.2.4: 0110 with Error ID A710; also where the second N-SET is the first one once more."""
    with scanner(node.port, MPPS) as association:
        create(association, begun())
        assert change(association, ended(final, {SERIES: instances(1)})).Status == 0x0000
        before = (step(node), expectation(node))
        answer = change(association, ended(again, {SERIES: instances(1, 2)}))
        assert (answer.Status, answer.ErrorID) == (0x0110, 0xA710)
        assert answer.ErrorComment == "Performed Procedure Step Object may no longer be updated"
        assert (step(node), expectation(node)) == before
    assert len(before[1]) == (final == "COMPLETED")


def test_a_discontinued_step_tells_nothing(node: Receiver) -> None:
    with scanner(node.port, MPPS) as association:
        create(association, begun(PerformedSeriesSequence=performed({SERIES: instances(1)})))
        assert change(association, ended("DISCONTINUED", {SERIES: instances(1, 2)})).Status == 0x0000
    assert expectation(node) == []


def test_the_last_list_counts_whenever_it_came(node: Receiver) -> None:
    """PS3.4 F.7.2.2.2: the N-SET that completes a step may leave out what an earlier one has set."""
    with scanner(node.port, MPPS) as association:
        create(association, begun(PerformedSeriesSequence=performed({SERIES: instances(9)})))
        change(association, item(PerformedSeriesSequence=performed({SERIES: instances(1, 2)})))
        assert change(association, ended("COMPLETED")).Status == 0x0000
    assert expectation(node) == [(Source.MPPS, STEP, 2, 2, 0)]


def test_images_and_other_instances_of_several_series_count(node: Receiver) -> None:
    sequence = performed(
        {SERIES: instances(1, 2), OTHER: []}, other={SERIES: instances(3), "2.25.1004": ["2.25.9"]}
    )
    sequence += performed({SERIES: instances(2, 4)})  # one series in two items
    with scanner(node.port, MPPS) as association:
        create(association, begun())
        change(association, ended("COMPLETED", PerformedSeriesSequence=sequence))
    assert expectation(node) == [(Source.MPPS, STEP, 4, 4, 0)]
    assert expectation(node, OTHER) == []  # an empty list says nothing
    assert expectation(node, "2.25.1004") == [(Source.MPPS, STEP, 1, 1, 0)]


@pytest.mark.parametrize("stored_first", [0, 1, 2])
def test_the_word_may_come_before_within_and_after_the_series(node: Receiver, stored_first: int) -> None:
    for number in range(1, stored_first + 1):
        send(node.port, ct(number))
    with scanner(node.port, MPPS) as association:
        create(association, begun())
        change(association, ended("COMPLETED", {SERIES: instances(1, 2), OTHER: instances(7, series=OTHER)}))
    assert expectation(node) == [(Source.MPPS, STEP, 2, 2 - stored_first, 0)]
    for number in range(stored_first + 1, 4):
        send(node.port, ct(number))
    assert expectation(node) == [(Source.MPPS, STEP, 2, 0, 1)]  # the third is not of this step
    assert expectation(node, OTHER) == [(Source.MPPS, STEP, 1, 1, 0)]  # never sent to us: it waits for ever


def test_what_was_granted_stands_when_the_association_is_aborted(node: Receiver) -> None:
    association = request(node.port, [(MPPS, LE)])
    create(association, begun())
    association.abort()
    node.ended()
    with scanner(node.port, MPPS) as association:
        assert change(association, ended("COMPLETED", {SERIES: instances(1)})).Status == 0x0000
        association.abort()
    assert expectation(node) == [(Source.MPPS, STEP, 1, 1, 0)]


def test_without_the_database_the_scanner_is_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    with receiver(tmp_path) as node, scanner(node.port, MPPS) as association:
        with node.locked():
            answer = create(association, begun())
        assert answer.Status == 0x0213
        assert step(node) is None
        assert create(association, begun()).Status == 0x0000


def test_an_error_that_nobody_foresaw_is_answered(node: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_arguments: Any) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(steps, "create", broken)
    with scanner(node.port, MPPS) as association:
        answer = create(association, begun())
        assert (answer.Status, answer.ErrorComment) == (0x0110, "an error of ours")


@pytest.mark.parametrize("calling", ["STRANGER", "PACS"])
def test_who_may_not_send_may_not_tell_either(tmp_path: Path, calling: str) -> None:
    pacs = Peer(name="pacs", ae_title="PACS", gets_results=True, hosts=("127.0.0.1",), port=104)
    with receiver(tmp_path, [SCU, pacs]) as node:
        association = request(node.port, [(MPPS, LE)], calling=calling)
        assert rejection(association) == (1, 1, 3)


def test_nothing_of_the_patient_is_kept_or_logged(node: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    with scanner(node.port, MPPS) as association:
        create(association, begun())
        create(association, begun())  # refused
        change(association, ended("COMPLETED", {SERIES: instances(1)}))
        change(association, ended("COMPLETED", PatientName=PATIENT))
    with node.ledger.reading() as connection:
        kept = json.dumps(
            [
                [dict(row._mapping) for row in connection.execute(select(t))]
                for t in schema.metadata.sorted_tables
            ],
            default=str,
        )
    logged = "".join(capsys.readouterr())
    assert STEP in kept and STEP in logged
    for text in (kept, logged):
        assert PATIENT not in text and "4711" not in text


def test_reading_needs_no_network() -> None:
    assert read_creation(begun(PerformedSeriesSequence=performed({SERIES: ["1.2"]}))) == (
        STUDY,
        {SERIES: ("1.2",)},
    )
    assert read_change(Dataset()).state is None
    assert read_change(Dataset()).listed is None
    assert read_change(item(PerformedSeriesSequence=[])).listed == {}
    with pytest.raises(NotDone) as refused:
        read_creation(Dataset())
    assert refused.value.answer is Answer.MISSING
