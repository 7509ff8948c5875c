"""One volume in, everything that can be said of it out.

Heights are the patient's z at the centre of each slice (for a tilted gantry the centre, not the first
pixel), so slice order, flips and tilt change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from inference import acquisition, agreement, axis, bodypart, contrast, trust
from inference.curve import SLOPE_PER_MM, Curve, fit
from inference.findings import (
    Axis,
    AxisFinding,
    BodyPartFinding,
    Findings,
    LevelFinding,
    Presence,
    SliceScore,
)
from inference.levels import LEVELS, SACRUM, doubted, find_level, place
from inference.models.bundle import Models
from inference.models.series import SeriesLook
from inference.quality import ordered, plane_checks, scale_checks
from inference.reading import AxialBox, axial_box, read
from inference.symmetry import symmetry_checks
from inference.variants import likely_variants
from inference.volume import Volume
from storage.geometry.verdicts import CheckResult
from storage.header import Header

NOT_RESAMPLED: Final = "the slices are not axial and cannot be resampled: no scores"
"""The warning of a single-slice volume that is not axial."""

REFORMAT: Final = "made axial for scoring: "
"""Before the warnings of a curve whose slices are not the series' own."""

NOT_CREDIBLE: Final = "the score curve is not credible: "
"""Before the doubts for which no level is told."""


@dataclass(frozen=True, kw_only=True)
class Spine:
    """What was read along the patient's axis; there is none where a volume cannot be made axial."""

    curve: Curve
    t12: LevelFinding
    l3: LevelFinding


def analyse(volume: Volume, models: Models, header: Header, checks: tuple[CheckResult, ...] = ()) -> Findings:
    """Say what a volume shows.

    Args:
        volume: of one series.
        models: of the product.
        header: of any of its slices; Convolution Kernel is read, and what the pixels are held against.
        checks: what the gate says of the volume; the findings have it, and what the body adds.

    Returns:
        The findings. What is not known is UNDETERMINED or CANNOT_TELL, with the reason.
    """
    look = models.series.look(volume)
    plane = axis.from_geometry(volume.geometry)
    alone = axis.finding(plane, None, look.axis)
    seen = axial_box(volume)
    lies = symmetry_checks(seen.box, volume.geometry) if seen is not None and plane is Axis.AXIAL else ()
    doubts = (*trust.doubts(volume, look), *axis.doubts(alone), *(check.detail for check in lies))
    spine = None if seen is None else _spine(volume, seen, models, plane, doubts)
    curve = None if spine is None else spine.curve
    found = axis.finding(plane, curve, look.axis)
    by_body = (*lies, *plane_checks(found), *scale_checks(curve))
    findings = _findings(volume, models, header, found, spine, look)
    return agreement.told_apart(replace(findings, checks=ordered((*checks, *by_body))), header)


def _spine(volume: Volume, seen: AxialBox, models: Models, plane: Axis, doubts: tuple[str, ...]) -> Spine:
    reading, model = read(seen, models), models.levels
    curve = fit(reading.slices, model.curve, doubts)
    uncounted = trust.uncounted(volume.geometry)
    if uncounted or not curve.credible:
        reason = uncounted or NOT_CREDIBLE + "; ".join(curve.doubts)
        untold = LevelFinding(presence=Presence.CANNOT_TELL, reason=reason)
        return Spine(curve=curve, t12=untold, l3=untold)
    own = plane is Axis.AXIAL
    uids = tuple(s.sop_instance_uid for s in volume.geometry.slices) if own else ()
    variants = likely_variants(
        reading.evidence, reading.spine, model.weights, model.spacing, model.variant_log_odds
    )
    sd_mm = float(np.median(curve.sd)) / SLOPE_PER_MM
    t12, l3 = (find_level(n, reading.spine, seen.z_mm, uids, model.levels, variants, sd_mm) for n in LEVELS)
    doubt = trust.uncounted_from_above(volume, place(reading.spine, SACRUM).inside)
    return Spine(curve=curve, t12=doubted(t12, doubt), l3=doubted(l3, doubt))


def _findings(
    volume: Volume,
    models: Models,
    header: Header,
    plane: AxisFinding,
    spine: Spine | None,
    look: SeriesLook,
) -> Findings:
    own = plane.from_header is Axis.AXIAL
    part = _body_part(volume, models, header, spine, own=own)
    regions = frozenset(r.region for r in part.regions)
    untold = LevelFinding(presence=Presence.CANNOT_TELL, reason=NOT_RESAMPLED)
    return Findings(
        axis=plane,
        body_part=part,
        contrast=contrast.decide(
            look.contrast,
            regions,
            body=look.body,
            brightest_hu=look.brightest_hu,
            doubts=axis.doubts(plane),
        ),
        slice_scores=_slice_scores(volume, spine.curve) if own and spine is not None else (),
        t12=untold if spine is None else spine.t12,
        l3=untold if spine is None else spine.l3,
        disagreements=(),
        curve_warnings=_warnings(None if spine is None else spine.curve, own=own),
        model=models.identity,
    )


def _warnings(curve: Curve | None, *, own: bool) -> tuple[str, ...]:
    if curve is None:
        return (NOT_RESAMPLED,)
    return curve.warnings if own else tuple(REFORMAT + w for w in curve.warnings)


def _body_part(
    volume: Volume, models: Models, header: Header, spine: Spine | None, *, own: bool
) -> BodyPartFinding:
    if spine is None:
        return BodyPartFinding(value=bodypart.UNDETERMINED, confidence=0.0, regions=())
    slices = len(volume.geometry.slices)
    how = acquisition.acquisition_of(volume, header)
    part = bodypart.body_part(spine.curve, slices, models.levels.curve, how)
    if own:
        return part
    # every slice of a series that is not axial spans each region that it reaches
    spanning = tuple(replace(r, first_slice=0, last_slice=slices - 1) for r in part.regions)
    return replace(part, regions=spanning)


def _slice_scores(volume: Volume, curve: Curve) -> tuple[SliceScore, ...]:
    order = np.argsort(curve.index)
    rows = zip(volume.geometry.slices, order, strict=True)
    return tuple(
        SliceScore(
            sop_instance_uid=s.sop_instance_uid,
            z_mm=float(curve.z_mm[i]),
            raw=float(curve.raw[i]),
            score=float(curve.score[i]),
            sd=float(curve.sd[i]),
        )
        for s, i in rows
    )
