"""How good T12 and L3 are: where they are told, and whether they are told at all. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.evaluation.case import Containment, Group, Kind, LevelTruth, Measured
from inference.evaluation.figure import Figure, figure, mean, median, p90
from inference.evaluation.truths import SPINE
from inference.findings import LevelFinding, Presence

OUTPUT: Final = "levels"

WITHIN_MM: Final = 10.0
"""An error up to this is on the vertebral body."""

USUAL_HALF_MM: Final = {"T12": 14.0, "L3": 17.0}
"""Half the usual distance to the nearer neighbour (2,116 CTs), where no neighbour was read."""


@dataclass(frozen=True, kw_only=True)
class LevelError:
    """A level that was found where the truth is known."""

    mm: float  # found less true, patient z
    slices: float  # how many slices apart
    wrong: bool  # another vertebra is nearer, or it is more than halfway to the next
    covered: bool  # whether the interval holds the truth
    confidence: float  # that it would


def level_of(measured: Measured, name: str) -> tuple[LevelTruth, LevelFinding]:
    """Truth and finding of T12 or L3."""
    truth, findings = measured.case.truth, measured.findings
    return (truth.t12, findings.t12) if name == "T12" else (truth.l3, findings.l3)


def level_error(measured: Measured, name: str) -> LevelError | None:
    """The error of a level; None where it was not found, or its true place is not known."""
    truth, told = level_of(measured, name)
    if told.presence is not Presence.FOUND or told.z_mm is None or truth.z_mm is None:
        return None
    low, high = told.interval_mm or (told.z_mm, told.z_mm)
    return LevelError(
        mm=told.z_mm - truth.z_mm,
        slices=_slices_apart(measured, told, truth.z_mm),
        wrong=is_wrong(measured, name, told.z_mm, truth.z_mm),
        covered=low <= truth.z_mm <= high,
        confidence=told.confidence,
    )


def _slices_apart(measured: Measured, told: LevelFinding, true_mm: float) -> float:
    """Between the slice told and the slice nearest to the truth; by mean spacing where none can be told."""
    z = np.asarray(measured.case.z_mm)
    if told.slice_index is not None:
        own = {s.sop_instance_uid: s.z_mm for s in measured.findings.slice_scores}
        told_mm = own.get(told.sop_instance_uid or "", told.z_mm or 0.0)
        return float(abs(int(np.abs(z - told_mm).argmin()) - int(np.abs(z - true_mm).argmin())))
    return abs((told.z_mm or 0.0) - true_mm) / float(np.median(np.diff(z)))


def is_wrong(measured: Measured, name: str, told_mm: float, true_mm: float) -> bool:
    """Whether a height is another vertebra's: beyond halfway to the neighbour on its side.

    The nearest vertebra is another one exactly then. Where that neighbour was not read, the usual distance.
    """
    if told_mm == true_mm:
        return False
    known = {m.name: m.z_mm for m in measured.case.truth.landmarks}
    at = SPINE.index(name)
    neighbour = known.get(SPINE[at - 1] if told_mm > true_mm else SPINE[at + 1])
    half = USUAL_HALF_MM[name] if neighbour is None else abs(neighbour - true_mm) / 2
    return abs(told_mm - true_mm) > half


def level_figures(kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    """The figures of both levels."""
    return tuple(
        f for name in ("T12", "L3") for f in (*_errors(name, kind, measured), *_told(name, kind, measured))
    )


def _errors(name: str, kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    found = [(m.case.patient, e) for m in measured if (e := level_error(m, name)) is not None]
    mm = [(p, abs(e.mm)) for p, e in found]
    return (
        figure(OUTPUT, f"{name} error median", kind, mm, median, unit="mm"),
        figure(OUTPUT, f"{name} error p90", kind, mm, p90, unit="mm"),
        figure(OUTPUT, f"{name} error mean, signed", kind, [(p, e.mm) for p, e in found], mean, unit="mm"),
        figure(OUTPUT, f"{name} error median in slices", kind, [(p, e.slices) for p, e in found], median),
        figure(
            OUTPUT, f"{name} within 10 mm", kind, [(p, float(e <= WITHIN_MM)) for p, e in mm], mean, unit="%"
        ),
        figure(OUTPUT, f"{name} wrong level", kind, [(p, float(e.wrong)) for p, e in found], mean, unit="%"),
        figure(
            OUTPUT,
            f"{name} interval holds it",
            kind,
            [(p, float(e.covered)) for p, e in found],
            mean,
            unit="%",
        ),
        figure(
            OUTPUT, f"{name} stated confidence", kind, [(p, e.confidence) for p, e in found], mean, unit="%"
        ),
    )


def _told(name: str, kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    rows = _rows(name, measured)
    trunk = _rows(name, [m for m in measured if m.case.group is Group.TRUNK])
    outside_trunk = [(p, told) for p, truth, told in trunk if truth.containment is Containment.OUTSIDE]
    inside = [(p, told) for p, truth, told in rows if truth.containment is Containment.INSIDE]
    outside = [(p, told) for p, truth, told in rows if truth.containment is Containment.OUTSIDE]
    warned = [(p, float(bool(told.warnings))) for p, _, told in rows if told.presence is Presence.FOUND]
    return (
        _share(f"{name} found without it", kind, outside, Presence.FOUND),
        _share(f"{name} found without it, trunk", kind, outside_trunk, Presence.FOUND),
        _near(name, kind, measured),
        _share(f"{name} found where it is", kind, inside, Presence.FOUND),
        _share(f"{name} cannot tell where it is", kind, inside, Presence.CANNOT_TELL),
        _share(f"{name} denied where it is", kind, inside, Presence.NOT_IN_FIELD),
        _share(f"{name} denied where it is not", kind, outside, Presence.NOT_IN_FIELD),
        figure(OUTPUT, f"{name} found with a warning of its number", kind, warned, mean, unit="%"),
    )


def _rows(name: str, measured: Sequence[Measured]) -> list[tuple[str, LevelTruth, LevelFinding]]:
    return [(m.case.patient, *level_of(m, name)) for m in measured]


def _near(name: str, kind: Kind, measured: Sequence[Measured]) -> Figure:
    """Of all cases that surely hold the level where it was read: told, and within WITHIN_MM."""
    rows = [(m, level_of(m, name)[0], level_error(m, name)) for m in measured]
    near = [
        (m.case.patient, float(error is not None and abs(error.mm) <= WITHIN_MM))
        for m, truth, error in rows
        if truth.containment is Containment.INSIDE and truth.z_mm is not None
    ]
    return figure(OUTPUT, f"{name} found and within 10 mm where it is", kind, near, mean, unit="%")


def _share(name: str, kind: Kind, rows: Sequence[tuple[str, LevelFinding]], what: Presence) -> Figure:
    return figure(OUTPUT, name, kind, [(p, float(t.presence is what)) for p, t in rows], mean, unit="%")
