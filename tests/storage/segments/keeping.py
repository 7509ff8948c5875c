"""Instances to keep, and disks that fail on purpose."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from storage.blobs import Shelf
from storage.segments.disk import Disk, OpenFile
from storage.segments.store import SegmentStore
from storage.store import Label, Store, Torn, Unindexed

PAGE: Final = 4096
META: Final = b"\x02\x00\x00\x00UL\x04\x00"  # (0002,0000) in explicit VR little endian
HEAD: Final = b"\0" * 128 + b"DICM" + META + (30).to_bytes(4, "little") + bytes(range(30))
SERIES: Final = "1.2.840.1"


def label(number: int, shelf: Shelf = Shelf.INSTANCES) -> Label:
    return Label(
        shelf=shelf,
        series_instance_uid=SERIES,
        sop_instance_uid=f"{SERIES}.{number}",
        received_at=1_700_000_000.25 + number,
        association_id=None if number % 2 else f"{number:036}",
    )


def content(number: int, size: int) -> bytes:
    return random.Random(number).randbytes(size)


def keep(store: Store, number: int, data: bytes, *, step: int = 16_384) -> str:
    """Receive a data set piece by piece, and keep it."""
    arrival = store.begin(HEAD)
    try:
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            arrival.room(len(piece))[:] = piece
            arrival.advance(len(piece))
        return store.keep(arrival, label(number))
    finally:
        arrival.discard()


def segment_store(root: Path, *, pages: int = 64, spares: int = 0, disk: Disk | None = None) -> SegmentStore:
    return SegmentStore(root, segment_bytes=pages * PAGE, spares=spares, disk=disk)


def recovered(store: Store) -> tuple[list[Unindexed], list[Torn]]:
    """Everything that a start without ledger finds."""
    found = list(store.unindexed({}))
    return [f for f in found if isinstance(f, Unindexed)], [f for f in found if isinstance(f, Torn)]


class PowerCut(BaseException):
    """The process is no more."""


@dataclass
class FragileDisk(Disk):
    """A disk that loses, page by page, what was not flushed before the power went."""

    before_write: Callable[[memoryview, int], None] | None = None  # may raise; for one record
    before_sync: Callable[[], None] | None = None  # may raise; for one flush
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _lost: dict[tuple[int, int], tuple[Path, bytes]] = field(default_factory=dict)

    def write(self, file: OpenFile, view: memoryview, offset: int) -> None:
        hook = self.before_write if offset else None  # a segment's first page is no record
        if hook is not None:
            self.before_write = None
        self._remember(file, len(view), offset)
        if hook is not None:
            hook(view, offset)
        super().write(file, view, offset)

    def write_through(self, file: OpenFile, view: memoryview, offset: int) -> None:
        """The write may be lost until its flush has ended."""
        self.write(file, view, offset)
        self.sync(file)

    def sync(self, file: OpenFile) -> None:
        hook, self.before_sync = self.before_sync, None
        if hook is not None:
            hook()
        super().sync(file)
        with self._lock:
            self._lost = {key: old for key, old in self._lost.items() if key[0] != file.descriptor}

    def _remember(self, file: OpenFile, length: int, offset: int) -> None:
        path = Path(f"/proc/self/fd/{file.descriptor}").readlink()
        with self._lock, path.open("rb") as old:
            for at in range(offset, offset + length, PAGE):
                old.seek(at)
                self._lost.setdefault((file.descriptor, at), (path, old.read(PAGE)))

    def cut(self, choose: random.Random) -> None:
        """The power goes: of the pages that were not flushed some are old, some are new."""
        for (_descriptor, offset), (path, old) in self._lost.items():
            if old and path.exists() and choose.random() < 0.5:
                with path.open("r+b") as file:
                    file.seek(offset)
                    file.write(old)
        self._lost.clear()
