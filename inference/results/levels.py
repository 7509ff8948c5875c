"""The vertebral levels: the slice, and a point that viewers draw."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from highdicom import sr

from inference.findings import LevelFinding, Presence
from inference.results import codes
from inference.results.body import body_centre_mm, image_centre_px, point_mm
from inference.results.content import (
    comment,
    evaluation,
    group,
    group_images,
    identification,
    probability,
    slice_at,
)
from inference.results.flagged import FlaggedSlice, flagged_slices, levels_of
from inference.results.records import Inputs
from storage.errors import InvalidResult


def level_groups(inputs: Inputs) -> Iterator[Any]:
    """For each level that was found: its slice, and its point where the patient's space is known."""
    flagged = {each.name: each for each in flagged_slices(inputs)}
    for name, level in levels_of(inputs).items():
        if level.presence is not Presence.FOUND:
            continue
        if name in flagged:
            yield _slice_group(inputs, flagged[name])
        frame_of_reference_uid = inputs.volume.geometry.frame_of_reference_uid
        if frame_of_reference_uid:
            yield _point_group(inputs, name, level, frame_of_reference_uid)


def level_remarks(inputs: Inputs) -> Iterator[str]:
    """Why a level is not reported, for its absence says nothing; and what makes it doubtful."""
    for name, level in levels_of(inputs).items():
        if level.presence is not Presence.FOUND:
            yield f"{name}: {level.presence}" + (f" ({level.reason})" if level.reason else "")
        elif level.slice_index is None and not inputs.volume.geometry.frame_of_reference_uid:
            yield f"{name}: found at {level.z_mm} mm, but the volume has neither a slice nor a frame for it"
        yield from (f"{name}: {warning}" for warning in level.warnings)


def level_output(name: str) -> str:
    """The tracking identifier of a level's slice, in the report and in the segmentation."""
    return f"{name} level slice"


def point_output(name: str) -> str:
    """The tracking identifier of a level's point, in the report and in the presentation state."""
    return f"{name} level point"


def _slice_group(inputs: Inputs, flagged: FlaggedSlice) -> Any:
    vertebra, level = codes.VERTEBRAE[flagged.name], flagged.level
    return group(
        inputs,
        level_output(flagged.name),
        finding_type=codes.PLANE_THROUGH_CENTER,
        finding_sites=[sr.FindingSite(vertebra)],
        measurements=[probability(level.confidence)],
        qualitative_evaluations=[
            evaluation(
                codes.TARGET_REGION,
                vertebra,
                modifier=(codes.TOPOGRAPHICAL_MODIFIER, codes.CENTRAL),
            )
        ],
        source_images=group_images(inputs, [flagged.slice]),
        remarks=[_place(inputs, flagged), *level.warnings],
    )


def _point_group(inputs: Inputs, name: str, level: LevelFinding, frame_of_reference_uid: str) -> Any:
    """TID 1410 with one SCOORD3D POINT: what viewers draw of a location (IHE AI Results)."""
    whole = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        **identification(inputs, point_output(name)),
        referenced_region=sr.ImageRegion3D(
            graphic_type=sr.GraphicTypeValues3D.POINT,
            graphic_data=np.asarray([_point(inputs, level)]),
            frame_of_reference_uid=frame_of_reference_uid,
        ),
        finding_type=codes.PLANE_THROUGH_CENTER,
        finding_sites=[sr.FindingSite(codes.VERTEBRAE[name])],
        measurements=[probability(level.confidence)],
        geometric_purpose=codes.CENTER,
    )
    whole[0].ContentSequence.append(
        comment("The point marks the middle of the body in the plane of the level, not the vertebra itself.")
    )
    return whole


def _point(inputs: Inputs, level: LevelFinding) -> tuple[float, float, float]:
    """The body's centroid in the level's slice; without a slice, the volume's centre at the level's z."""
    volume = inputs.volume
    if level.slice_index is not None:
        slice_at(inputs, level.slice_index, level.sop_instance_uid)
        return body_centre_mm(volume, level.slice_index)
    if level.z_mm is None:
        raise InvalidResult("a level is found but has neither a slice nor z_mm")
    middle = volume.geometry.slices[len(volume.geometry.slices) // 2]
    x, y, _ = point_mm(volume.geometry, middle, *image_centre_px(volume.geometry))
    return x, y, float(level.z_mm)


def _place(inputs: Inputs, flagged: FlaggedSlice) -> str:
    """Where the level lies, in the words of a reader who scrolls through the images."""
    level, count = flagged.level, len(inputs.volume.geometry.slices)
    number = f"{flagged.number}, " if flagged.number else ""
    text = f"{number}slice {flagged.index + 1} of {count} in order of position"
    if level.z_mm is not None:
        text += f"; level at {level.z_mm:z.1f} mm"
    if level.interval_mm is not None:
        text += (
            f", between {level.interval_mm[0]:z.1f} and {level.interval_mm[1]:z.1f} mm with this probability"
        )
    return text[0].upper() + text[1:] + (f"; {level.reason}" if level.reason else "")
