"""Intake, index and recovery against a model of what was acknowledged, in every order, with every failure."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from sqlalchemy import Connection, select

from node.intake import Intake, Taken
from node.recovery import recover
from storage import schema
from storage.digest import digest_of
from storage.errors import Duplicate, LedgerDown, Misfiled
from storage.ledger import Ledger
from storage.records import Association
from storage.states import Ending
from tests.node.holding import SERIES, STUDY, Store, accept, ct, encoded

NOW: Final = 1_000_000.0
OTHER_STUDY: Final = "2.25.7"
NUMBERS: Final = st.integers(1, 5)
FAILURES: Final = ("none", "before", "answer lost")


class Flaky(Ledger):
    """A ledger whose next transactions fail: before they begin, or when they are committed."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.failures: list[str] = []

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        failure = self.failures.pop() if self.failures else "none"
        if failure == "before":
            raise LedgerDown("the database does not answer")
        with super().writing() as connection:
            yield connection
        if failure == "answer lost":
            raise LedgerDown("the connection was lost during COMMIT")


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="model-"))
    Store(folder).ledger.close()
    return folder / "ledger.sqlite"


def opened(root: Path) -> tuple[Store, Flaky]:
    """The storage as a process that starts finds it."""
    if not (root / "ledger.sqlite").exists():
        shutil.copy(_template(), root / "ledger.sqlite")
    store = Store(root, kind="segments")
    store.ledger.close()
    flaky = Flaky(store.ledger.url)
    store.ledger = flaky
    return store, flaky


