"""The measurement groups of the report (TID 1501), in the order in which a radiologist reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, Final

from highdicom import sr
from pydicom.sr.coding import Code

from inference.findings import Axis, Contrast, RegionExtent, SliceScore
from inference.quality import verdict_of
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
from inference.series_class import decided
from storage.errors import InvalidResult
from storage.geometry.verdicts import Check, CheckResult, Outcome

SCORE_DECIMALS: Final = 2

GUESSES: Final = ("Series class", "Second series class")
"""Tracking identifiers of the likeliest classes; no more than these are written."""

NO_CLASS: Final = "None of the 16 series classes is likely enough"


QUALITY_STANDARD: Final = (
    "Checked: orientation, positions, spacing, rescaling, and whether the body agrees with them;"
    " not the quality of the images for diagnosis."
)

BY_PIXELS: Final = frozenset({Check.OFFSET, Check.SYMMETRY, Check.PLANE, Check.SCALE})
"""Checks of the header by the body: each that is noted is a contradiction."""


def measurement_groups(inputs: Inputs) -> list[Any]:
    """All groups of one report but the slice scores, which follow them.

    What is not known is said to be undetermined or left out, never guessed.
    """
    return [
        _body_part(inputs),
        *_series_classes(inputs),
        _axis(inputs),
        _contrast(inputs),
        *level_groups(inputs),
        *_header_disagreements(inputs),
        *_quality(inputs),
        *[_region(inputs, extent) for extent in inputs.findings.body_part.regions],
    ]


def region_output(extent: RegionExtent) -> str:
    """The tracking identifier of a region, in the report and in the segmentation."""
    return f"Region {extent.region}"


def _body_part(inputs: Inputs) -> Any:
    found = inputs.findings.body_part
    return group(
        inputs,
        "Body part",
        measurements=[probability(found.confidence)],
        qualitative_evaluations=_target_regions(found.value),
        remarks=[f"By the range that is covered: {found.value}"],
    )


def _target_regions(body_part: str) -> list[Any]:
    values = codes.body_part_codes(body_part)
    if values is None:
        raise InvalidResult(f"Target Region has no code for the body part {body_part!r}")
    return [evaluation(codes.TARGET_REGION, value) for value in values]


def _series_classes(inputs: Inputs) -> Iterator[Any]:
    """The class and the next best; first of all that there is none, where that is likelier."""
    classes = inputs.findings.body_part.classes
    outputs = iter(GUESSES)
    if decided(classes) is None:
        undetermined = evaluation(codes.TARGET_REGION, codes.UNDETERMINED)
        yield group(inputs, next(outputs), qualitative_evaluations=[undetermined], remarks=[NO_CLASS])
    for output, guess in zip(outputs, classes, strict=False):
        yield group(
            inputs,
            output,
            measurements=[probability(guess.probability)],
            qualitative_evaluations=_target_regions(guess.name),
            remarks=[guess.name],
        )


def _axis(inputs: Inputs) -> Any:
    found = inputs.findings.axis
    by_pixels = "do not tell" if found.from_pixels is Axis.UNDETERMINED else f"say {found.from_pixels}"
    return group(
        inputs,
        "Imaging axis",
        measurements=[probability(found.confidence)],
        qualitative_evaluations=[evaluation(codes.SCAN_PLANE, codes.AXES[found.value])],
        remarks=[f"The header says {found.from_header}, the pixels {by_pixels}"],
    )


def _contrast(inputs: Inputs) -> Any:
    found = inputs.findings.contrast
    seen = found.probability
    remarks = [] if seen is None else [f"Probability that contrast medium is seen: {seen:.3f}"]
    return group(
        inputs,
        "Intravenous contrast",
        measurements=[] if found.value is Contrast.UNDETERMINED else [probability(found.confidence)],
        qualitative_evaluations=[evaluation(codes.PROCEDURE_CONTEXT, codes.CONTRASTS[found.value])],
        remarks=[*remarks, found.reason] if found.reason else remarks,
    )


def _header_disagreements(inputs: Inputs) -> Iterator[Any]:
    """What the header says otherwise: no code exists for a wrong attribute, so each is a comment."""
    said = [
        f"{each.attribute}: the header says {each.header}, the pixels say {each.pixels}"
        for each in inputs.findings.disagreements
    ]
    if said:
        yield group(inputs, "Header disagreements", remarks=said)


def _quality(inputs: Inputs) -> Iterator[Any]:
    """What a reader must know before trusting the rest: the gate's verdict, then remarks where there are any.

    The codes are those of CID 6044; the standard is the gate's, for it is the only one that was checked.
    """
    findings = inputs.findings
    yield group(
        inputs,
        "Quality",
        qualitative_evaluations=[evaluation(codes.QUALITY_ASSESSMENT, _quality_code(findings.checks))],
        remarks=[
            f"Geometry gate: {verdict_of(findings.checks)}. {QUALITY_STANDARD}",
            *[f"{check.check}, {check.outcome}: {check.detail}" for check in findings.checks],
        ],
    )
    told = {check.detail for check in findings.checks}
    remarks = [
        *level_remarks(inputs),
        *[warning for warning in findings.curve_warnings if warning not in told],
    ]
    if remarks:
        yield group(inputs, "Remarks", remarks=remarks)


def _quality_code(checks: Sequence[CheckResult]) -> Code:
    """Below the standard where something was repaired, or where the body contradicts the header."""
    doubted = any(check.outcome is not Outcome.NOTED or check.check in BY_PIXELS for check in checks)
    return codes.BELOW_STANDARD if doubted else codes.MEETS_STANDARD


def _region(inputs: Inputs, extent: RegionExtent) -> Any:
    slices = inputs.volume.geometry.slices
    if not 0 <= extent.first_slice <= extent.last_slice < len(slices):
        raise InvalidResult(
            f"region {extent.region} spans the slices {extent.first_slice} to {extent.last_slice},"
            f" the volume has {len(slices)}"
        )
    first, last = extent.first_slice, extent.last_slice
    ends = (slices[first],) if first == last else (slices[first], slices[last])
    return group(
        inputs,
        region_output(extent),
        qualitative_evaluations=[evaluation(codes.TARGET_REGION, codes.REGIONS[extent.region])],
        source_images=group_images(inputs, ends),
        remarks=[
            f"Slices {first + 1} to {last + 1} of {len(slices)} in order of position,"
            f" {extent.start_mm:z.1f} to {extent.end_mm:z.1f} mm; the first and the last are referenced"
        ],
    )


def slice_scores(inputs: Inputs) -> Iterator[Any]:
    """One group with one NUM for each slice; none where no scores apply (coronal, sagittal)."""
    scores, slices = inputs.findings.slice_scores, inputs.volume.geometry.slices
    if not scores:
        return
    if len(scores) != len(slices):
        raise InvalidResult(f"{len(scores)} slice scores for {len(slices)} slices")
    yield group(
        inputs,
        "Slice scores",
        measurements=[*_spread(scores), *[_score(inputs, k, score) for k, score in enumerate(scores)]],
    )


def _spread(scores: Sequence[SliceScore]) -> Iterator[sr.Measurement]:
    """The median of the scores' standard deviations: one for each slice would add a half to the report."""
    sds = [score.sd for score in scores if score.sd is not None]
    if sds:
        yield number(codes.STANDARD_DEVIATION, median(sds), SCORE_DECIMALS, derivation=codes.MEDIAN)


def _score(inputs: Inputs, index: int, score: SliceScore) -> sr.Measurement:
    image = measured_in(inputs, slice_at(inputs, index, score.sop_instance_uid))
    return number(codes.SCORE, score.score, SCORE_DECIMALS, referenced_images=[image])
