"""Storage commitment: to whom it is told, when, and what the answer leads to. The clock is set by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import CTImageStorage

from node.calls import Calls
from node.commitment_reports import ORPHAN_S, CommitmentReports
from node.config import Commitment as CommitmentConfig
from node.config import Config, Delivery, Peer, Storage
from node.intake import Intake
from storage import arrivals, commitments
from storage.errors import Duplicate
from storage.retention import forget_series
from storage.states import CommitmentState
from tests.node.receiving import (
    Store,
    ct,
    free_port,
    take,
)
from tests.node.scu_peers import FAST, SHORT, listener, silent
from tests.node.workflow import (
    TRANSACTION,
    Told,
    commitment,
    instances,
    told,
)
from tests.waiting import eventually

T0 = 1_000_000.0
WAIT_S = 60.0


@dataclass
class Bench:
    """Reports of a ledger, with the clock by hand; the peer is called at a port."""

    node: Store
    port: int
    now: float = T0
    timeouts: Any = FAST
    reports: CommitmentReports = field(init=False)

    def __post_init__(self) -> None:
        peer = Peer(name="scanner", ae_title="SCU", may_send=True, hosts=("127.0.0.1",), port=self.port)
        config = Config(
            peers=(peer, Peer(name="mute", ae_title="MUTE", may_send=True, hosts=("127.0.0.1",))),
            storage=Storage(root=self.node.root),
            commitment=CommitmentConfig(wait_s=WAIT_S),
            delivery=Delivery(retry_first_s=30, retry_max_s=900, give_up_days=1),
        )
        self.reports = CommitmentReports(
            config, self.node.ledger, Calls(), timeouts=self.timeouts, clock=lambda: self.now
        )

    def ask(self, *numbers: int, uid: str = TRANSACTION, calling_ae: str = "SCU") -> None:
        pairs = [(str(CTImageStorage), sop) for sop in instances(*numbers)]
        with self.node.ledger.writing() as connection:
            commitments.ask(
                connection, transaction_uid=uid, calling_ae=calling_ae, instances=pairs, now=self.now
            )

    def take(self, *numbers: int) -> None:
        intake = Intake(self.node.instances, self.node.ledger, reserve_bytes=0)
        for number in numbers:
            take(intake, ct(number))

    def tell(self) -> None:
        """What `report` does, here and now."""
        due = self.reports.ready()
        called = self.reports.address("SCU")
        assert called is not None
        self.reports.report_to(called, due)

    def state(self, uid: str = TRANSACTION) -> tuple[CommitmentState, int, float | None, str | None]:
        one = commitment(self.node, uid)
        assert one is not None
        return one.state, one.attempts, one.next_attempt_at, one.last_error


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    node = Store(tmp_path)
    node.association()
    return Bench(node, free_port())


def test_success_is_told_on_an_association_of_ours(bench: Bench) -> None:
    peer = Told()
    bench.take(1, 2)
    bench.ask(1, 2)
    with peer.listening(bench.port):
        bench.reports.report()
        eventually(lambda: bench.state()[0] is CommitmentState.REPORTED)
    ((event_type, ds),) = peer.reports
    assert (event_type, ds.TransactionUID) == (1, TRANSACTION)
    assert told(ds) == (instances(1, 2), [])
    assert peer.roles == [(False, True)]  # PS3.7 D.3.3.4: we are the provider
    assert bench.reports.ready() == []


@pytest.mark.parametrize("roles", [True, False])
def test_a_peer_that_knows_no_roles_is_told_all_the_same(bench: Bench, roles: bool) -> None:
    peer = Told()
    bench.take(1)
    bench.ask(1)
    with peer.listening(bench.port, roles=roles):
        bench.tell()
    assert [event_type for event_type, _ds in peer.reports] == [1]
    assert bench.state()[0] is CommitmentState.REPORTED


def test_what_is_missing_is_waited_for_and_then_told(bench: Bench) -> None:
    peer = Told()
    bench.take(1)
    bench.ask(1, 2)
    bench.now = T0 + WAIT_S - 0.001
    assert bench.reports.ready() == []
    bench.now = T0 + WAIT_S
    with peer.listening(bench.port):
        bench.tell()
    ((event_type, ds),) = peer.reports
    assert event_type == 2
    assert told(ds) == (instances(1), [(instances(2)[0], 0x0112)])


def test_who_has_no_port_is_told_before_its_silence_ends_the_association(bench: Bench) -> None:
    """Of the network timeout of 60 s half."""
    bench.ask(1, calling_ae="MUTE")
    bench.now = T0 + 29.9
    assert bench.reports.ready() == []
    bench.now = T0 + 30
    assert len(bench.reports.ready()) == 1


def test_some_transactions_only(bench: Bench) -> None:
    bench.take(1)
    for uid in ("1.1", "1.2"):
        bench.ask(1, uid=uid)
    assert [each.transaction_uid for each in bench.reports.ready(only=["1.2", "1.3"])] == ["1.2"]


def test_what_comes_in_time_is_committed_at_once(bench: Bench) -> None:
    peer = Told()
    bench.ask(1)
    assert bench.reports.ready() == []
    bench.take(1)
    with peer.listening(bench.port):
        bench.tell()
    assert [event_type for event_type, _ds in peer.reports] == [1]


def test_a_damaged_and_a_disputed_file_are_not_committed_to(bench: Bench) -> None:
    peer = Told()
    bench.take(1, 2, 3)
    damaged = bench.node.blobs.absolute(bench.node.instance(instances(1)[0]).path)
    damaged.write_bytes(damaged.read_bytes()[:-1])
    with pytest.raises(Duplicate):
        take(Intake(bench.node.instances, bench.node.ledger, reserve_bytes=0), ct(2, InstanceNumber=9))
    bench.ask(1, 2, 3)
    with peer.listening(bench.port):
        bench.tell()
    ((event_type, ds),) = peer.reports
    assert event_type == 2
    assert told(ds) == (instances(3), [(uid, 0x0110) for uid in instances(1, 2)])


ANSWERS = [
    (0x0000, CommitmentState.REPORTED),
    (0x0110, CommitmentState.WAITING),
    (0x0213, CommitmentState.WAITING),
    (0x0112, CommitmentState.DEAD),
    (0x0113, CommitmentState.DEAD),
    (0x0115, CommitmentState.DEAD),
    (0x0211, CommitmentState.DEAD),
]


@pytest.mark.parametrize(("answer", "state"), ANSWERS)
def test_what_the_peers_answer_leads_to(bench: Bench, answer: int, state: CommitmentState) -> None:
    peer = Told(answer)
    bench.take(1)
    bench.ask(1)
    with peer.listening(bench.port):
        bench.tell()
    found, attempts, next_attempt_at, error = bench.state()
    assert (found, attempts) == (state, 1)
    assert (error or "") == ("" if answer == 0 else f"the peer answered {answer:04X}")
    if state is CommitmentState.WAITING:
        assert next_attempt_at is not None and T0 + 30 <= next_attempt_at <= T0 + 36  # 30 s, and a fifth
    events = bench.node.events("commitment failed")
    assert [each.subject for each in events] == ([TRANSACTION] if state is CommitmentState.DEAD else [])


def test_a_peer_that_is_away_is_called_again_until_it_is_too_late(bench: Bench) -> None:
    bench.take(1)
    bench.ask(1)
    waits = []
    for _ in range(3):
        bench.tell()
        state, _attempts, until, error = bench.state()
        assert state is CommitmentState.WAITING and until is not None
        assert error is not None and "refuses connections" in error
        waits.append(until - bench.now)
        assert bench.reports.ready() == []
        bench.now = until
        assert [each.transaction_uid for each in bench.reports.ready()] == [TRANSACTION]
    assert [30 <= waits[0] <= 36, 60 <= waits[1] <= 72, 120 <= waits[2] <= 144] == [True] * 3
    bench.now = T0 + 86_400
    bench.tell()
    state, attempts, _until, error = bench.state()
    assert (state, attempts) == (CommitmentState.DEAD, 4)
    assert error is not None and error.startswith("given up after 1 days: ")


def test_a_peer_that_is_silent_is_asked_again_later(tmp_path: Path) -> None:
    node = Store(tmp_path)
    node.association()
    with listener(silent) as called:
        bench = Bench(node, called.port, timeouts=SHORT)
        bench.take(1)
        bench.ask(1)
        bench.tell()
    state, attempts, _until, error = bench.state()
    assert (state, attempts) == (CommitmentState.WAITING, 1)
    assert error is not None and "does not answer the association request" in error


def test_several_requests_are_told_on_one_association_and_a_dead_peer_holds_up_no_other(bench: Bench) -> None:
    peer = Told(0x0112)
    bench.take(1, 2)
    bench.ask(1, uid="1.1")
    bench.ask(2, uid="1.2")
    with peer.listening(bench.port):
        bench.tell()
    assert [ds.TransactionUID for _type, ds in peer.reports] == ["1.1", "1.2"]
    assert [bench.state(uid)[0] for uid in ("1.1", "1.2")] == [CommitmentState.DEAD, CommitmentState.REPORTED]


@pytest.mark.parametrize("calling_ae", ["MUTE", "GONE"])
def test_who_cannot_be_called_is_given_up_and_seen(bench: Bench, calling_ae: str) -> None:
    """MUTE has no port; GONE is no longer in the configuration."""
    bench.take(1)
    bench.ask(1, calling_ae=calling_ae)
    bench.now = T0 + WAIT_S + ORPHAN_S - 1
    bench.reports.report()
    assert bench.state()[0] is CommitmentState.WAITING
    bench.now += 1
    bench.reports.report()
    state, _attempts, _until, error = bench.state()
    assert state is CommitmentState.DEAD
    assert error == f"peer {calling_ae} has no port in the configuration to be called at"
    (told_of,) = bench.node.events("commitment failed")
    assert (told_of.subject, told_of.detail) == (TRANSACTION, f"to {calling_ae}: {error}")


def test_an_instance_that_is_gone_is_not_committed_to(bench: Bench) -> None:
    """Aged out by retention between two attempts."""
    bench.take(1)
    bench.ask(1)
    with bench.node.ledger.writing() as connection:
        found = arrivals.find_instance(connection, instances(1)[0])
        assert found is not None
        forget_series(connection, found.header.series_instance_uid)
    bench.now = T0 + WAIT_S
    peer = Told()
    with peer.listening(bench.port):
        bench.tell()
    assert told(peer.reports[0][1]) == ([], [(instances(1)[0], 0x0112)])
