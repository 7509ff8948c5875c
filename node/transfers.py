"""Simulated transfers, of which it is known when the last image came: to compare rules of completion. Pure.

The manners of sending are those that users of such nodes report: one association for each image, several
at once, several series in one, pauses, aborts, late images, contrast phases. Nobody publishes how often each
happens, so that shares say how often a thing is tried here, not how often it happens in a hospital; the
reason of each number stands beside it, and none is fitted to a rule. A seed gives the same transfers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Final

from node.recording import Happening, Kind
from node.witnesses import Image, series_images, witnesses

EVERY_S: Final = 90.0
"""Mean time from the begin of one transfer to the next: a busy department; transfers overlap."""
ABORTED: Final = 0.08
"""Share of transfers that break off once: rare, but each peer's users report it."""
ABORTED_ON_A_SLOW_LINE: Final = 0.35
RETRY_S: Final = (2.0, 90.0)
"""A sender tries again: at once, as a script does, or when its queue comes round after a minute or more."""
LATE: Final = 0.06
"""Share of series of which some images come after the others have ended."""
LATE_S: Final = (10.0, 900.0)
"""Failed images that are sent again, or reconstructed again by hand: seconds to a quarter of an hour."""
PAUSES: Final = 0.3
"""Share of transfers with a pause."""
PAUSE_S: Final = (2.0, 40.0)
"""A reconstruction queue that serves another series, a disk, a tube that cools: 2 to 40 s."""
PHASE_S: Final = (15.0, 45.0)
"""From late arterial (35-45 s after injection) to portal venous (60-80 s), less the time of the scan."""
CALLERS: Final = 2
"""Calling AE titles of each manner: pauses are learned of each by itself."""


@dataclass(frozen=True, kw_only=True)
class Transfers:
    """What was simulated."""

    happenings: list[Happening]  # in order of time
    manner: dict[str, str]  # series -> how it was sent


@dataclass
class _Line:
    """One sender as time goes on."""

    rng: Random
    name: str
    calling_ae: str
    now: float
    found: list[Happening] = field(default_factory=list)
    associations: int = 0

    def open(self) -> str:
        self.associations += 1
        id = f"{self.name}.{self.associations}"
        self._tell(Kind.OPENED, id, calling_ae=self.calling_ae)
        return id

    def send(self, id: str, image: Image, after_s: float) -> None:
        self.now += after_s
        self.found.append(
            Happening(
                at=self.now,
                kind=Kind.INSTANCE,
                association=id,
                series=image.series,
                instance=image.instance,
                slices=(image.placed,),
                images_in_acquisition=image.images_in_acquisition,
            )
        )

    def end(self, id: str, kind: Kind = Kind.RELEASED) -> None:
        self._tell(kind, id)

    def _tell(self, kind: Kind, id: str, calling_ae: str = "") -> None:
        self.found.append(Happening(at=self.now, kind=kind, association=id, calling_ae=calling_ae))

    def log_uniform(self, bounds: tuple[float, float]) -> float:
        return math.exp(self.rng.uniform(*map(math.log, bounds)))

    def about(self, median_s: float, sigma: float) -> float:
        """Log-normal: what lasts long now and then."""
        return self.rng.lognormvariate(math.log(median_s), sigma)

    def chance(self, share: float) -> bool:
        return self.rng.random() < share


def _stream(line: _Line, images: Sequence[Image], gap_s: Callable[[], float], aborted: float) -> None:
    """One association after another: it may pause, with the association kept or not, and may break off."""
    pause_at = line.rng.randrange(len(images)) if line.chance(PAUSES) else -1
    break_at = line.rng.randrange(len(images)) if line.chance(aborted) else -1
    id = line.open()
    for index, image in enumerate(images):
        if index == pause_at:
            keeps = line.chance(0.5)  # either is common
            if not keeps:
                line.end(id)
            line.now += line.log_uniform(PAUSE_S)
            id = id if keeps else line.open()
        if index == break_at:
            line.end(id, Kind.ABORTED)
            line.now += line.log_uniform(RETRY_S)
            id = line.open()
        line.send(id, image, gap_s())
    line.end(id)


def _scanner(line: _Line, images: list[Image]) -> None:
    """Images as they are reconstructed: 5 to 40 a second."""
    rate = line.rng.uniform(5, 40)
    _stream(line, images, lambda: line.about(1 / rate, 0.3), ABORTED)


def _slow_line(line: _Line, images: list[Image]) -> None:
    """Half a megabyte over a few megabits: 0.6 s, and now and then much more."""
    _stream(line, images, lambda: line.about(0.6, 1.0), ABORTED_ON_A_SLOW_LINE)


