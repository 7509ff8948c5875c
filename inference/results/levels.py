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
from inference.results.records import Inputs
from storage.errors import InvalidResult


def levels_of(inputs: Inputs) -> dict[str, LevelFinding]:
    """The levels by their name, from the head down."""
    return {"T12": inputs.findings.t12, "L3": inputs.findings.l3}


def level_groups(inputs: Inputs) -> Iterator[Any]:
    """For each level that was found: its slice, and its point where the patient's space is known."""
    for name, level in levels_of(inputs).items():
        if level.presence is not Presence.FOUND:
            continue
        if level.slice_index is not None:
            yield _slice_group(inputs, name, level)
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


def _slice_group(inputs: Inputs, name: str, level: LevelFinding) -> Any:
    vertebra = codes.VERTEBRAE[name]
    slice_ = slice_at(inputs, level.slice_index or 0, level.sop_instance_uid)
    return group(
        inputs,
        level_output(name),
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
        source_images=group_images(inputs, [slice_]),
        remarks=[_place(inputs, level), *level.warnings],
    )


def _point_group(inputs: Inputs, name: str, level: LevelFinding, frame_of_reference_uid: str) -> Any:
    """TID 1410 with one SCOORD3D POINT: what viewers draw of a location (IHE AI Results)."""
    whole = sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        **identification(inputs, f"{name} level point"),
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


def _place(inputs: Inputs, level: LevelFinding) -> str:
    """Where the level lies, in the words of a reader who scrolls through the images."""
    index = level.slice_index or 0
    count = len(inputs.volume.geometry.slices)
    number = None if len(inputs.evidence) != count else inputs.evidence[index].get("InstanceNumber")
    image = f"image {int(number)}, " if number else ""
    text = f"{image}slice {index + 1} of {count} in order of position"
    if level.z_mm is not None:
        text += f"; level at {level.z_mm:.1f} mm"
    if level.interval_mm is not None:
        text += (
            f", between {level.interval_mm[0]:.1f} and {level.interval_mm[1]:.1f} mm with this probability"
        )
    return text[0].upper() + text[1:] + (f"; {level.reason}" if level.reason else "")
