"""Where the values of a header lie, remembered from headers that were walked. No I/O.

The instances of a series have the same elements in the same order, and most of their values are of the
same length. Where everything between the values (tags, VRs, lengths, whole sequences of undefined length) is
byte for byte what it was in a data set that was walked, a walk would come to the same places: one comparison
tells.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from storage.elements import Encoded, Pixels, Value, places

LENGTHS: Final = 128
"""So many lengths of data sets are remembered; then all are forgotten. A layout takes some 15 kB."""
OF_A_LENGTH: Final = 4
"""So many layouts of data sets of one length."""
CREDIT: Final = 64.0
"""So many layouts may be made without one of use: then one for each that was, and few beyond."""
CREDIT_OF_A_WALK: Final = 1 / 16
"""Making a layout takes longer than a walk: where none is ever of use, one walk of 16 pays for it."""

Place = tuple[int, int]
"""Start and length, in bytes from the beginning of the data set."""
Key = tuple[str, int]
"""Transfer syntax, and length of the whole data set: of one layout they are the same."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Where the values before native pixels lie."""

    skeleton: struct.Struct  # cuts out what is between the values
    between: tuple[bytes, ...]  # which must be this
    cut: struct.Struct  # cuts out the wanted values that are not empty
    tags: tuple[int, ...]  # whose they are, swapped, in their order in the data set
    vrs: tuple[int, ...]  # of the elements whose VR is asked for, as `elements.vr_code` has it
    pixels: Pixels  # the element behind them

    def values(self, data_set: Encoded) -> dict[int, bytes] | None:
        """Swapped tag -> value; None where the data set has another layout."""
        if len(data_set) < self.skeleton.size or self.skeleton.unpack_from(data_set) != self.between:
            return None
        return dict(zip(self.tags, self.cut.unpack_from(data_set), strict=True))


@dataclass(frozen=True, kw_only=True)
class Walked:
    """What a walk found."""

    data_set: Encoded  # or its beginning
    is_implicit: bool
    elements: Mapping[int, Value]  # the wanted ones, by swapped tag
    vrs: tuple[int, ...]  # see Layout
    pixels: Pixels  # native ones


def layout_of(walked: Walked) -> Layout:
    """The layout of a data set that was walked."""
    data_set, pixels = walked.data_set, walked.pixels
    wanted = sorted((start, length, tag) for tag, (_, start, length) in walked.elements.items() if length)
    values = [
        (start, length)
        for start, length in places(data_set, pixels.start, is_implicit=walked.is_implicit)
        if length
    ]
    skeleton = _struct(_between(values, pixels.start), pixels.start)
    return Layout(
        skeleton=skeleton,
        between=skeleton.unpack_from(data_set),
        cut=_struct([(start, length) for start, length, _ in wanted], pixels.start),
        tags=tuple(tag for _, _, tag in wanted),
        vrs=walked.vrs,
        pixels=pixels,
    )


def _between(values: Sequence[Place], end: int) -> list[Place]:
    """What is not in a value, up to `end`."""
    starts = (0, *(start + length for start, length in values))
    ends = (*(start for start, _ in values), end)
    return [(start, behind - start) for start, behind in zip(starts, ends, strict=True)]


def _struct(parts: Sequence[Place], end: int) -> struct.Struct:
    """That cuts out these parts of what ends there."""
    formats, position = ["<"], 0
    for start, length in parts:
        formats.append(f"{start - position}x{length}s")
        position = start + length
    return struct.Struct("".join(formats) + f"{end - position}x")


class Layouts:
    """Those of the last data sets. For several threads: what is lost by chance is made again."""

    def __init__(self) -> None:
        self._known: dict[Key, tuple[Layout, ...]] = {}
        self._credit = CREDIT

    def fitting(self, data_set: Encoded, key: Key) -> tuple[Layout, dict[int, bytes]] | None:
        """The layout of a data set, and its values; None where it is not known."""
        for layout in self._known.get(key, ()):
            values = layout.values(data_set)
            if values is not None:
                self._credit = min(CREDIT, self._credit + 1)
                return layout, values
        return None

    def remember(self, key: Key, walked: Walked) -> None:
        """The layout of a data set, unless too many were of no use."""
        self._credit += CREDIT_OF_A_WALK
        if self._credit < 1:
            return
        self._credit -= 1
        if len(self._known) >= LENGTHS:
            self._known = {}
        self._known[key] = (layout_of(walked), *self._known.get(key, ())[: OF_A_LENGTH - 1])
