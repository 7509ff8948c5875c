"""Storage commitment as SCU: who is let in to report, and what comes in an order or form that is odd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.config import Peer
from storage.states import DeliveryState, PromiseState
from tests.node.proof_peers import HOUR_S, SEG, SR, Bench, CommittingPacs, bench, report, tell
from tests.node.receiving import ct, rejection, request, send
from tests.node.scu_peers import scp
from tests.node.test_proof_commitment import asked, port_of
from tests.node.workflow import COMMITMENT, COMMITMENT_INSTANCE, LE

STORED, COMMITTED = DeliveryState.STORED, DeliveryState.COMMITTED


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as each:
        yield each


def test_a_pacs_that_may_not_send_may_report_and_nothing_else(pacs: Bench) -> None:
    contexts = [(str(ct().SOPClassUID), LE), (COMMITMENT, LE), ("1.2.840.10008.1.1", LE)]
    association = request(port_of(pacs), contexts, calling="PACS")
    assert association.is_established
    assert [cx.abstract_syntax for cx in association.accepted_contexts] == [COMMITMENT, "1.2.840.10008.1.1"]
    association.release()


def test_a_destination_that_is_not_asked_to_commit_is_not_let_in(tmp_path: Path) -> None:
    with bench(tmp_path, commitment=False) as pacs:
        association = request(port_of(pacs), [(COMMITMENT, LE)], calling="PACS")
        assert rejection(association) == (1, 1, 3)
        assert pacs.ask() == 0


def test_a_peer_that_also_sends_may_do_both(tmp_path: Path) -> None:
    with bench(tmp_path, may_send=True) as pacs:
        assert send(port_of(pacs), ct(7), calling="PACS").Status == 0x0000
        transaction = asked(pacs, CommittingPacs())
        assert tell(port_of(pacs), report(transaction, [SR, SEG])) == 0x0000


def test_a_report_may_come_before_the_response(pacs: Bench) -> None:
    """PS3.4 J.3.3.1.1 forbids it to nobody."""

    def within(association: Any, transaction: str, uids: list[str]) -> None:
        association.send_n_event_report(report(transaction, uids), 1, COMMITMENT, COMMITMENT_INSTANCE)

    asked(pacs, CommittingPacs(within=within))
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: COMMITTED}


def test_a_report_that_is_none_is_answered_so_on_the_association_of_the_request(pacs: Bench) -> None:
    answers: list[int] = []

    def nonsense(association: Any, transaction: str, uids: list[str]) -> None:
        for event_type, ds in ((9, report(transaction, uids)), (1, report("2.25.4", uids))):
            status, _ = association.send_n_event_report(ds, event_type, COMMITMENT, COMMITMENT_INSTANCE)
            answers.append(status.Status)

    asked(pacs, CommittingPacs(within=nonsense))
    assert answers == [0x0113, 0x0115]
    assert [each.state for each in pacs.promises()] == [PromiseState.ASKED]
    assert pacs.due_in_s() == [24 * HOUR_S] * 2


def test_a_pacs_that_does_not_answer_the_request(pacs: Bench) -> None:
    """It may have understood: its report counts when it comes."""
    peer = CommittingPacs(within=lambda association, *_: association.abort())
    transaction = asked(pacs, peer)
    assert pacs.errors()[SR] == "no response to the request for storage commitment"
    assert [each.state for each in pacs.promises()] == [PromiseState.ASKED]
    assert all(30 <= due_s <= 36 for due_s in pacs.due_in_s())
    assert tell(port_of(pacs), report(transaction, [SR, SEG])) == 0x0000
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: COMMITTED}


def test_a_pacs_that_knows_no_storage_commitment(pacs: Bench) -> None:
    with scp([("1.2.840.10008.1.1", [LE])]) as called:
        named = Peer(**{**pacs.config.peers[0].model_dump(), "port": called.port, "ae_title": "PEER"})
        pacs.config = pacs.config.model_copy(update={"peers": (named,)})
        pacs.restart()
        assert pacs.ask() == 2
    assert str(pacs.errors()[SR]).endswith("but none of the services we asked for")
    assert pacs.states() == {SR: STORED, SEG: STORED}
