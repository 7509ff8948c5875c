"""Power cuts at every instant, by a state machine: pages that were not flushed are old or new, as it comes.

What was acknowledged is found, exactly, until it is forgotten; what was not is found exactly or not at all.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from storage.locator import segment_of
from storage.records import SegmentMark
from storage.segments.spares import Spares
from storage.segments.store import SegmentStore
from storage.store import Torn
from tests.storage.segments.keeping import (
    HEAD,
    PAGE,
    FragileDisk,
    PowerCut,
    content,
    keep,
    label,
    segment_store,
)

SIZES = st.integers(0, 5 * PAGE)
PAGES = 16


class PowerCuts(RuleBasedStateMachine):
    """The ledger is a dictionary here: what has its row, and the marks that stand with it."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="power-cuts-"))
        self._no_thread = patch.object(Spares, "look")
        self._no_thread.start()
        self.sent: dict[str, bytes] = {}  # SOP Instance UID -> data set
        self.waiting: dict[str, str] = {}  # locator -> SOP Instance UID: acknowledged, no row
        self.rows: dict[str, str] = {}  # locator -> SOP Instance UID: acknowledged, with row
        self.marks: dict[str, SegmentMark] = {}
        self.open_store()

    def open_store(self) -> None:
        self.disk = FragileDisk()
        self.store: SegmentStore = segment_store(self.root, pages=PAGES, spares=2, disk=self.disk)

    def _send(self, size: int) -> str:
        number = len(self.sent)
        uid = label(number).sop_instance_uid
        self.sent[uid] = content(number, size)
        self.waiting[keep(self.store, number, self.sent[uid])] = uid
        return uid

    @rule(size=SIZES)
    def receive(self, size: int) -> None:
        self._send(size)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def index(self, data: st.DataObject) -> None:
        chosen = data.draw(st.lists(st.sampled_from(sorted(self.waiting)), unique=True, min_size=1))
        self.marks.update({mark.name: mark for mark in self.store.marks(chosen)})
        self.store.indexed(chosen)
        for locator in chosen:
            self.rows[locator] = self.waiting.pop(locator)

    @rule(seed=st.integers(0, 2**32), first=SIZES, second=SIZES, overtaken=st.booleans())
    def cut_while_receiving(self, seed: int, first: int, second: int, overtaken: bool) -> None:
        """Of two threads one is overtaken: the other is acknowledged, and it is not."""

        def cut(*_: object) -> None:
            if overtaken:
                self._send(second)
            raise PowerCut

        if overtaken:
            self.disk.before_write = cut
        else:
            self.disk.before_sync = cut
        with suppress(PowerCut):
            self._send(first)
        self._restart(seed)

    @rule(seed=st.integers(0, 2**32))
    def cut(self, seed: int) -> None:
        self._restart(seed)

    def _restart(self, seed: int) -> None:
        self.disk.cut(random.Random(seed))
        self.store.close()
        self.open_store()
        found = list(self.store.unindexed(self.marks))
        locators = [each.locator for each in found if not isinstance(each, Torn)]
        assert len(set(locators)) == len(locators)
        assert set(self.waiting) <= set(locators)
        for each in found:
            if not isinstance(each, Torn):
                uid = each.label.sop_instance_uid
                assert self.store.open(each.locator).read() == HEAD + self.sent[uid]
                if each.locator not in self.rows:  # not acknowledged, perhaps, but whole: it gets its row
                    self.waiting[each.locator] = uid

    @precondition(lambda self: self.rows)
    @rule()
    def age_out(self) -> None:
        """Rows first, then the segments that nothing has a row in, then their marks."""
        live = {segment_of(locator) for locator in self.waiting}
        for name in [name for name, mark in self.marks.items() if mark.sealed and name not in live]:
            self.rows = {locator: uid for locator, uid in self.rows.items() if segment_of(locator) != name}
            if self.store.recycle(name):
                del self.marks[name]

    @invariant()
    def what_is_acknowledged_is_there(self) -> None:
        for locator, uid in {**self.waiting, **self.rows}.items():
            assert self.store.open(locator).read() == HEAD + self.sent[uid]

    def teardown(self) -> None:
        self.store.close()
        self._no_thread.stop()
        shutil.rmtree(self.root)


PowerCuts.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestPowerCuts = PowerCuts.TestCase
