"""A clock that jumps by a day, forwards or back: nothing goes, nothing completes twice or waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.config import Assembly, Config, Storage
from node.dispatcher import Dispatcher
from node.intake import Intake
from node.retry import DAY_S
from storage.records import Series
from storage.states import SeriesState
from tests.node import results
from tests.node.holding import SERIES, Store, ct, take
from tests.stores import reading

workflow_template = results.workflow_template
T = 1_800_000_000.0
LONG_S = 60.0
STEP_S = 0.5
JUMPS = pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S], ids=["forwards", "back"])


class Node:
    """Intake and dispatcher on one wall clock, which a test moves by hand."""

    def __init__(self, store: Store) -> None:
        self.store, self.now = store, T
        config = Config(
            assembly=Assembly(quiet_s=4, long_quiet_s=LONG_S, cap_s=1800), storage=Storage(root=store.root)
        )
        self.intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: self.now)
        self.dispatcher = Dispatcher(
            config, store.blobs, store.ledger, store=reading(store.blobs), clock=lambda: self.now
        )

    def receive(self, *numbers: int) -> None:
        for number in numbers:
            take(self.intake, ct(number))

    def pass_s(self, seconds: float) -> Series:
        """So much time passes, in which the dispatcher looks again and again."""
        for _ in range(int(seconds / STEP_S)):
            self.now += STEP_S
            self.dispatcher.assemble()
        return self.store.series(SERIES)


@pytest.fixture
def node(tmp_path: Path, workflow_template: Path) -> Iterator[Node]:
    with results.workflow_ledger(workflow_template, tmp_path) as store:
        each = Node(store)
        each.store.association("a1", opened_at=T)
        yield each
        each.dispatcher._jobs.close()


@JUMPS
def test_nothing_is_deleted_because_of_a_jump(node: Node, jump_s: float) -> None:
    node.receive(1, 2, 3)
    node.store.close_association("a1", node.now)
    assert node.pass_s(LONG_S + 1).state is SeriesState.QUEUED
    node.now += jump_s
    node.dispatcher.retire()
    assert node.store.series(SERIES).instances == 3
    assert len(node.store.kept().instances) == len(node.store.kept().files) == 3


@JUMPS
def test_a_completed_series_does_not_complete_again(node: Node, jump_s: float) -> None:
    node.receive(1, 2, 3)
    node.store.close_association("a1", node.now)
    assert node.pass_s(LONG_S + 1).revision == 1
    node.now += jump_s
    found = node.pass_s(2 * LONG_S)
    assert (found.state, found.revision) == (SeriesState.QUEUED, 1)


@JUMPS
def test_a_series_that_is_being_received_completes_once(node: Node, jump_s: float) -> None:
    """Its association is open and its slices keep coming: it is not complete because the clock says so."""
    node.receive(1, 2, 3)
    node.pass_s(1)
    node.now += jump_s
    assert node.pass_s(1).state is SeriesState.RECEIVING
    node.receive(4, 5, 6)
    node.store.close_association("a1", node.now)
    found = node.pass_s(LONG_S + 5)
    assert (found.state, found.revision, found.instances) == (SeriesState.QUEUED, 1, 6)


@JUMPS
def test_a_series_that_waits_out_its_quiet_is_complete_in_time(node: Node, jump_s: float) -> None:
    node.receive(1, 2, 3)
    node.store.close_association("a1", node.now)
    node.pass_s(1)
    node.now += jump_s
    found = node.pass_s(2 * LONG_S + 5)
    assert (found.state, found.revision, found.instances) == (SeriesState.QUEUED, 1, 3)
