"""The gate's verdicts: a table of what goes in and what is said of it."""

from __future__ import annotations

import pytest

from storage.geometry.gate import Check, Outcome, SeriesVerdict, Verdict, judge
from tests.inference.series_factory import (
    CORONAL,
    SECONDARY_CAPTURE,
    ct_slice,
    enhanced,
    placed,
    stack_of,
)

PLACED = "slices placed by their own positions"


def verdict_on(*stacks) -> SeriesVerdict:
    return judge(placed([ds for datasets in stacks for ds in datasets]))


def checks(verdict: SeriesVerdict, part: int = 1) -> list[tuple[Check, Outcome, str]]:
    return [(c.check, c.outcome, c.detail) for c in verdict.parts[part - 1].checks]


def words(verdict: SeriesVerdict) -> list[Verdict]:
    return [verdict.verdict, *(part.verdict for part in verdict.parts)]


def changed(datasets, number: int, **attributes):
    """A stack with other values in the slice of one Instance Number."""
    for ds in datasets:
        if ds.InstanceNumber == number:
            for keyword, value in attributes.items():
                setattr(ds, keyword, value)
    return datasets


def test_a_sound_series_is_accepted_without_a_word() -> None:
    verdict = verdict_on(stack_of(12))

    assert words(verdict) == [Verdict.ACCEPT, Verdict.ACCEPT]
    (part,) = verdict.parts
    assert (part.number, part.checks, part.reason, len(part.slices)) == (1, (), "", 12)
    assert part.geometry is not None and part.geometry.regular and len(part.geometry.slices) == 12


def test_nothing_is_held() -> None:
    assert judge([]) == SeriesVerdict(verdict=Verdict.HOLD, parts=())


