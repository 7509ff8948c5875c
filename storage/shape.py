"""Whether the slices of a series look whole: geometry closed, and what Images in Acquisition says. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from storage.geometry.frames import PlacedSlice
from storage.records import Shape

Told = tuple[int | None, int | None]
"""Acquisition Number (0020,0012) and Images in Acquisition (0020,1002) of one instance."""


def shape(slices: Sequence[PlacedSlice], told: Sequence[Told]) -> Shape:
    """What the slices, and the instances that hold them, say of a series being whole."""
    from storage.geometry.gate import closed  # highdicom: not for processes that only receive and deliver

    return Shape(gap=closed(slices), acquired_missing=acquired_missing(told))


def acquired_missing(told: Sequence[Told]) -> int | None:
    """How many images the acquisitions promise that are not here; None where nothing sure is said.

    The attribute counts "images that resulted from this acquisition" (PS3.3 C.7.6.1), in whatever series
    they lie, and scanners write it for the series, the scan, or not at all. It is read only where every
    instance carries it, each acquisition tells one number, and no acquisition has more than it tells.
    """
    stored = Counter(acquisition for acquisition, _count in told)
    promised = set(told)
    if len(promised) != len(stored) or any(count is None for _acquisition, count in promised):
        return None
    missing = [count - stored[acquisition] for acquisition, count in promised if count is not None]
    return sum(missing) if missing and min(missing) >= 0 else None
