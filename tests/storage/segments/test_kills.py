"""SIGKILL at random instants, several threads writing: what was acknowledged is found, none twice."""

from __future__ import annotations

import os
import random
import threading
from pathlib import Path

from storage.segments.store import SegmentStore
from storage.store import Torn, Unindexed
from tests.storage.processes import kill, start
from tests.storage.segments.keeping import HEAD, PAGE, content, keep
from tests.waiting import eventually

KILLS = 12
THREADS = 4
SEGMENT_BYTES = 256 * PAGE


def _size(number: int) -> int:
    return 1000 + number * 7919 % 40_000


def receive(root: str, log: str, life: int) -> None:
    """Keep instances until the end, and write each number down when it is acknowledged."""
    store = SegmentStore(Path(root), segment_bytes=SEGMENT_BYTES, spares=1)
    for _found in store.unindexed({}):
        pass
    acknowledged = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def run(thread: int) -> None:
        for number in range((life * THREADS + thread) * 10_000, 10**9):
            keep(store, number, content(number, _size(number)))
            os.write(acknowledged, f"{number}\n".encode())

    for thread in range(THREADS):
        threading.Thread(target=run, args=(thread,), daemon=True).start()
    threading.Event().wait()


def _acknowledged(log: Path) -> list[int]:
    return [int(line) for line in log.read_text().splitlines()] if log.exists() else []


def test_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    root, log, choose = tmp_path / "root", tmp_path / "log", random.Random(1)
    for life in range(KILLS):
        before, more = len(_acknowledged(log)), choose.randint(1, 60)
        process = start(receive, str(root), str(log), life)
        eventually(lambda wanted=before + more: len(_acknowledged(log)) >= wanted)  # type: ignore[misc]
        kill(process)
    store = SegmentStore(root, segment_bytes=SEGMENT_BYTES, spares=0)
    found = list(store.unindexed({}))
    numbers = []
    for each in found:
        if isinstance(each, Unindexed):
            number = int(each.label.sop_instance_uid.rpartition(".")[2])
            assert store.open(each.locator).read() == HEAD + content(number, _size(number))
            numbers.append(number)
    assert len(set(numbers)) == len(numbers)
    assert set(_acknowledged(log)) <= set(numbers)
    torn = [each for each in found if isinstance(each, Torn)]
    assert len(torn) <= KILLS * THREADS  # what was being written
    used = sum(_size(number) + 1024 + PAGE for number in numbers) + len(torn) * 50_000
    on_disk = len(list((root / "segments").glob("*.seg")))
    assert on_disk <= used // SEGMENT_BYTES + 2  # a restart goes on where the former process was
    store.close()
