"""One volume in, everything that can be said of it out.

Heights are the patient's z at the centre of each slice (for a tilted gantry the centre, not the first
pixel), so slice order, flips and tilt change nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference import agreement, axis, bodypart, levels, trust
from inference.axial import resampled
from inference.curve import Curve, fit
from inference.findings import (
    Axis,
    AxisFinding,
    BodyPartFinding,
    Contrast,
    ContrastFinding,
    Findings,
    LevelFinding,
    Presence,
    SliceScore,
)
from inference.models.score import ScoreModel
from inference.preprocess import prepared_slices
from inference.volume import Geometry, Volume
from storage.header import Header

NOT_RESAMPLED: Final = "the slices are not axial and cannot be resampled: no scores"
"""The warning of a sheared or single-slice volume that is not axial."""

REFORMAT: Final = "made axial for scoring: "
"""Before the warnings of a curve whose slices are not the series' own."""

NO_CONTRAST_MODEL: Final = ContrastFinding(value=Contrast.UNDETERMINED, confidence=0.0)
"""What is said of contrast while no model for it exists."""


def analyse(volume: Volume, model: ScoreModel, header: Header) -> Findings:
    """Say what a volume shows.

    Args:
        volume: of one series.
        model: the slice-score model.
        header: of any of its slices; Body Part Examined is read.

    Returns:
        The findings. What is not known is UNDETERMINED or CANNOT_TELL, with the reason.
    """
    plane = axis.from_geometry(volume.geometry)
    curve = _own_curve(volume, model) if plane is Axis.AXIAL else _reformat_curve(volume, model)
    if curve is None:
        return _findings(volume, model, header, axis.finding(plane, None), None)
    return _findings(volume, model, header, axis.finding(plane, curve), curve)


def slice_centres_z_mm(geometry: Geometry) -> NDArray[np.float64]:
    """The patient's z of the centre of each slice.

    Returns:
        Shape (k,), mm, in slice order: it falls where the normal points to the feet.
    """
    first = np.asarray([s.position_mm[2] for s in geometry.slices])
    across = geometry.row_direction[2] * geometry.pixel_spacing_mm[1] * (geometry.columns - 1) / 2
    down = geometry.column_direction[2] * geometry.pixel_spacing_mm[0] * (geometry.rows - 1) / 2
    return np.asarray(first + across + down)


def _own_curve(volume: Volume, model: ScoreModel) -> Curve:
    raw, sd = _scores(volume.voxels, volume.geometry, model)
    z_mm = slice_centres_z_mm(volume.geometry)
    return fit(z_mm, raw, sd, model.calibration, trust.doubts(volume))


def _reformat_curve(volume: Volume, model: ScoreModel) -> Curve | None:
    made = resampled(volume)
    if made is None:
        return None
    raw, sd = _scores(made.voxels, made.geometry, model)
    return fit(made.z_mm, raw, sd, model.calibration, trust.doubts(volume))


def _scores(
    voxels: NDArray[np.int16], geometry: Geometry, model: ScoreModel
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    chunks = [model.scores(chunk) for chunk in prepared_slices(voxels, geometry)]
    return np.concatenate([s for s, _ in chunks]), np.concatenate([d for _, d in chunks])


def _findings(
    volume: Volume, model: ScoreModel, header: Header, plane: AxisFinding, curve: Curve | None
) -> Findings:
    slices = volume.geometry.slices
    own = plane.from_header is Axis.AXIAL
    part = _body_part(curve, len(slices), model, own=own)
    t12, l3 = _levels(curve, model, tuple(s.sop_instance_uid for s in slices) if own else ())
    return Findings(
        axis=plane,
        body_part=part,
        contrast=NO_CONTRAST_MODEL,
        slice_scores=_slice_scores(volume, curve) if own and curve is not None else (),
        t12=t12,
        l3=l3,
        disagreements=agreement.disagreements(
            header.body_part_examined, part, plane.from_header, plane.value
        ),
        curve_warnings=_warnings(curve, own=own),
        model=model.identity,
    )


def _warnings(curve: Curve | None, *, own: bool) -> tuple[str, ...]:
    if curve is None:
        return (NOT_RESAMPLED,)
    return curve.warnings if own else tuple(REFORMAT + w for w in curve.warnings)


def _body_part(curve: Curve | None, slices: int, model: ScoreModel, *, own: bool) -> BodyPartFinding:
    if curve is None:
        return BodyPartFinding(value=bodypart.UNDETERMINED, confidence=0.0, regions=())
    part = bodypart.body_part(curve, slices, model.calibration)
    if own:
        return part
    # every slice of a series that is not axial spans each region that it reaches
    spanning = tuple(replace(r, first_slice=0, last_slice=slices - 1) for r in part.regions)
    return replace(part, regions=spanning)


def _levels(
    curve: Curve | None, model: ScoreModel, sop_instance_uids: tuple[str, ...]
) -> tuple[LevelFinding, LevelFinding]:
    if curve is None:
        untold = LevelFinding(presence=Presence.CANNOT_TELL, reason=NOT_RESAMPLED)
        return untold, untold
    found = levels.find_levels(curve, model.calibration)
    t12, l3 = (levels.finding(found[name], curve, sop_instance_uids) for name in ("T12", "L3"))
    return t12, l3


def _slice_scores(volume: Volume, curve: Curve) -> tuple[SliceScore, ...]:
    order = np.argsort(curve.index)
    rows = zip(volume.geometry.slices, order, strict=True)
    return tuple(
        SliceScore(
            sop_instance_uid=s.sop_instance_uid,
            z_mm=float(curve.z_mm[i]),
            raw=float(curve.raw[i]),
            score=float(curve.score[i]),
        )
        for s, i in rows
    )