def _interleaved(line: _Line, images: list[Image]) -> None:
    """Several series in one association, in the order of an archive's disk."""
    line.rng.shuffle(images)
    _stream(line, images, lambda: line.about(0.04, 0.6), ABORTED)


def _each_image(line: _Line, images: list[Image]) -> None:
    """An association for each image; a broken one is sent again."""
    pause_at = line.rng.randrange(len(images)) if line.chance(PAUSES) else -1
    break_at = line.rng.randrange(len(images)) if line.chance(ABORTED) else -1
    for index, image in enumerate(images):
        if index == pause_at:
            line.now += line.log_uniform(PAUSE_S)
        if index == break_at:
            line.end(line.open(), Kind.ABORTED)
            line.now += line.log_uniform(RETRY_S)
        id = line.open()
        line.send(id, image, line.about(0.1, 0.8))
        line.end(id)
        line.now += line.about(0.1, 0.8)


def _archive(line: _Line, images: list[Image]) -> None:
    """Two to four associations at once, the images dealt out; one of them may stall."""
    begin, ends = line.now, []
    threads = line.rng.randint(2, 4)
    stalls = line.rng.randrange(threads) if line.chance(PAUSES) else -1
    for thread in range(threads):
        line.now = begin + line.rng.expovariate(1.0)
        own = images[thread::threads]
        id, stall_at = line.open(), line.rng.randrange(len(own))
        for index, image in enumerate(own):
            stall_s = line.log_uniform(PAUSE_S) if (thread, index) == (stalls, stall_at) else 0.0
            line.send(id, image, stall_s + line.about(0.05 * threads, 0.6))
        line.end(id, Kind.RELEASED)
        ends.append(line.now)
    line.now = max(ends)


def _phases(line: _Line, images: list[Image]) -> None:
    """A series of two or three contrast phases: each is sent when it was made, in its own association."""
    phases = sorted({image.placed.temporal_position or 0 for image in images})
    for phase in phases:
        if phase != phases[0]:
            line.now += line.rng.uniform(*PHASE_S)
        id = line.open()
        for image in images:
            if image.placed.temporal_position == phase:
                line.send(id, image, line.about(0.05, 0.3))
        line.end(id)


MANNERS: Final[dict[str, tuple[float, Callable[[_Line, list[Image]], None]]]] = {
    "scanner": (0.25, _scanner),
    "archive": (0.25, _archive),
    "each image": (0.15, _each_image),
    "interleaved": (0.15, _interleaved),
    "slow line": (0.1, _slow_line),
    "phases": (0.1, _phases),
}
"""How often each manner is tried, and what it does."""


def simulate(transfers: int, seed: int) -> Transfers:
    """Transfers of one series, or of some that are interleaved."""
    rng = Random(seed)
    found: list[Happening] = []
    manners: dict[str, str] = {}
    begin = 0.0
    names, weights = list(MANNERS), [share for share, _ in MANNERS.values()]
    for number in range(transfers):
        begin += rng.expovariate(1 / EVERY_S)
        manner = rng.choices(names, weights)[0]
        line = _Line(rng, f"t{number}", f"{manner.upper()} {rng.randrange(CALLERS)}", begin)
        series = [f"t{number}.s{n}" for n in range(rng.randint(2, 4) if manner == "interleaved" else 1)]
        found += _transfer(line, manner, series)
        manners |= dict.fromkeys(series, manner)
    return Transfers(happenings=sorted(found, key=lambda each: each.at), manner=manners)


def _transfer(line: _Line, manner: str, series: Sequence[str]) -> list[Happening]:
    """The images in their manner, then those that are late, and what others say of them."""
    whole = {uid: series_images(line.rng, uid, phases=manner == "phases") for uid in series}
    late = {uid: _late(line, images) for uid, images in whole.items()}
    on_time = [image for uid, images in whole.items() for image in images if image not in late[uid]]
    MANNERS[manner][1](line, on_time)
    ended = line.now
    for uid in series:
        if late[uid]:
            line.now = ended + line.log_uniform(LATE_S)
            id = line.open()
            for image in late[uid]:
                line.send(id, image, line.about(0.1, 0.5))
            line.end(id)
    told = [each for uid in series for each in witnesses(line.rng, manner, whole[uid], line.found)]
    return line.found + told


def _late(line: _Line, images: Sequence[Image]) -> list[Image]:
    return line.rng.sample(images, line.rng.randint(1, 3)) if line.chance(LATE) else []
