"""Storage commitment on the association of the request, for a peer that cannot be called."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage

from node.commitment_here import Here
from node.requestor import Response
from storage.states import CommitmentState
from tests.node import workflow
from tests.node.receiving import (
    SCU,
    Receiver,
    associated,
    ct,
    encoded,
    receiver,
    store,
)
from tests.node.workflow import (
    COMMITMENT,
    LE,
    TRANSACTION,
    Told,
    act,
    commitment,
    instances,
    told,
    wanted,
)
from tests.waiting import eventually

running, node = workflow.running, workflow.node


def both(node: Receiver, peer: Told) -> Any:
    """An association for images and commitments."""
    contexts = [(str(CTImageStorage), LE), (COMMITMENT, LE)]
    return associated(node.port, contexts, handlers=peer.handlers)


def test_a_peer_without_a_port_is_told_while_it_is_there(node: Receiver) -> None:
    peer = Told()
    uids = instances(1, 2)
    with both(node, peer) as association:
        assert store(association, encoded(ct(1)), sop_instance_uid=uids[0]).Status == 0x0000
        assert act(association, wanted(uids)).Status == 0x0000
        assert commitment(node) is not None
        assert peer.reports == []
        assert store(association, encoded(ct(2)), sop_instance_uid=uids[1]).Status == 0x0000
        eventually(lambda: peer.reports, what="the report")
        eventually(lambda: (c := commitment(node)) is not None and c.state is CommitmentState.REPORTED)
        assert act(association, wanted(uids, transaction="2.25.7")).Status == 0x0000  # it goes on
        eventually(lambda: len(peer.reports) == 2)
    (first, second) = peer.reports
    assert (first[0], first[1].TransactionUID, told(first[1])) == (1, TRANSACTION, (uids, []))
    assert (second[0], second[1].TransactionUID) == (1, "2.25.7")
    assert [row.ending for row in node.ended()] == ["released"]


@pytest.mark.parametrize(("status", "left"), [(0x0000, []), (0x0112, []), (0x0110, ["1.1"]), (None, ["1.1"])])
def test_what_was_answered_is_forgotten(
    monkeypatch: pytest.MonkeyPatch, status: int | None, left: list[str]
) -> None:
    response = None if status is None else Response(status=status, comment="")
    asked: list[list[str]] = []

    def ready(*, only: list[str]) -> list[Any]:
        asked.append(only)
        return [SimpleNamespace(transaction_uid=uid) for uid in only]

    reports: Any = SimpleNamespace(ready=ready, event=lambda *_: None, note=lambda *_: None)
    checkpoint = Here(None, reports, timeout_s=1)
    monkeypatch.setattr(checkpoint, "_exchange", lambda *_: response)
    checkpoint.watch("1.1", SimpleNamespace(transfer_syntax=LE, context_id=1))
    checkpoint._report()
    assert (asked, list(checkpoint._contexts)) == ([["1.1"]], left)


def test_another_class_is_told_at_once(node: Receiver) -> None:
    peer = Told()
    with both(node, peer) as association:
        store(association, encoded(ct(1)), sop_instance_uid=instances(1)[0])
        act(association, wanted(instances(1), sop_class=MRImageStorage))
        eventually(lambda: peer.reports, what="the report")
    ((event_type, ds),) = peer.reports
    assert (event_type, told(ds)) == (2, ([], [(instances(1)[0], 0x0119)]))


def test_images_may_come_between_report_and_answer(node: Receiver) -> None:
    """The peer answers when it has sent the rest; the images are served meanwhile."""
    statuses: list[int] = []

    class Busy(Told):
        def _on_report(self, event: Any) -> tuple[int, None]:
            statuses.append(_store_within(event.assoc, ct(2), instances(2)[0]))
            return super()._on_report(event)

    peer = Busy()
    with both(node, peer) as association:
        store(association, encoded(ct(1)), sop_instance_uid=instances(1)[0])
        act(association, wanted(instances(1)))
        eventually(lambda: (c := commitment(node)) is not None and c.state is CommitmentState.REPORTED)
        assert store(association, encoded(ct(3)), sop_instance_uid=instances(3)[0]).Status == 0x0000
    assert statuses == [0x0000]
    assert node.kept().instances == tuple(instances(1, 2, 3))


def _store_within(association: Any, ds: Dataset, uid: str) -> int:
    """C-STORE within another exchange: pynetdicom serves an N-EVENT-REPORT in a thread of its own."""
    status: int = store(association, encoded(ds), sop_instance_uid=uid).Status
    return status


def test_who_releases_first_is_told_when_it_can_be_called(node: Receiver) -> None:
    """Without a port nothing is left but to say so; with one, the dispatcher calls."""
    peer = Told()
    with both(node, peer) as association:
        act(association, wanted(instances(1)))
    node.ended()
    one = commitment(node)
    assert one is not None and one.state is CommitmentState.WAITING
    assert peer.reports == []


def test_a_peer_with_a_port_is_not_told_on_its_own_association(tmp_path: Path) -> None:
    callable_scu = SCU.model_copy(update={"port": 104})
    peer = Told()
    with receiver(tmp_path, [callable_scu]) as node, both(node, peer) as association:
        store(association, encoded(ct(1)), sop_instance_uid=instances(1)[0])
        act(association, wanted(instances(1)))
        for number in range(2, 8):  # the reactor passes its checkpoint meanwhile
            store(association, encoded(ct(number)), sop_instance_uid=instances(number)[0])
        assert peer.reports == []
