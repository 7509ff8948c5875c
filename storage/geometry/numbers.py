"""What Instance Number (0020,0013) says of the order of slices: noted, because positions decide. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise

from storage.geometry.frames import PlacedSlice
from storage.geometry.naming import named
from storage.geometry.verdicts import Check, CheckResult, noted


def number_notes(ordered: Sequence[PlacedSlice]) -> list[CheckResult]:
    """Numbers absent, repeated, falling, shuffled or skipped; slices in order along the normal.

    Frames of one instance have no numbers of their own: they are in any order.
    """
    first = {s.sop_instance_uid: s for s in reversed(ordered)}
    slices = [s for s in ordered if first[s.sop_instance_uid] is s]
    lacking = [s for s in slices if s.instance_number is None]
    if lacking:
        return [_note(f"absent in {len(lacking)} of {len(slices)} instances ({named(lacking)})")]
    numbers = [s.instance_number or 0 for s in slices]
    return [*_repeated(slices), *_order(numbers), *_skipped(numbers)]


def _repeated(slices: Sequence[PlacedSlice]) -> list[CheckResult]:
    counts = Counter(s.instance_number for s in slices)
    again = [s for s in slices if counts[s.instance_number] > 1]
    return [_note(f"shared by {len(again)} instances ({named(again)})")] if again else []


def _order(numbers: Sequence[int]) -> list[CheckResult]:
    """Falling numbers are as good as rising ones; among others, the steps against the commoner way count."""
    rises = sum(a < b for a, b in pairwise(numbers))
    falls = sum(a > b for a, b in pairwise(numbers))
    if rises and falls:
        against = min(rises, falls)
        return [_note(f"shuffled: {against} of {len(numbers) - 1} steps run against the order of positions")]
    return [_note(f"falls along the normal, from {numbers[0]} to {numbers[-1]}")] if falls else []


def _skipped(numbers: Sequence[int]) -> list[CheckResult]:
    """Numbers that no slice has, where the rest count by ones; phases that take turns count by twos."""
    present = sorted(set(numbers))
    steps = Counter(b - a for a, b in pairwise(present))
    usual = steps.most_common(1)[0][0] if steps else 1
    if len(steps) == 1 and usual > 1:
        return [_note(f"counts by {usual}, from {present[0]} to {present[-1]}")]
    if len(steps) < 2 or usual != 1:
        return []
    lacking = present[-1] - present[0] + 1 - len(present)  # counted, not listed: a number may be any
    first = next(a + 1 for a, b in pairwise(present) if b > a + 1)
    return [_note(f"{lacking} missing between {present[0]} and {present[-1]}, first {first}")]


def _note(what: str) -> CheckResult:
    return noted(Check.NUMBERS, f"InstanceNumber {what}: positions order the slices")
