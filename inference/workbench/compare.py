"""Predicted extents against those of an RTSTRUCT or SEG: start and end error in mm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from inference.findings import Findings, Region
from inference.spine import VERTEBRAE
from inference.workbench import svg
from inference.workbench.structures import Structure
from storage.errors import Refused

COLUMNS: Final = (
    "structure", "predicted", "truth_low_mm", "truth_high_mm", "predicted_low_mm", "predicted_high_mm",
    "start_error_mm", "end_error_mm",
)  # fmt: skip
"""Of compare.csv."""

SPINAL: Final = frozenset({"vertebra", "vertebrae", "vertebral", "body", "spine", "vb", "level"})
"""Words before the name of a vertebra."""

WIDTH: Final = 520.0
ROW: Final = 52.0


@dataclass(frozen=True, kw_only=True)
class Compared:
    """One structure beside what was predicted for it; errors are predicted less true."""

    structure: str
    predicted: str  # region or vertebra
    truth_low_mm: float
    truth_high_mm: float
    predicted_low_mm: float  # of a vertebra both are its centre
    predicted_high_mm: float
    start_error_mm: float  # of the lower end; of a vertebra its centre's
    end_error_mm: float  # of the upper end; of a vertebra the same


def pairs_of(structures: Sequence[Structure], asked: Sequence[str]) -> dict[str, str]:
    """Structure -> region or vertebra.

    Args:
        structures: of the file.
        asked: "STRUCTURE=REGION" each; where none is given, structures that are called as a region or, at
            their end, as a vertebra ("vertebrae_L3").

    Raises:
        Refused: a name is none of the file's or none of ours; names those that are.
    """
    names = [s.name for s in structures]
    if not asked:
        return {name: ours for name in names if (ours := _ours(name))}
    pairs = {}
    for pair in asked:
        name, _, ours = pair.rpartition("=")
        if name not in names:
            raise Refused(f"structure {name!r} is not in the file; in it are {', '.join(names)}")
        known = _ours(ours)
        if known is None or known.lower() != ours.lower():
            raise Refused(f"{ours!r} is no region and no vertebra: {', '.join([*Region, *VERTEBRAE])}")
        pairs[name] = known
    return pairs


def _ours(name: str) -> str | None:
    """What a structure is called here: a region, or a vertebra, alone or behind words that say that it is.

    "S1" behind other words is a segment of the liver or the lung, "T1" a weighting or a stage.
    """
    words = name.replace("-", " ").replace("_", " ").split()
    if name.lower() in list(Region):
        return name.lower()
    is_vertebra = words and words[-1].upper() in VERTEBRAE and all(w.lower() in SPINAL for w in words[:-1])
    return words[-1].upper() if is_vertebra else None


def compare(
    structures: Sequence[Structure],
    pairs: Mapping[str, str],
    findings: Findings,
    places_mm: Mapping[str, float],
) -> tuple[Compared, ...]:
    """Every pair of which both sides are there.

    Args:
        structures: of the file.
        pairs: of `pairs_of`.
        findings: of the volume.
        places_mm: vertebra -> z of its centre, of those that are found.
    """
    extents = {
        str(r.region): (min(r.start_mm, r.end_mm), max(r.start_mm, r.end_mm))
        for r in findings.body_part.regions
    }
    compared = []
    for structure in structures:
        ours = pairs.get(structure.name, "")
        if ours in extents:
            compared.append(_compared(structure, ours, extents[ours]))
        elif ours in places_mm:
            compared.append(_centre(structure, ours, places_mm[ours]))
    return tuple(compared)


def _compared(structure: Structure, ours: str, ends: tuple[float, float]) -> Compared:
    return Compared(
        structure=structure.name,
        predicted=ours,
        truth_low_mm=structure.low_mm,
        truth_high_mm=structure.high_mm,
        predicted_low_mm=ends[0],
        predicted_high_mm=ends[1],
        start_error_mm=ends[0] - structure.low_mm,
        end_error_mm=ends[1] - structure.high_mm,
    )


def _centre(structure: Structure, ours: str, z_mm: float) -> Compared:
    error = z_mm - (structure.low_mm + structure.high_mm) / 2
    made = _compared(structure, ours, (z_mm, z_mm))
    return Compared(**(asdict(made) | {"start_error_mm": error, "end_error_mm": error}))


def row(one: Compared) -> tuple[object, ...]:
    """Of compare.csv."""
    return tuple(v if isinstance(v, str) else f"{v:.2f}" for v in asdict(one).values())


def plot(compared: Sequence[Compared], title: str) -> str:
    """Truth above prediction for each pair, and the errors in words."""
    low = min(min(c.truth_low_mm, c.predicted_low_mm) for c in compared)
    high = max(max(c.truth_high_mm, c.predicted_high_mm) for c in compared)
    left, top = 170.0, 34.0

    def x(z_mm: float) -> float:
        return left + WIDTH * (z_mm - low) / max(high - low, 1.0)

    parts = [svg.hatches("pair"), svg.text(0, 14, title, extra="font-weight='bold'")]
    for n, one in enumerate(compared):
        y = top + n * ROW
        both = (
            (one.structure, (one.truth_low_mm, one.truth_high_mm)),
            (f"predicted {one.predicted}", (one.predicted_low_mm, one.predicted_high_mm)),
        )
        for m, (name, ends) in enumerate(both):
            at = y + m * 16
            width = max(x(ends[1]) - x(ends[0]), 2.0)
            parts.append(svg.text(left - 6, at + 11, name[:26], anchor="end"))
            parts.append(svg.rectangle(x(ends[0]), at + 2, width, 11, fill=svg.hatch("pair", m)))
        told = f"start {one.start_error_mm:+.1f} mm, end {one.end_error_mm:+.1f} mm"
        parts.append(svg.text(left + WIDTH + 8, y + 20, told))
    foot = top + len(compared) * ROW + 12
    parts.append(svg.text(left, foot, f"z {low:.0f} mm"))
    parts.append(svg.text(left + WIDTH, foot, f"z {high:.0f} mm", anchor="end"))
    return svg.drawing(left + WIDTH + 230, foot + 10, title, parts)