def test_a_series_with_one_volume_and_a_scout_is_split() -> None:
    scout = ct_slice((0, 0, 0), number=1, name="s", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
    reason = "localizer: ImageType ORIGINAL\\PRIMARY\\LOCALIZER"

    verdict = verdict_on([scout], stack_of(5, first_number=2))

    assert words(verdict) == [Verdict.SPLIT, Verdict.ACCEPT, Verdict.HOLD]
    assert checks(verdict, 2) == [(Check.CONTENT, Outcome.HELD, reason)]
    assert verdict.parts[1].geometry is None and verdict.parts[1].reason == reason


def test_a_series_of_which_nothing_is_analysed_is_held() -> None:
    assert words(verdict_on(stack_of(2), stack_of(2, orientation=CORONAL, name="c"))) == [Verdict.HOLD] * 3


def test_a_sheared_stack_is_repaired_with_its_angle() -> None:
    verdict = verdict_on(stack_of(6, step=(0, 1.339746, 5)))  # 5 tan(15 degrees)
    detail = f"gantry tilt: slices advance 15.0 degrees off their normal: {PLACED}"

    assert words(verdict) == [Verdict.REPAIR, Verdict.REPAIR]
    assert checks(verdict) == [(Check.TILT, Outcome.REPAIRED, detail)]
    assert verdict.parts[0].reason == detail


HELD = {
    "missing": (
        [ds for ds in stack_of(9) if ds.InstanceNumber not in (4, 5)],
        Check.MISSING,
        "gap of 15.00 mm between instance 3 and instance 6 where spacing is 5.00 mm: 2 slices missing",
    ),
    "duplicate": (
        [*stack_of(6), ct_slice((0, 0, 10), number=9, name="again")],
        Check.DUPLICATES,
        "duplicate position 10.00 mm: 2 slices there (instance 3, instance 9)",
    ),
    "too uneven": (
        changed(stack_of(6), 6, ImagePositionPatient=[0, 0, 27.6]),
        Check.SPACING,
        "uneven spacing of 7.60 mm between instance 5 and instance 6 where spacing is 5.00 mm",
    ),
    "sideways": (
        changed(stack_of(6), 2, ImagePositionPatient=[3, 0, 5]),
        Check.SIDEWAYS,
        "instance 2 lies 3.00 mm sideways of the line through the other slices",
    ),
    "no stack": (
        stack_of(5, step=(0, 6, 5)),
        Check.TILT,
        "no stack: the slices advance 50.2 degrees off their normal, over 45",
    ),
    "few": (
        stack_of(2),
        Check.TOO_FEW,
        "too few slices: 2, at least 3 make a volume (instance 1, instance 2)",
    ),
    "cosines": (
        [ct_slice((0, 0, z), number=z, ImageOrientationPatient=[1, 0, 0, 0.5, 1, 0]) for z in range(4)],
        Check.ORIENTATION,
        "ImageOrientationPatient is not orthonormal: 1\\0\\0\\0.5\\1\\0 in 4 slices "
        "(instance 0, instance 1, instance 2, instance 3)",
    ),
    "absent": (
        changed(stack_of(5), 2, RescaleIntercept=None),
        Check.ATTRIBUTES,
        "RescaleIntercept (0028,1052) is absent in 1 of 5 slices (instance 2)",
    ),
    "slope's sign": (
        changed(stack_of(5), 2, RescaleSlope=-1),
        Check.RESCALE,
        "the sign of RescaleSlope differs: 1 in 4 slices, -1 in 1 (instance 2)",
    ),
    "slope's size": (
        changed(stack_of(5), 2, RescaleSlope=65536),
        Check.RESCALE,
        "RescaleSlope is absurd: 65536 in 1 slices (instance 2)",
    ),
    "intercept's size": (
        changed(stack_of(5), 2, RescaleIntercept=-1e6),
        Check.RESCALE,
        "RescaleIntercept is absurd: -1e+06 in 1 slices (instance 2)",
    ),
    "classic multi-frame": (
        stack_of(5, NumberOfFrames=20),
        Check.CONTENT,
        "multi-frame image that places no frame: NumberOfFrames 20",
    ),
    "maximum projection": (
        stack_of(5, ImageType=["DERIVED", "SECONDARY", "MIP"]),
        Check.CONTENT,
        "maximum projection: ImageType DERIVED\\SECONDARY\\MIP",
    ),
    "secondary capture": (
        stack_of(5, SOPClassUID=SECONDARY_CAPTURE),
        Check.CONTENT,
        "not a CT image: Secondary Capture Image Storage",
    ),
}


@pytest.mark.parametrize("case", HELD)
def test_what_is_held_and_why(case: str) -> None:
    datasets, check, detail = HELD[case]

    verdict = verdict_on(datasets)

    assert words(verdict) == [Verdict.HOLD, Verdict.HOLD]
    assert checks(verdict) == [(check, Outcome.HELD, detail)]
    assert verdict.parts[0].reason == detail


TWINS = sorted(ds.SOPInstanceUID for ds in stack_of(6)[1:3])

NOTED = {
    "falling numbers": (
        [ct_slice((0, 0, -5 * n), number=n) for n in range(1, 7)],
        Check.NUMBERS,
        "InstanceNumber falls along the normal, from 6 to 1: positions order the slices",
    ),
    "shuffled numbers": (
        [ct_slice((0, 0, 5 * k), number=n) for k, n in enumerate((1, 2, 5, 3, 4, 6))],
        Check.NUMBERS,
        "InstanceNumber shuffled: 1 of 5 steps run against the order of positions: "
        "positions order the slices",
    ),
    "absent number": (
        changed(stack_of(6), 3, InstanceNumber=None),
        Check.NUMBERS,
        f"InstanceNumber absent in 1 of 6 instances (instance {stack_of(6)[2].SOPInstanceUID}): "
        "positions order the slices",
    ),
    "repeated number": (
        changed(stack_of(6), 3, InstanceNumber=2),
        Check.NUMBERS,
        f"InstanceNumber shared by 2 instances (instance 2 ({TWINS[0]}), instance 2 ({TWINS[1]})): "
        "positions order the slices",
    ),
    "skipped number": (
        [ct_slice((0, 0, 5 * k), number=n) for k, n in enumerate((1, 2, 3, 5, 6, 9))],
        Check.NUMBERS,
        "InstanceNumber 3 missing between 1 and 9, first 4: positions order the slices",
    ),
    "a number from nowhere": (
        changed(stack_of(5), 5, InstanceNumber=999_999_999),
        Check.NUMBERS,
        "InstanceNumber 999999994 missing between 1 and 999999999, first 5: positions order the slices",
    ),
    "every other number": (
        [ct_slice((0, 0, 5 * k), number=n) for k, n in enumerate((1, 3, 5, 7))],
        Check.NUMBERS,
        "InstanceNumber counts by 2, from 1 to 7: positions order the slices",
    ),
    "own slopes": (
        changed(stack_of(6), 3, RescaleSlope=0.5),
        Check.RESCALE,
        "RescaleSlope is 0.5 to 1 in 6 slices: each is rescaled with its own",
    ),
    "own intercepts": (
        changed(stack_of(6), 3, RescaleIntercept=0),
        Check.RESCALE,
        "RescaleIntercept is -1024 to 0 in 6 slices: each is rescaled with its own",
    ),
}


@pytest.mark.parametrize("case", NOTED)
def test_what_is_noted_and_changes_nothing(case: str) -> None:
    datasets, check, detail = NOTED[case]

    verdict = verdict_on(datasets)

    assert words(verdict) == [Verdict.ACCEPT, Verdict.ACCEPT]
    assert (check, Outcome.NOTED, detail) in checks(verdict)
    assert verdict.parts[0].reason == ""


def test_a_plane_reformat_is_analysed() -> None:
    for image_type in (["DERIVED", "SECONDARY", "REFORMATTED"], ["DERIVED", "PRIMARY", "MPR"]):
        verdict = verdict_on(stack_of(5, orientation=CORONAL, ImageType=image_type))
        assert words(verdict) == [Verdict.ACCEPT, Verdict.ACCEPT]


def test_a_derived_image_over_a_stack_is_apart_and_does_not_spoil_it() -> None:
    derived = ct_slice((0, 0, 10), number=9, name="d", ImageType=["DERIVED", "SECONDARY", "AXIAL"])

    verdict = verdict_on(stack_of(6), [derived])

    assert words(verdict) == [Verdict.SPLIT, Verdict.ACCEPT, Verdict.HOLD]
    assert [s.instance_number for s in verdict.parts[1].slices] == [9]


def test_frames_of_an_enhanced_image_are_a_volume_and_lost_groups_are_told() -> None:
    assert words(verdict_on([enhanced(4)])) == [Verdict.ACCEPT, Verdict.ACCEPT]
    bare = enhanced(4)
    del bare.PerFrameFunctionalGroupsSequence, bare.NumberOfFrames

    (part,) = verdict_on([bare]).parts

    assert part.verdict is Verdict.HOLD
    assert part.reason.startswith("ImagePositionPatient (0020,0032) is absent in 1 of 1 slices")


def test_a_classic_image_with_functional_groups_is_placed_by_them() -> None:
    ds = enhanced(4, SOPClassUID="1.2.840.10008.5.1.4.1.1.2")

    (part,) = verdict_on([ds]).parts

    assert part.verdict is Verdict.ACCEPT
    assert [s.frame for s in part.geometry.slices] == [4, 3, 2, 1]


APART = {
    "kernel": ({"ConvolutionKernel": "B30f"}, {"ConvolutionKernel": "B70f"}, "ConvolutionKernel B70f"),
    "one without a kernel": ({"ConvolutionKernel": "B30f"}, {}, "ConvolutionKernel None"),
    "matrix": ({}, {"Rows": 7}, "matrix 7\\5"),
    "pixel spacing": ({}, {"PixelSpacing": [0.5, 0.5]}, "PixelSpacing 0.5\\0.5"),
    "orientation": ({}, {"orientation": CORONAL}, "ImageOrientationPatient 1\\0\\0\\0\\0\\-1"),
    "run of spacing": ({}, {"spacing_mm": 7, "origin": (0, 0, 30)}, "spacing 7.00 mm"),
}


@pytest.mark.parametrize("case", APART)
def test_what_tells_volumes_apart_is_noted(case: str) -> None:
    one, other, told = APART[case]

    verdict = verdict_on(stack_of(5, **one), stack_of(5, first_number=10, name="other", **other))

    assert words(verdict) == [Verdict.SPLIT, Verdict.ACCEPT, Verdict.ACCEPT]
    note = (Check.APART, Outcome.NOTED, f"one of 2 volumes in the series, by {told}")
    assert note in checks(verdict, 2)
