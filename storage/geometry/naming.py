"""How a sentence names slices and shows values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from storage.geometry.frames import PlacedSlice

NAMED_AT_MOST: Final = 5
"""A refusal names this many slices or faults; the rest are counted."""


def named(slices: Sequence[PlacedSlice]) -> str:
    """The slices' names for a message, in order of Instance Number; at most NAMED_AT_MOST, the rest counted.

    An Instance Number that two instances share names neither, so their UIDs stand with it.
    """
    ordered = sorted(slices, key=lambda s: (s.instance_number or 0, s.sop_instance_uid, s.frame))
    shared = Counter(s.name for s in slices)
    names = [
        s.name if shared[s.name] == 1 else f"{s.name} ({s.sop_instance_uid})" for s in ordered[:NAMED_AT_MOST]
    ]
    rest = len(ordered) - NAMED_AT_MOST
    return ", ".join(names) + (f" and {rest} more" if rest > 0 else "")


def shown(value: Any) -> str:
    """A value as DICOM writes it: backslashes between numbers."""
    if isinstance(value, tuple):
        return "\\".join(shown(v) for v in value)
    return f"{value:g}" if isinstance(value, int | float) else str(value)


def at_most(sentences: Sequence[str]) -> list[str]:
    """The first NAMED_AT_MOST, the rest counted."""
    rest = len(sentences) - NAMED_AT_MOST
    return [*sentences[:NAMED_AT_MOST], *([f"and {rest} more"] if rest > 0 else [])]