class Receiving(RuleBasedStateMachine):
    """Acknowledged is what `accept` has returned for; the ledger follows, whatever happens to it."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="model-"))
        self.store, self.ledger = opened(self.root)
        self.intake = self._intake()
        self.acknowledged: dict[str, tuple[str, str]] = {}  # SOP Instance UID -> digest, association
        self.aside: set[tuple[str, str]] = set()  # SOP Instance UID and digest
        self.study: str | None = None  # of the series
        self.open: list[str] = []
        self.opened = 0
        self.open_one()

    def _intake(self) -> Intake:
        return Intake(self.store.instances, self.ledger, reserve_bytes=0, clock=lambda: NOW)

    @rule()
    def open_one(self) -> None:
        self.opened += 1
        row = Association(
            id=f"a{self.opened}", calling_ae="SCU", called_ae="CTNODE", address="", opened_at=NOW
        )
        self.intake.association_opened(row)
        self.open.append(row.id)

    @rule(which=st.integers(0, 3))
    def end_one(self, which: int) -> None:
        if len(self.open) > 1:
            self.intake.association_ended(self.open.pop(which % len(self.open)), Ending.RELEASED, NOW + 1)

    @rule(number=NUMBERS, version=st.integers(0, 1), study=st.sampled_from([STUDY, STUDY, OTHER_STUDY]))
    def bring(self, number: int, version: int, study: str) -> None:
        association = self.open[number % len(self.open)]
        ds = ct(number, study=study, InstanceNumber=version)
        uid, digest = str(ds.SOPInstanceUID), digest_of(encoded(ds))
        known = self.acknowledged.get(uid, (digest, ""))[0]
        if self.study not in (None, study):
            with pytest.raises(Misfiled):
                accept(self.intake, ds, association_id=association)
            self.aside.add((uid, digest))
        elif known != digest:
            with pytest.raises(Duplicate):
                accept(self.intake, ds, association_id=association)
            self.aside.add((uid, digest))
        else:
            expected = Taken.IDENTICAL if uid in self.acknowledged else Taken.NEW
            assert accept(self.intake, ds, association_id=association) is expected
            self.acknowledged.setdefault(uid, (digest, association))
            self.study = study

    @rule(failure=st.sampled_from(FAILURES))
    def write(self, failure: str) -> None:
        self.ledger.failures = [failure]
        nothing_waits = self.intake._backlog.behind()[0] == 0
        assert self.intake._indexer._write_batch() is (failure == "none" or nothing_waits)
        self.ledger.failures = []

    @rule(lost=st.booleans())
    def stop_and_start(self, lost: bool) -> None:
        """SIGKILL; perhaps the database is gone too."""
        self.store.instances.close()
        self.ledger.close()
        if lost:
            for file in self.root.glob("ledger.sqlite*"):
                file.unlink()
        self.store, self.ledger = opened(self.root)
        found = recover(self.store.instances, self.store.blobs, self.ledger, NOW + 9)
        assert (found.damaged, found.unfinished) == (0, 0)
        self.intake = self._intake()
        self.open = []
        self.open_one()
        self._everything_has_its_row()

    def _everything_has_its_row(self) -> None:
        rows, _, aside = self._ledger()
        assert {uid: digest for uid, digest, _ in rows} == {
            uid: digest for uid, (digest, _) in self.acknowledged.items()
        }
        assert set(aside) == self.aside and len(aside) == len(self.aside)
        for uid, (digest, _) in self.acknowledged.items():
            assert digest_of(self.store.data_set(uid)) == digest

    @invariant()
    def what_is_in_the_ledger_is_true(self) -> None:
        rows, ended, aside = self._ledger()
        indexed = {uid: digest for uid, digest, _ in rows}
        assert len(indexed) == len(rows)
        for uid, digest in indexed.items():
            assert self.acknowledged[uid][0] == digest
        assert set(aside) <= self.aside
        counts = [series.instances for series in self.store.kept().series]
        assert counts == ([len(rows)] if rows else [])
        for uid, (_, association) in self.acknowledged.items():
            assert association not in ended or uid in indexed  # its end is behind its instances

    def _ledger(self) -> tuple[list[tuple[str, str, str]], set[str], list[tuple[str, str]]]:
        instance, association, aside = schema.instance.c, schema.association.c, schema.aside.c
        with self.ledger.reading() as connection:
            rows = connection.execute(
                select(instance.sop_instance_uid, instance.digest, instance.association_id)
            )
            ended = connection.execute(select(association.id).where(association.ending.is_not(None)))
            refused = connection.execute(select(aside.sop_instance_uid, aside.digest))
            return (
                [tuple(row) for row in rows.all()],
                set(ended.scalars()),
                [tuple(row) for row in refused.all()],
            )

    def teardown(self) -> None:
        self.stop_and_start(False)
        self.store.instances.close()
        self.ledger.close()
        shutil.rmtree(self.root)


class TestReceiving(Receiving.TestCase):  # type: ignore[misc,valid-type]
    settings = settings(max_examples=12, stateful_step_count=25, deadline=None)


SENDERS: Final = 4
SLICES: Final = 30


def test_several_senders_while_the_ledger_comes_and_goes(tmp_path: Path) -> None:
    """Four associations send one series at once, each of its slices twice; then the receiver is killed."""
    store, ledger = opened(tmp_path)
    chance = random.Random(5)
    ledger.failures = [chance.choice(FAILURES) for _ in range(12)]
    intake = Intake(store.instances, ledger, reserve_bytes=0)
    intake.start()
    acknowledged: list[tuple[str, Taken]] = []
    together = threading.Barrier(SENDERS)

    def send(number: int) -> None:
        id = f"a{number}"
        row = Association(id=id, calling_ae="SCU", called_ae="CTNODE", address="", opened_at=NOW)
        intake.association_opened(row)
        slices = [each for each in range(SLICES) if each % SENDERS in (number, (number + 1) % SENDERS)]
        random.Random(number).shuffle(slices)
        together.wait(20)
        for each in slices:
            ds = ct(each)
            acknowledged.append((str(ds.SOPInstanceUID), accept(intake, ds, association_id=id)))
        intake.association_ended(id, Ending.RELEASED, NOW + 1)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    news = [uid for uid, taken in acknowledged if taken is Taken.NEW]
    assert sorted(news) == sorted({uid for uid, _ in acknowledged}) and len(news) == SLICES
    assert len(acknowledged) == 2 * SLICES
    with suppress(LedgerDown):
        intake.check_ready()
    store.instances.close()  # killed: what is written now is written by nobody

    again, _ = opened(tmp_path)
    recover(again.instances, again.blobs, again.ledger, NOW + 9)
    kept = again.kept()
    assert sorted(kept.instances) == sorted(news)
    assert (kept.series[0].instances, kept.aside) == (SLICES, 0)
    for number in range(SLICES):
        assert again.data_set(f"{SERIES}.{number}") == encoded(ct(number))
    intake.stop()
    assert again.kept() == replace(kept, series=again.kept().series)
    assert again.series().instances == SLICES
