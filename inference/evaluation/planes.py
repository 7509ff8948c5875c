"""How good the imaging axis is, and whether spoilt stacks are noticed. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from inference.evaluation.case import Kind, Measured
from inference.evaluation.figure import Figure, figure, mean
from inference.findings import Axis

AXIS: Final = "axis"
SLOPE: Final = "slope check"

ORIENTATION: Final = "ImageOrientationPatient"
"""The attribute of a disagreement about the axis; every case's header is right."""

NAMED: Final[dict[Kind, tuple[str, ...]]] = {
    Kind.REVERSED: ("reversed",),
    Kind.WRONG_SPACING: ("spacing does not fit",),
}
"""Words of the curve's warnings that name what is wrong with a stack."""


def axis_figures(kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    """Axis right, in all and by plane; what the pixels alone say; quarrels with a header that is right."""
    rows = [(m.case.patient, m.case.truth.axis, m.findings) for m in measured]
    by_pixels = [(p, axis, f.axis.from_pixels) for p, axis, f in rows]
    seen = [(p, float(said is axis)) for p, axis, said in by_pixels if said is not Axis.UNDETERMINED]
    silent = [(p, float(said is Axis.UNDETERMINED)) for p, _, said in by_pixels]
    quarrels = [(p, float(any(d.attribute == ORIENTATION for d in f.disagreements))) for p, _, f in rows]
    figures = [
        figure(AXIS, "axis right", kind, [(p, float(f.axis.value is a)) for p, a, f in rows], mean, unit="%"),
        figure(AXIS, "axis right by pixels, where told", kind, seen, mean, unit="%"),
        figure(AXIS, "axis not told by pixels", kind, silent, mean, unit="%"),
        figure(AXIS, "axis wrongly called a disagreement", kind, quarrels, mean, unit="%"),
    ]
    for plane in Axis:
        own = [(p, float(f.axis.value is a)) for p, a, f in rows if a is plane]
        if own:
            figures.append(figure(AXIS, f"axis right, {plane}", kind, own, mean, unit="%"))
    return tuple(figures)


def slope_figures(kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    """Of spoilt stacks, how many were named, or at least doubted; of sound ones, how many were accused."""
    if kind not in NAMED:
        accused = [(m.case.patient, float(any(_names(m, k) for k in NAMED))) for m in measured]
        return (figure(SLOPE, "sound stack accused", kind, accused, mean, unit="%"),)
    named = [(m.case.patient, float(_names(m, kind))) for m in measured]
    doubted = [(m.case.patient, float(bool(m.findings.curve_warnings))) for m in measured]
    return (
        figure(SLOPE, f"{kind} named", kind, named, mean, unit="%"),
        figure(SLOPE, f"{kind} warned of at all", kind, doubted, mean, unit="%"),
    )


def _names(measured: Measured, kind: Kind) -> bool:
    return any(word in warning for warning in measured.findings.curve_warnings for word in NAMED[kind])
