"""Storage commitment as SCU: what a PACS says, on which association, when; and what that leads to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from node.config import Peer
from storage.states import DeliveryState, PromiseState
from tests.node.proof_peers import (
    HOUR_S,
    SEG,
    SR,
    T0,
    Bench,
    CommittingPacs,
    bench,
    report,
    tell,
)
from tests.node.workflow import COMMITMENT, COMMITMENT_INSTANCE, item
from tests.waiting import eventually

STORED, COMMITTED = DeliveryState.STORED, DeliveryState.COMMITTED
WAITING, DEAD = DeliveryState.WAITING, DeliveryState.DEAD


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as each:
        yield each


def port_of(pacs: Bench) -> int:
    return int(pacs.node.port)  # type: ignore[attr-defined]


def asked(pacs: Bench, peer: CommittingPacs) -> str:
    """Ask; the Transaction UID."""
    with peer.listening(pacs.port):
        assert pacs.ask() == 2
    return peer.asked[-1][0]


def test_a_pacs_that_reports_on_the_association_of_the_request(pacs: Bench) -> None:
    def same(association: Any, transaction: str, uids: list[str]) -> None:
        association.send_n_event_report(report(transaction, uids), 1, COMMITMENT, COMMITMENT_INSTANCE)

    peer = CommittingPacs(say=same)
    pacs.wait_for_report(5)
    transaction = asked(pacs, peer)
    assert peer.asked == [(transaction, [SR, SEG])]
    (promise,) = pacs.promises()
    assert (promise.transaction_uid, promise.state) == (transaction, PromiseState.REPORTED)
    assert pacs.states() == {SR: STORED, SEG: STORED}
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: COMMITTED}
    assert pacs.errors() == {SR: None, SEG: None}
    (promise,) = pacs.promises()
    assert (promise.state, promise.settled_at) == (PromiseState.SETTLED, T0)
    assert (pacs.ask(), pacs.due_in_s(), peer.associations) == (0, [], 1)


@pytest.mark.parametrize("role", [True, False])
def test_a_pacs_that_reports_on_an_association_of_its_own(pacs: Bench, role: bool) -> None:
    """Also one that knows no role selection."""
    transaction = asked(pacs, CommittingPacs())
    assert pacs.due_in_s() == [24 * HOUR_S] * 2
    assert pacs.ask() == 0
    assert tell(port_of(pacs), report(transaction, [SR, SEG]), role=role) == 0x0000
    pacs.restart()
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: COMMITTED}


def test_a_report_outlives_a_restart(pacs: Bench) -> None:
    transaction = asked(pacs, CommittingPacs())
    tell(port_of(pacs), report(transaction, [SR, SEG]))
    assert pacs.states() == {SR: STORED, SEG: STORED}
    pacs.restart()
    pacs.act()
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: COMMITTED}


FAILURES = [
    (0x0112, WAITING, "0112 No such object instance"),
    (0x0110, STORED, "0110 Processing failure"),
    (0x0213, STORED, "0213 Resource limitation"),
    (0x0119, DEAD, "0119 Class / Instance conflict"),
    (0x0122, DEAD, "0122 Referenced SOP Class not supported"),
    (0x0131, DEAD, "0131 Duplicate transaction UID"),
    (0x0999, DEAD, "0999 a Failure Reason that PS3.3 C.14.1.1 does not list"),
]


@pytest.mark.parametrize(("reason", "state", "words"), FAILURES)
def test_what_a_failure_reason_leads_to(pacs: Bench, reason: int, state: DeliveryState, words: str) -> None:
    transaction = asked(pacs, CommittingPacs())
    assert tell(port_of(pacs), report(transaction, [SR], [(SEG, reason)]), event_type=2) == 0x0000
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: state}
    assert pacs.errors()[SEG] == f"stored, but not committed to: {words} (transaction {transaction})"
    sent_again = [uid for uid, at in pacs.sendings.wanted if T0 + 30 <= at <= T0 + 36]
    assert sent_again == ([SEG] if state is WAITING else [])
    assert len(pacs.sendings.wanted) == len(sent_again)
    letters = pacs.node.events("dead letter")
    assert len(letters) == (1 if state is DEAD else 0)
    if state is STORED:
        (due_s,) = pacs.due_in_s()
        assert 30 <= due_s <= 36
    if state is DEAD:
        assert pacs.due_in_s() == []


def test_what_is_sent_again_is_asked_for_again_and_not_for_ever(pacs: Bench) -> None:
    """A PACS that loses an object each time."""
    peer = CommittingPacs()
    waits = []
    for _ in range(3):
        with peer.listening(pacs.port):
            assert pacs.ask() > 0
        transaction, uids = peer.asked[-1]
        tell(port_of(pacs), report(transaction, [], [(uid, 0x0112) for uid in uids]), event_type=2)
        pacs.act()
        assert pacs.states() == {SR: WAITING, SEG: WAITING}
        waits.append(pacs.sendings.wanted[-1][1] - pacs.now)
        pacs.now = pacs.sendings.wanted[-1][1]
        pacs.stored()
    assert [30 <= waits[0] <= 36, 60 <= waits[1] <= 72, 120 <= waits[2] <= 144] == [True] * 3
    pacs.now = T0 + 7 * 24 * HOUR_S
    with peer.listening(pacs.port):
        pacs.ask()
    transaction, uids = peer.asked[-1]
    tell(port_of(pacs), report(transaction, [], [(uid, 0x0112) for uid in uids]), event_type=2)
    pacs.act()
    assert pacs.states() == {SR: DEAD, SEG: DEAD}
    assert str(pacs.errors()[SR]).startswith("given up after 7 days: stored, but not committed to: 0112")


def test_what_a_report_does_not_mention_is_asked_again(pacs: Bench) -> None:
    transaction = asked(pacs, CommittingPacs())
    tell(port_of(pacs), report(transaction, [SR, "1.2.3"]))
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: STORED}
    assert (
        pacs.errors()[SEG]
        == f"the report of storage commitment does not mention it (transaction {transaction})"
    )
    assert len(pacs.due_in_s()) == 1


def test_an_instance_that_is_told_both_ways_is_not_committed_to(pacs: Bench) -> None:
    transaction = asked(pacs, CommittingPacs())
    tell(port_of(pacs), report(transaction, [SR, SEG], [(SEG, 0x0119)]), event_type=2)
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: DEAD}


def test_reports_that_are_no_answer_to_what_was_asked(pacs: Bench) -> None:
    peer = CommittingPacs()
    transaction = asked(pacs, peer)
    good = report(transaction, [SR, SEG])
    port = port_of(pacs)
    assert tell(port, report("2.25.99", [SR])) == 0x0115  # not ours
    assert tell(port, good, event_type=3) == 0x0113
    assert tell(port, good, instance="1.2.3") == 0x0112
    assert tell(port, item(ReferencedSOPSequence=[])) == 0x0115
    assert [each.state for each in pacs.promises()] == [PromiseState.ASKED]
    assert tell(port, good) == 0x0000
    assert tell(port, report(transaction, [], [(SR, 0x0119)]), event_type=2) == 0x0000  # once more: known
    pacs.act()
    assert tell(port, good) == 0x0000
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: COMMITTED}


def test_a_report_of_another_entity_than_was_asked_is_refused(tmp_path: Path) -> None:
    other = Peer(
        name="other", ae_title="OTHER", gets_results=True, commitment=True, hosts=("127.0.0.1",), port=9
    )
    with bench(tmp_path) as pacs:
        pacs.node.config.__dict__["peers"] = (*pacs.node.config.peers, other)  # type: ignore[attr-defined]
        transaction = asked(pacs, CommittingPacs())
        assert tell(port_of(pacs), report(transaction, [SR, SEG]), calling="OTHER") == 0x0115
        assert [each.state for each in pacs.promises()] == [PromiseState.ASKED]


def test_no_report_within_a_day_is_told_and_asked_anew_and_a_late_one_counts(pacs: Bench) -> None:
    peer = CommittingPacs()
    first = asked(pacs, peer)
    pacs.now = T0 + 24 * HOUR_S
    pacs.act()
    assert pacs.node.events("commitment overdue") == []
    pacs.now += 1
    pacs.act()
    pacs.act()
    (event,) = pacs.node.events("commitment overdue")
    assert event.subject == "pacs"
    assert event.detail == (
        f"2 results, transaction {first}: no report of PACS within 24 hours; it is asked anew"
    )
    assert [each.state for each in pacs.promises()] == [PromiseState.OVERDUE]
    assert pacs.states() == {SR: STORED, SEG: STORED}
    pacs.now += max(pacs.due_in_s())
    second = asked(pacs, peer)
    assert second != first
    assert tell(port_of(pacs), report(first, [SR])) == 0x0000  # late, but a promise
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: STORED}
    assert tell(port_of(pacs), report(second, [SR, SEG])) == 0x0000
    pacs.act()
    assert pacs.states() == {SR: COMMITTED, SEG: COMMITTED}
    assert pacs.node.events("dead letter") == []


ANSWERS = [
    (0x0110, "the request for storage commitment was answered 0110"),
    (0x0122, "the request for storage commitment was answered 0122"),
]


@pytest.mark.parametrize(("answer", "words"), ANSWERS)
def test_a_request_that_is_declined_is_made_again_later(pacs: Bench, answer: int, words: str) -> None:
    asked(pacs, CommittingPacs(answer=answer))
    assert pacs.states() == {SR: STORED, SEG: STORED}
    assert pacs.errors() == {SR: words, SEG: words}
    assert [each.state for each in pacs.promises()] == [PromiseState.DECLINED]
    assert all(30 <= due_s <= 36 for due_s in pacs.due_in_s())


def test_a_pacs_that_is_away_is_asked_until_it_is_too_late(pacs: Bench) -> None:
    for attempt, (least, most) in enumerate([(30, 36), (60, 72), (120, 144)]):
        assert pacs.ask() == 2
        assert "refuses connections" in str(pacs.errors()[SR])
        assert all(least <= due_s <= most for due_s in pacs.due_in_s()), attempt
        assert pacs.ask() == 0
        pacs.now += max(pacs.due_in_s())
    assert pacs.promises() == []  # nobody was asked
    assert pacs.node.events("proof overdue") == []
    pacs.now = T0 + 24 * HOUR_S - 1
    pacs.ask()
    (event,) = pacs.node.events("proof overdue")
    assert event.subject == "pacs" and event.detail.startswith("2 results are not proven: PACS@127.0.0.1")
    pacs.now = T0 + 7 * 24 * HOUR_S
    pacs.ask()
    assert pacs.states() == {SR: DEAD, SEG: DEAD}
    assert str(pacs.errors()[SR]).startswith("given up after 7 days: PACS@127.0.0.1")
    assert len(pacs.node.events("dead letter")) == 2


def test_a_process_that_ended_before_the_answer_asks_anew(
    pacs: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ends(*_arguments: object, **_settings: object) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("node.commitment_asking.requested", ends)
    with pytest.raises(KeyboardInterrupt):
        pacs.ask()
    monkeypatch.undo()
    pacs.restart()
    assert (pacs.ask(), pacs.due_in_s()) == (0, [300.0, 300.0])
    pacs.now += 300
    asked(pacs, CommittingPacs())
    assert [each.state for each in pacs.promises()] == [PromiseState.ASKED] * 2


def test_prove_asks_and_acts_by_itself_and_another_destination_is_left_alone(tmp_path: Path) -> None:
    """`prove` is what the dispatcher calls once a second."""
    with bench(tmp_path) as pacs:
        pacs.config = pacs.config.model_copy(update={"peers": (*pacs.config.peers, _plain("archive"))})
        pacs.stored("pacs", "archive")
        pacs.restart()

        def late(_association: Any, transaction: str, uids: list[str]) -> None:
            tell(port_of(pacs), report(transaction, uids[:1], [(uids[1], 0x0119)]), event_type=2)

        def proven() -> bool:
            pacs.proving.prove()
            return pacs.states() == {SR: COMMITTED, SEG: DEAD}

        with CommittingPacs(say=late).listening(pacs.port):
            eventually(proven)
        assert pacs.states("archive") == {SR: STORED, SEG: STORED}


def _plain(name: str) -> Peer:
    return Peer(name=name, ae_title="ARCHIVE", gets_results=True, hosts=("127.0.0.1",), port=9)
