"""The doctor asks for a storage commitment: PACS that report here, there, never, or not as one would like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.destinations import destination
from node.doctor import round_trip
from node.doctor.findings import Finding, Outcome
from storage.states import DeliveryState, PromiseState
from tests.node.proof_peers import SEG, SR, Bench, CommittingPacs, bench, report, tell
from tests.node.scu_peers import FAST
from tests.node.workflow import COMMITMENT, COMMITMENT_INSTANCE


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as each:
        yield each


def doctor(pacs: Bench, *, send_test: bool = False, wait_s: float = 5) -> Finding:
    asked = destination(pacs.config, "pacs")
    address = pacs.config.peers[0].address
    assert asked is not None and address is not None
    return round_trip.round_trip(
        pacs.config, asked, address, pacs.node.ledger, FAST, send_test=send_test, wait_s=wait_s
    )


def test_a_report_on_the_same_association(pacs: Bench) -> None:
    def same(association: Any, transaction: str, uids: list[str]) -> None:
        association.send_n_event_report(report(transaction, uids), 1, COMMITMENT, COMMITMENT_INSTANCE)

    peer = CommittingPacs(say=same)
    with peer.listening(pacs.port):
        found = doctor(pacs)
    assert found.outcome is Outcome.OK
    assert found.measured.endswith("reported on the same association")
    assert [uids for _transaction, uids in peer.asked] in ([[SR]], [[SEG]])
    assert pacs.states() == {SR: DeliveryState.STORED, SEG: DeliveryState.STORED}


def test_a_report_on_an_association_of_its_own(pacs: Bench) -> None:
    def own(_association: Any, transaction: str, uids: list[str]) -> None:
        tell(pacs.node.port, report(transaction, uids))  # type: ignore[attr-defined]

    with CommittingPacs(say=own).listening(pacs.port):
        found = doctor(pacs)
    assert (found.outcome, found.measured.endswith("reported on an association of its own")) == (
        Outcome.OK,
        True,
    )


def test_a_report_that_does_not_commit(pacs: Bench) -> None:
    def fails(_association: Any, transaction: str, uids: list[str]) -> None:
        failing = report(transaction, [], [(uid, 0x0112) for uid in uids])
        tell(pacs.node.port, failing, event_type=2)  # type: ignore[attr-defined]

    with CommittingPacs(say=fails).listening(pacs.port):
        found = doctor(pacs)
    assert (found.outcome, found.measured) == (
        Outcome.FAILED,
        "not committed to: 0112 No such object instance",
    )


def test_a_report_that_never_comes_alarms_nobody_later(pacs: Bench) -> None:
    with CommittingPacs().listening(pacs.port):
        found = doctor(pacs, wait_s=0)
    assert found.outcome is Outcome.WARNING
    assert found.measured == "taken, but no report within 0 s; it may come later"
    assert found.tell == (
        "Add AE title CTNODE, host this machine's address, port 11112. "
        "Storage commitment reports (N-EVENT-REPORT) go there."
    )
    assert [each.state for each in pacs.promises()] == [PromiseState.OVERDUE]
    pacs.now += 30 * 86_400
    pacs.act()
    assert pacs.node.events("commitment overdue") == []


def test_a_request_that_is_declined(pacs: Bench) -> None:
    with CommittingPacs(answer=0x0122).listening(pacs.port):
        found = doctor(pacs)
    assert (found.outcome, found.measured) == (Outcome.FAILED, "the request was answered 0122")
    assert [each.state for each in pacs.promises()] == [PromiseState.DECLINED]


def test_a_pacs_that_is_away_and_one_that_takes_no_test_object(pacs: Bench) -> None:
    found = doctor(pacs)
    assert (found.outcome, "refuses connections" in found.measured) == (Outcome.FAILED, True)
    with CommittingPacs().listening(pacs.port):
        found = doctor(pacs, send_test=True)
    assert found.outcome is Outcome.FAILED
    assert found.measured.startswith("the test object was not taken: ")


def test_nothing_is_sent_where_no_result_is_there(tmp_path: Path) -> None:
    with bench(tmp_path) as pacs:
        with pacs.node.ledger.writing() as connection:
            connection.exec_driver_sql("DELETE FROM delivery")
        peer = CommittingPacs()
        with peer.listening(pacs.port):
            found = doctor(pacs)
        assert (found.outcome, peer.associations) == (Outcome.NOT_CHECKED, 0)
        assert found.measured == "no result is there yet; --send-test sends a test object"


def test_a_destination_that_is_not_asked_to_commit(tmp_path: Path) -> None:
    with bench(tmp_path, commitment=False) as pacs:
        found = doctor(pacs)
    assert (found.outcome, found.measured) == (
        Outcome.NOT_CHECKED,
        "commitment is false for this destination",
    )
