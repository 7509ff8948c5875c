"""What is durable and acknowledged, and not in the ledger yet: in the order in which it happened.

The end of an association comes behind its instances here, so it does in the ledger.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from storage.errors import Misfiled
from storage.header import Header
from storage.instance_rows import Known
from storage.records import Association, Instance
from storage.states import Ending

BATCH: Final = 500
"""How many entries one transaction writes at most."""


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A peer opened an association."""

    association: Association


@dataclass(frozen=True, kw_only=True)
class Arrived:
    """A new instance is on stable storage."""

    instance: Instance


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """What is stored came again."""

    series_instance_uid: str
    at: float  # POSIX time


@dataclass(frozen=True, kw_only=True)
class PutAside:
    """An instance was refused, and its bytes are kept."""

    instance: Instance
    reason: str
    misfiled: bool  # its series or study is another's


@dataclass(frozen=True, kw_only=True)
class Ended:
    """An association ended."""

    association_id: str
    ending: Ending
    at: float  # POSIX time


Entry = Opened | Arrived | Repeated | PutAside | Ended


class Backlog:
    """A queue of entries, and what waits in it, by UID. For several threads; one takes from it."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._changed = threading.Condition()
        self._waiting: deque[tuple[float, Entry]] = deque()  # with the time of its coming
        self._put = self._settled = 0  # how many came, and how many went, since the beginning
        self._hurried = 0  # how many wait in `wait_settled`
        self._closed = False
        self._instances: dict[str, Known] = {}  # SOP Instance UID -> what waits under it
        self._studies: dict[str, tuple[str, int]] = {}  # series -> its study, how many instances say so
        self._aside: set[tuple[str, str]] = set()  # SOP Instance UID and digest

    def put(self, entry: Entry) -> None:
        """Never blocks."""
        with self._changed:
            self._waiting.append((self._monotonic(), entry))
            self._put += 1
            if isinstance(entry, Arrived):
                header = entry.instance.header
                self._instances[header.sop_instance_uid] = Known(
                    series_instance_uid=header.series_instance_uid, digest=entry.instance.digest
                )
            elif isinstance(entry, PutAside):
                self._aside.add((entry.instance.header.sop_instance_uid, entry.instance.digest))
            if len(self._waiting) in (1, BATCH):  # nobody waits for another number, and waking costs
                self._changed.notify_all()

    def find(self, sop_instance_uid: str) -> Known | None:
        """What waits under a SOP Instance UID."""
        return self._instances.get(sop_instance_uid)

    def study_of(self, series_instance_uid: str) -> str | None:
        """The Study Instance UID of a series of which something waits."""
        return self._studies.get(series_instance_uid, (None, 0))[0]

    def is_aside(self, sop_instance_uid: str, digest: str) -> bool:
        """Whether this content waits to be told of as kept aside."""
        return (sop_instance_uid, digest) in self._aside

    @contextmanager
    def claim(self, header: Header) -> Iterator[None]:
        """The series is in this study, while an instance that says so is kept and until its row stands.

        Within it the instance is `put`; nothing is claimed when that fails. Raises Misfiled.
        """
        self._claim(header)
        try:
            yield
        except BaseException:
            with self._changed:
                self._unclaim(header)
            raise

    def _claim(self, header: Header) -> None:
        series, found = header.series_instance_uid, header.study_instance_uid
        with self._changed:
            study, instances = self._studies.get(series, (found, 0))
            if study != found:
                raise Misfiled(f"series known in study {study}, now in {found}", attribute=0x0020000D)
            self._studies[series] = study, instances + 1

    def _unclaim(self, header: Header) -> None:
        study, instances = self._studies.pop(header.series_instance_uid)
        if instances > 1:
            self._studies[header.series_instance_uid] = study, instances - 1

    def next_batch(self) -> list[Entry]:
        """The oldest entries: they stay until they are `settled`."""
        with self._changed:
            return [entry for _, (_, entry) in zip(range(BATCH), self._waiting, strict=False)]

    def settled(self, entries: Sequence[Entry]) -> None:
        """The oldest entries, these, need nothing more."""
        with self._changed:
            for entry in entries:
                self._waiting.popleft()
                self._settled += 1
                self._forget(entry)
            self._changed.notify_all()

    def _forget(self, entry: Entry) -> None:
        if isinstance(entry, Arrived):
            header = entry.instance.header
            self._instances.pop(header.sop_instance_uid, None)
            self._unclaim(header)
        elif isinstance(entry, PutAside):
            self._aside.discard((entry.instance.header.sop_instance_uid, entry.instance.digest))

    def wait(self) -> None:
        """Wait until something waits here, or it is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)

    def gather(self, limit_s: float) -> None:
        """Wait until a whole batch waits here, somebody hurries, it is closed, or the time is over."""
        with self._changed:
            self._changed.wait_for(
                lambda: len(self._waiting) >= BATCH or self._hurried > 0 or self._closed, limit_s
            )

    def wait_settled(self, limit_s: float) -> bool:
        """Wait until everything that was put until now is settled; False when it is not within the time."""
        with self._changed:
            put = self._put
            self._hurried += 1
            self._changed.notify_all()
            try:
                return self._changed.wait_for(lambda: self._settled >= put, limit_s)
            finally:
                self._hurried -= 1

    def close(self) -> None:
        """Nobody waits in `wait` or `gather` any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def behind(self) -> tuple[int, float]:
        """How many entries wait, and since when the oldest does, in seconds."""
        with self._changed:
            if not self._waiting:
                return 0, 0.0
            return len(self._waiting), self._monotonic() - self._waiting[0][0]
