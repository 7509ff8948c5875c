"""Where the file of an instance is: a plain file, or a part of a segment. No I/O.

A locator is text, kept in `instance.path` and `aside.path`::

    instances/2026-11-21/1.2.3/1.2.3.4.0123456789abcdef.dcm    a plain file, relative to the root
    segments/0123456789abcdef.seg:8192:532480                  segment, offset of the file, its length
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

SEGMENTS: Final = "segments"
SUFFIX: Final = ".seg"
REMEMBERED: Final = 1024
"""Locators: that of a new instance is read several times until its row stands."""
_IN_SEGMENT: Final = re.compile(rf"{SEGMENTS}/([0-9a-f]{{1,32}}){re.escape(SUFFIX)}:([0-9]+):([0-9]+)")


@dataclass(frozen=True, kw_only=True)
class InSegment:
    """A file (PS3.10 7.1) that is part of a segment."""

    segment: str  # name of the segment
    offset: int  # of the file's first byte, its preamble's
    length: int  # of the file, in bytes

    @property
    def text(self) -> str:
        """The locator."""
        return f"{SEGMENTS}/{self.segment}{SUFFIX}:{self.offset}:{self.length}"

    @classmethod
    def of(cls, locator: str) -> Self | None:
        """Read a locator; None for a plain file."""
        found = _parts(locator)
        return None if found is None else cls(segment=found[0], offset=found[1], length=found[2])


@lru_cache(REMEMBERED)
def _parts(locator: str) -> tuple[str, int, int] | None:
    found = _IN_SEGMENT.fullmatch(locator)
    return None if found is None else (found[1], int(found[2]), int(found[3]))


def segment_of(locator: str) -> str | None:
    """The name of the segment that a locator leads into; None for a plain file."""
    parts = _parts(locator)
    return None if parts is None else parts[0]
