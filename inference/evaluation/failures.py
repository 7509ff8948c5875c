"""Where the findings are wrong, case by case: the card's known failures. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from inference.evaluation.case import Containment, Measured
from inference.evaluation.levels import level_error, level_of
from inference.evaluation.parts import regions_right
from inference.evaluation.planes import NAMED
from inference.findings import Contrast, Presence

LISTED: Final = 12
"""Cases named of each failure; the rest is counted."""


def failures(measured: Iterable[Measured]) -> dict[str, list[str]]:
    """Wrong answers by kind of cases and failure, each as "id: what was said"; none left out.

    Spoilt stacks (reversed, wrong spacing) are not listed: of those, the slope check alone is measured.
    """
    found: dict[str, list[str]] = {}
    for m in measured:
        if m.case.kind not in NAMED:
            for failure, words in _of(m):
                found.setdefault(f"{m.case.kind}: {failure}", []).append(f"{m.case.identifier}: {words}")
    return dict(sorted(found.items()))


def _of(m: Measured) -> list[tuple[str, str]]:
    found = [x for name in ("T12", "L3") for x in _of_level(m, name)]
    if regions_right(m) is False:
        found.append(("regions wrong or undetermined", m.findings.body_part.value))
    if m.findings.axis.value is not m.case.truth.axis:
        found.append(("axis wrong", f"{m.findings.axis.value}, is {m.case.truth.axis}"))
    told, truth = m.findings.contrast.value, m.case.truth.contrast
    if Contrast.UNDETERMINED not in (told, truth) and told is not truth:
        found.append(("contrast wrong", f"{told}, is {truth}"))
    return found


def _of_level(m: Measured, name: str) -> list[tuple[str, str]]:
    truth, told = level_of(m, name)
    error = level_error(m, name)
    if error is not None and error.wrong:
        return [(f"{name} at another vertebra", f"{error.mm:+.0f} mm")]
    if told.presence is Presence.FOUND and truth.containment is Containment.OUTSIDE and told.z_mm is not None:
        return [(f"{name} found without it", f"at {told.z_mm:.0f} mm")]
    if told.presence is Presence.NOT_IN_FIELD and truth.containment is Containment.INSIDE:
        return [(f"{name} denied where it is", told.reason or "no reason given")]
    return []


def shortened(cases: list[str]) -> str:
    """At most LISTED cases in words, and how many more."""
    more = len(cases) - LISTED
    return "; ".join(cases[:LISTED]) + (f"; and {more} more" if more > 0 else "")
