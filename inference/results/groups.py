"""The measurement groups of the report (TID 1501), in the order in which a radiologist reads them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from inference.findings import RegionExtent
from inference.results import codes
from inference.results.content import (
    evaluation,
    group,
    group_images,
    measured_in,
    number,
    probability,
    slice_at,
)
from inference.results.levels import level_groups, level_remarks
from inference.results.records import Inputs
from storage.errors import InvalidResult

SCORE_DECIMALS: Final = 2


def measurement_groups(inputs: Inputs) -> list[Any]:
    """All groups of one report; what is not known is said to be undetermined or left out, never guessed."""
    return [
        _body_part(inputs),
        _axis(inputs),
        _contrast(inputs),
        *level_groups(inputs),
        *_quality(inputs),
        *[_region(inputs, extent) for extent in inputs.findings.body_part.regions],
        *_slice_scores(inputs),
    ]


def region_output(extent: RegionExtent) -> str:
    """The tracking identifier of a region, in the report and in the segmentation."""
    return f"Region {extent.region}"


def _body_part(inputs: Inputs) -> Any:
    found = inputs.findings.body_part
    values = codes.body_part_codes(found.value)
    if values is None:
        raise InvalidResult(f"Target Region has no code for the body part {found.value!r}")
    return group(
        inputs,
        "Body part",
        measurements=[probability(found.confidence)],
        qualitative_evaluations=[evaluation(codes.TARGET_REGION, value) for value in values],
    )


def _axis(inputs: Inputs) -> Any:
    found = inputs.findings.axis
    return group(
        inputs,
        "Imaging axis",
        measurements=[probability(found.confidence)],
        qualitative_evaluations=[evaluation(codes.SCAN_PLANE, codes.AXES[found.value])],
    )


def _contrast(inputs: Inputs) -> Any:
    found = inputs.findings.contrast
    return group(
        inputs,
        "Intravenous contrast",
        measurements=[probability(found.confidence)],
        qualitative_evaluations=[evaluation(codes.PROCEDURE_CONTEXT, codes.CONTRASTS[found.value])],
    )


def _quality(inputs: Inputs) -> Iterator[Any]:
    """What a reader must know before trusting the rest; no group where there is nothing to say."""
    findings = inputs.findings
    remarks = [
        *level_remarks(inputs),
        *[
            f"{d.attribute}: the header says {d.header}, the pixels say {d.pixels}"
            for d in findings.disagreements
        ],
        *findings.curve_warnings,
    ]
    if remarks:
        yield group(inputs, "Remarks", remarks=remarks)


def _region(inputs: Inputs, extent: RegionExtent) -> Any:
    slices = inputs.volume.geometry.slices
    if not 0 <= extent.first_slice <= extent.last_slice < len(slices):
        raise InvalidResult(
            f"region {extent.region} spans the slices {extent.first_slice} to {extent.last_slice},"
            f" the volume has {len(slices)}"
        )
    inside = slices[extent.first_slice : extent.last_slice + 1]
    return group(
        inputs,
        region_output(extent),
        qualitative_evaluations=[evaluation(codes.TARGET_REGION, codes.REGIONS[extent.region])],
        source_images=group_images(inputs, inside),
        remarks=[f"{len(inside)} slices, {extent.start_mm:.1f} to {extent.end_mm:.1f} mm"],
    )


def _slice_scores(inputs: Inputs) -> Iterator[Any]:
    """One group with one NUM for each slice; none where no scores apply (coronal, sagittal)."""
    scores, slices = inputs.findings.slice_scores, inputs.volume.geometry.slices
    if not scores:
        return
    if len(scores) != len(slices):
        raise InvalidResult(f"{len(scores)} slice scores for {len(slices)} slices")
    yield group(
        inputs,
        "Slice scores",
        measurements=[
            number(
                codes.SCORE,
                score.score,
                SCORE_DECIMALS,
                referenced_images=[measured_in(inputs, slice_at(inputs, k, score.sop_instance_uid))],
            )
            for k, score in enumerate(scores)
        ],
    )
