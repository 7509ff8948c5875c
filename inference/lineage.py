"""Which volume of a new revision continues which of a former one: by the frames they share. Pure.

Volume numbers are no guide: a second phase that arrives late may come first. Instances are only ever added
to a series, so a volume shares its frames, and with them orientation, frame of reference and kernel, with
the volume that it continues.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from inference.results.identity import content_digest, frame_name
from storage.geometry.frames import PlacedSlice
from storage.revisions import Former


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A part of the new revision."""

    number: int  # from 1, within the series
    frames: tuple[str, ...]  # as `VolumeRow.frames` has them
    digest: str  # of the frames


@dataclass(frozen=True, kw_only=True)
class Descent:
    """Where a part comes from."""

    part: Candidate
    lineage: int  # the number its first ancestor was seen under; names its results' series
    former: tuple[Former, ...]  # the volumes that it continues, most frames first; none where it is new

    @property
    def unchanged(self) -> Former | None:
        """The former volume that is made of the very same frames."""
        return next((f for f in self.former if f.volume.digest == self.part.digest), None)


def candidate(series_instance_uid: str, number: int, slices: Iterable[PlacedSlice]) -> Candidate:
    """A part, by what it is made of; no pixel is read."""
    frames = tuple(sorted(frame_name(s.sop_instance_uid, s.frame) for s in slices))
    return Candidate(number=number, frames=frames, digest=content_digest(series_instance_uid, frames))


def descents(
    parts: Sequence[Candidate], former: Sequence[Former], lineages: Iterable[int]
) -> tuple[Descent, ...]:
    """The descent of every part, in their order.

    Args:
        parts: of the new revision, in order of number.
        former: the newest eligible volume of each lineage.
        lineages: every one that the series has had: none of them is given to a new volume.

    A former volume is continued by the one part that has most of its frames. A part that continues two has
    the lineage of the larger share.
    """
    heirs = [(_heir(one, parts), one) for one in former]
    taken = set(lineages)
    found = []
    for part in parts:
        own = [one for heir, one in heirs if heir == part.number]
        own.sort(key=lambda one: (-_shared(one, part), one.lineage))
        lineage = own[0].lineage if own else _free(part.number, taken)
        taken.add(lineage)
        found.append(Descent(part=part, lineage=lineage, former=tuple(own)))
    return tuple(found)


def _heir(former: Former, parts: Sequence[Candidate]) -> int | None:
    """The number of the part with most of its frames; rows of old versions have none, and go by number."""
    if not former.volume.frames:
        return former.volume.number
    best = max(parts, key=lambda part: (_shared(former, part), -part.number), default=None)
    return best.number if best is not None and _shared(former, best) else None


def _shared(former: Former, part: Candidate) -> int:
    return len(set(former.volume.frames).intersection(part.frames))


def _free(number: int, taken: set[int]) -> int:
    return number if number not in taken else max(taken) + 1
