"""Body part, axis, contrast and the slope check."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.evaluation.case import Group, Kind
from inference.evaluation.media import (
    Answer,
    Bin,
    auc,
    brier,
    contrast_figures,
    part_of,
    reliability,
    sensitivity,
    specificity,
)
from inference.evaluation.parts import NONE_TOLD, confusion, part_figures, regions_right
from inference.evaluation.planes import axis_figures, slope_figures
from inference.evaluation.regions import CLASSES, regions_of, told_regions
from inference.findings import Axis, AxisFinding, Contrast, ContrastFinding, Disagreement, Region
from tests.inference.evaluation_factory import measured, part, regions

R = Region


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("CHEST-ABDOMEN-PELVIS", {R.CHEST, R.ABDOMEN, R.PELVIS}),
        ("Abdomen-pelvis", {R.ABDOMEN, R.PELVIS}),
        ("C and T spine", {R.NECK, R.CHEST}),
        ("LEGS", {R.LEGS}),
        ("undetermined", None),
    ],
)
def test_a_name_says_its_regions(value, expected):
    assert told_regions(value) == (None if expected is None else frozenset(expected))


def test_a_name_that_is_no_body_part_is_loud():
    with pytest.raises(ValueError, match="'LEFT EAR' is no region"):
        told_regions("LEFT EAR")
    assert len(CLASSES) == 16


@pytest.mark.parametrize(
    ("low", "tolerance", "required", "allowed"),
    [
        (35.0, 0.0, {R.CHEST}, {R.CHEST}),  # L2 to T9: six of the abdomen's nine
        (34.2, 0.6, {R.CHEST}, {R.CHEST, R.ABDOMEN}),  # L3, at 33.8, may be the seventh
        (33.0, 0.6, {R.CHEST, R.ABDOMEN}, {R.CHEST, R.ABDOMEN}),
        (13.0, 0.7, {R.CHEST, R.ABDOMEN}, {R.CHEST, R.ABDOMEN, R.PELVIS}),  # femur's end at 13.6
        (0.5, 0.6, {R.CHEST, R.ABDOMEN, R.PELVIS}, {R.CHEST, R.ABDOMEN, R.PELVIS}),
    ],
)
def test_regions_of_a_field_by_its_ends(low, tolerance, required, allowed):
    """Up to 80: C7 and C6 with T3 to T1 are five of the neck's nine, six are wanted."""
    truth = regions_of(low, 80.0, tolerance)
    assert (truth.required, truth.allowed) == (required, allowed)


@pytest.mark.parametrize(
    ("value", "right"),
    [
        ("CHEST", True),
        ("CHEST-ABDOMEN", True),
        ("ABDOMEN", False),
        ("CHEST-NECK", False),
        ("undetermined", False),
    ],
)
def test_regions_are_right_when_none_is_missing_and_none_made_up(value, right):
    m = measured({"body_part": part(value)}, regions=regions({R.CHEST}, {R.CHEST, R.ABDOMEN}))
    assert regions_right(m) is right


def test_region_and_class_figures_by_hand():
    chest = regions({R.CHEST}, exact=frozenset({R.CHEST}))
    rows = [
        measured(
            {"body_part": part("CHEST", ("Neck", 0.2), ("Chest", 0.7))},
            name="a",
            regions=chest,
            series_class="Chest",
        ),
        measured(
            {"body_part": part("NECK", ("Chest", 0.3), ("Head", 0.1), ("Neck", 0.6))},
            name="b",
            regions=chest,
            series_class="Chest",
        ),
        measured({}, name="c", group=Group.NECK, regions=chest, series_class="Neck"),
        measured({"body_part": part("LEGS", ("Head", 1.0))}, name="d"),
    ]
    figures = {f.name: f for f in part_figures(Kind.REAL, rows)}
    assert figures["regions right"].value == pytest.approx(100 / 3, abs=1e-4)
    assert figures["regions right where told"].value == 50.0
    assert (figures["regions right, trunk"].value, figures["regions right, trunk"].n) == (50.0, 2)
    assert figures["body part undetermined"].value == pytest.approx(100 / 3, abs=1e-4)
    assert figures["regions exactly those of the landmarks"].n == 3
    assert figures["16 classes right"].value == pytest.approx(100 / 3, abs=1e-4)
    assert figures["16 classes right among the first two"].value == pytest.approx(200 / 3, abs=1e-4)
    assert figures["16 classes told"].value == pytest.approx(200 / 3, abs=1e-4)
    assert figures["class sensitivity, Chest"].value == 50.0
    assert figures["class sensitivity, Neck"].value == 0.0
    assert "class sensitivity, Head" not in figures
    assert confusion(rows) == Counter({("Chest", "Chest"): 1, ("Chest", "Neck"): 1, ("Neck", NONE_TOLD): 1})


def axis(value, pixels=Axis.UNDETERMINED):
    return AxisFinding(value=value, confidence=0.9, from_header=value, from_pixels=pixels)


