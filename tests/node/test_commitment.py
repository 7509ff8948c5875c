"""Storage commitment: what is asked, how it is answered, and what can be said to it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage

from node.answers import Answer, NotDone
from node.commitment import Fault, Judgement, is_ready, judge, read_request, report
from node.commitment_reports import REASONS
from storage import database
from storage.commitments import Held
from storage.records import Commitment
from storage.states import CommitmentState
from tests.node import workflow
from tests.node.receiving import (
    Receiver,
    receiver,
    rejection,
    request,
)
from tests.node.workflow import (
    COMMITMENT,
    LE,
    PAIRS,
    TRANSACTION,
    act,
    commitment,
    instances,
    item,
    scanner,
    told,
    wanted,
)

T0 = 1_000_000.0
WAIT_S = 60.0


running, node = workflow.running, workflow.node


def held(**changes: Any) -> Held:
    values: dict[str, Any] = {
        "sop_class_uid": str(CTImageStorage),
        "path": "p",
        "size_bytes": 1,
        "disputed": False,
    }
    return Held(**(values | changes))


FAULTS: list[tuple[Held | None, bool, Fault | None, int | None]] = [
    (held(), True, None, None),
    (None, True, Fault.NOT_HERE, 0x0112),
    (held(sop_class_uid=str(MRImageStorage)), True, Fault.OTHER_CLASS, 0x0119),
    (held(disputed=True), True, Fault.DISPUTED, 0x0110),
    (held(), False, Fault.DAMAGED, 0x0110),
]


@pytest.mark.parametrize(("found", "is_whole", "fault", "reason"), FAULTS)
def test_what_is_said_of_one_instance(
    found: Held | None, is_whole: bool, fault: Fault | None, reason: int | None
) -> None:
    """PS3.3 C.14.1.1."""
    good, asked = PAIRS
    there = {good[1]: held(path="good")} | ({asked[1]: found} if found is not None else {})
    judgement = judge(PAIRS, there, is_whole=lambda each: is_whole or each.path == "good")
    committed = PAIRS if fault is None else (good,)
    assert judgement == Judgement(committed=committed, failed=() if fault is None else ((asked, fault),))
    assert judgement.event_type == (1 if fault is None else 2)
    ds = report(TRANSACTION, judgement, REASONS)
    assert ds.TransactionUID == TRANSACTION
    assert "RetrieveAETitle" not in ds  # nothing can be retrieved from us
    assert told(ds) == ([uid for _class, uid in committed], [] if reason is None else [(asked[1], reason)])
    assert ("FailedSOPSequence" in ds) == (fault is not None)  # 1C: PS3.4 Table J.3-2


def test_where_nothing_is_committed_there_is_no_sequence_of_it() -> None:
    ds = report(TRANSACTION, judge(PAIRS, {}, is_whole=bool), REASONS)
    assert "ReferencedSOPSequence" not in ds
    assert [each.FailureReason for each in ds.FailedSOPSequence] == [0x0112, 0x0112]


@pytest.mark.parametrize(
    ("stored", "at", "ready"),
    [
        ((), 0.0, False),
        ((1,), WAIT_S - 0.001, False),
        ((1,), WAIT_S, True),
        ((1, 2), 0.0, True),
        ((), WAIT_S, True),
    ],
)
def test_a_report_waits_for_what_is_missing(stored: Sequence[int], at: float, ready: bool) -> None:
    one = Commitment(
        transaction_uid=TRANSACTION,
        calling_ae="SCU",
        instances=PAIRS,
        state=CommitmentState.WAITING,
        requested_at=T0,
        next_attempt_at=T0,
    )
    there: Mapping[str, Held] = {uid: held(disputed=True) for uid in instances(*stored)}
    assert is_ready(one, there, wait_s=WAIT_S, now=T0 + at) == ready


NO_REFERENCE = item(
    TransactionUID=TRANSACTION, ReferencedSOPSequence=[item(ReferencedSOPClassUID=CTImageStorage)]
)
NOT_ASKED: dict[str, tuple[Dataset | bytes, dict[str, Any], int]] = {
    "no transaction": (item(ReferencedSOPSequence=wanted(["1.2"]).ReferencedSOPSequence), {}, 0x0115),
    "empty transaction": (wanted(["1.2"], transaction=""), {}, 0x0115),
    "transaction is no UID": (wanted(["1.2"], transaction="1.2/x"), {}, 0x0115),
    "no instances": (item(TransactionUID=TRANSACTION), {}, 0x0115),
    "no item": (wanted([]), {}, 0x0115),
    "no instance UID": (NO_REFERENCE, {}, 0x0115),
    "other instance": (wanted(["1.2"]), {"instance": "1.2.3"}, 0x0112),
    "other action": (wanted(["1.2"]), {"action": 2}, 0x0123),
    "no data set": (b"", {}, 0x0115),
    "random bytes": (bytes(range(7, 256)) * 3, {}, 0x0110),
}


@pytest.mark.parametrize("fault", NOT_ASKED)
def test_a_request_that_is_none(node: Receiver, fault: str) -> None:
    ds, how, status = NOT_ASKED[fault]
    with scanner(node.port, COMMITMENT) as association:
        assert act(association, ds, **how).Status == status
        assert commitment(node) is None


def test_a_request_is_durable_before_it_is_granted(node: Receiver) -> None:
    with scanner(node.port, COMMITMENT) as association:
        before = time.time()
        assert act(association, wanted(instances(2, 1))).Status == 0x0000
        one = commitment(node)
    assert one is not None
    assert (one.calling_ae, one.instances, one.state) == ("SCU", PAIRS, CommitmentState.WAITING)
    assert before <= one.requested_at <= time.time()


def test_a_transaction_is_one_request(node: Receiver) -> None:
    with scanner(node.port, COMMITMENT) as association:
        assert act(association, wanted(instances(1, 2))).Status == 0x0000
        assert act(association, wanted(instances(1, 2))).Status == 0x0000  # once more: no response was seen
        assert act(association, wanted(instances(1))).Status == 0x0115
        one = commitment(node)
    assert one is not None and one.instances == PAIRS


def test_without_the_database_the_peer_is_to_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    with receiver(tmp_path) as node, scanner(node.port, COMMITMENT) as association:
        with node.locked():
            assert act(association, wanted(instances(1))).Status == 0x0213
        assert commitment(node) is None


def test_who_may_not_send_may_not_ask_either(node: Receiver) -> None:
    association = request(node.port, [(COMMITMENT, LE)], calling="STRANGER")
    assert rejection(association) == (1, 1, 3)


def test_reading_needs_no_network() -> None:
    assert read_request(wanted(instances(1, 2))) == (TRANSACTION, PAIRS)
    with pytest.raises(NotDone) as refused:
        read_request(Dataset())
    assert refused.value.answer is Answer.INVALID_ARGUMENT