def test_axis_figures_by_hand():
    quarrel = Disagreement(attribute="ImageOrientationPatient", header="axial", pixels="coronal")
    rows = [
        measured({"axis": axis(Axis.AXIAL, Axis.AXIAL)}, name="a"),
        measured({"axis": axis(Axis.AXIAL, Axis.CORONAL), "disagreements": (quarrel,)}, name="b"),
        measured({"axis": axis(Axis.CORONAL)}, name="c", axis=Axis.CORONAL),
        measured({"axis": axis(Axis.UNDETERMINED)}, name="d", axis=Axis.CORONAL),
    ]
    figures = {f.name: (f.value, f.n) for f in axis_figures(Kind.REAL, rows)}
    assert figures == {
        "axis right": (75.0, 4),
        "axis right by pixels, where told": (50.0, 2),
        "axis not told by pixels": (50.0, 4),
        "axis wrongly called a disagreement": (25.0, 4),
        "axis right, axial": (100.0, 2),
        "axis right, coronal": (50.0, 2),
    }


def test_a_spoilt_stack_must_be_named_for_what_it_is():
    backwards = {"curve_warnings": ("reversed order: score falls towards the head",)}
    spacing = {"curve_warnings": ("spacing does not fit anatomy: 0.3 units/mm",)}
    rows = [
        measured(said, name=str(n), kind=Kind.REVERSED) for n, said in enumerate((backwards, spacing, {}))
    ]
    assert [f.value for f in slope_figures(Kind.REVERSED, rows)] == pytest.approx(
        [33.3333, 66.6667], abs=1e-3
    )
    assert [f.value for f in slope_figures(Kind.WRONG_SPACING, rows)] == pytest.approx(
        [33.3333, 66.6667], abs=1e-3
    )
    assert [f.value for f in slope_figures(Kind.REAL, rows)] == pytest.approx([66.6667], abs=1e-3)


def answer(positive, probability, told=None):
    if told is None:
        told = Contrast.YES if probability > 0.5 else Contrast.NO
    return Answer(positive=positive, told=told, probability=probability)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.8, 1.0])), max_size=30))
def test_the_auc_is_the_share_of_pairs_ranked_rightly(rows):
    """Counted pair by pair, a tie as half."""
    found = auc([answer(*row) for row in rows])
    yes, no = ([p for positive, p in rows if positive is which] for which in (True, False))
    pairs = [1.0 if y > n else 0.5 if y == n else 0.0 for y in yes for n in no]
    if pairs:
        assert found == pytest.approx(sum(pairs) / len(pairs))
    else:
        assert found != found


def test_contrast_figures_by_hand():
    rows = [
        answer(True, 0.9),
        answer(True, 0.4),
        answer(False, 0.2),
        answer(False, 0.6, Contrast.UNDETERMINED),
    ]
    assert brier(rows) == pytest.approx((0.01 + 0.36 + 0.04 + 0.36) / 4)
    silent = answer(True, 0.5, Contrast.UNDETERMINED)
    assert (sensitivity([*rows, silent]), specificity(rows)) == (0.5, 1.0)
    assert auc(rows) == 0.75


def contrast(value, probability=None):
    return {"contrast": ContrastFinding(value=value, confidence=0.9, probability=probability)}


def test_contrast_is_counted_where_it_is_known_and_by_body_part():
    chest, belly = regions({R.CHEST, R.ABDOMEN}), regions({R.PELVIS})
    rows = [
        measured(contrast(Contrast.YES, 0.9), name="a", contrast=Contrast.YES, regions=chest),
        measured(contrast(Contrast.YES, 0.8), name="b", contrast=Contrast.NO, regions=belly),
        measured(contrast(Contrast.UNDETERMINED), name="c", contrast=Contrast.NO, regions=belly),
        measured(contrast(Contrast.YES, 0.8), name="d"),
        measured(contrast(Contrast.NO, 0.1), name="e", contrast=Contrast.NO, group=Group.LEGS),
    ]
    figures = {f.name: (f.value, f.n) for f in contrast_figures(Kind.REAL, rows)}
    assert figures["contrast right among decided"] == (pytest.approx(200 / 3, abs=1e-4), 3)
    assert figures["contrast undetermined"] == (25.0, 4)
    assert figures["contrast AUC"] == (1.0, 3)
    assert figures["contrast undetermined, abdomen and pelvis"] == (50.0, 2)
    assert figures["contrast sensitivity"] == (100.0, 1)
    assert figures["contrast specificity, limb"] == (100.0, 1)
    assert [part_of(m) for m in rows] == ["chest", "abdomen and pelvis", "abdomen and pelvis", "", "limb"]


def test_reliability_bins_by_hand():
    rows = [answer(True, 1.0), answer(False, 0.8), answer(True, 0.05), answer(True, 0.19)]
    assert reliability(rows) == (
        Bin(low=0.0, high=0.2, n=2, mean_probability=pytest.approx(0.12), positive_share=1.0),
        Bin(low=0.8, high=1.0, n=2, mean_probability=pytest.approx(0.9), positive_share=0.5),
    )
