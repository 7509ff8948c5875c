"""Regions and the body part's name."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.bodypart import EXTENTS, NAMED, REACH_UNITS, SEEN, body_part, extents, name, named_regions
from inference.curve import SLOPE_PER_MM
from inference.findings import Region
from inference.landmark_table import LANDMARK_SCORES
from inference.series_class import Acquisition
from tests.inference.real_series import DATA
from tests.inference.score_factory import CALIBRATION, fitted


def curve_between(low, high, step=5.0, *, down=False):
    z = np.arange(0, (high - low) / SLOPE_PER_MM + step / 2, step)
    z = z[::-1] if down else z
    return fitted(z, low + SLOPE_PER_MM * z)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-10, 60, "ABDOMEN-PELVIS"),
        (-1, 30, "PELVIS"),
        (24, 58, "ABDOMEN"),
        (40, 78, "CHEST"),
        (44, 78, "CHEST"),
        (-5, 80, "CHEST-ABDOMEN-PELVIS"),
        (-5, 86, "NECK-CHEST-ABDOMEN-PELVIS"),
        (60, 108, "HEAD-NECK"),
        (40, 108, "HEAD-NECK-CHEST"),
        (-60, 108, "HEAD-NECK-CHEST-ABDOMEN-PELVIS-LEGS"),
        (88, 107, "HEAD"),
        (70, 88, "NECK"),
        (34.3, 82.6, "CHEST"),  # a chest that reaches C5 is no neck
        (34.3, 83.9, "NECK-CHEST"),
        (79.0, 108, "HEAD-NECK"),
        (80.0, 108, "HEAD"),
        (15, 80, "CHEST-ABDOMEN"),
        (-60, 2, "LEGS"),
        (-20, 5, "LEGS"),
    ],
)
def test_the_name_follows_the_field(low, high, expected):
    assert body_part(curve_between(low, high), 1000, CALIBRATION).value == expected


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-3.0, -3.0, "LEGS"),
        (10.0, 13.0, "PELVIS"),
        (40.0, 45.0, "ABDOMEN"),
        (55.0, 65.0, "CHEST"),
        (43.3, 66.3, "CHEST"),  # 10.7 units of the abdomen's band, 12.3 of the chest's
        (43.3, 64.0, "ABDOMEN"),
        (80.0, 82.0, "NECK"),
        (92.0, 96.0, "HEAD"),
        (-5.0, 5.0, "PELVIS"),  # as much of either: the upper
    ],
)
def test_a_field_in_which_no_region_is_seen_is_named_by_its_fullest_band(low, high, expected):
    assert name(low, high) == expected


SCORE = st.floats(-60, 110)


@given(st.lists(SCORE, min_size=4, max_size=4))
def test_a_larger_field_never_loses_a_region_that_is_seen(scores):
    outer_low, low, high, outer_high = sorted(scores)
    small, large = named_regions(np.asarray([low, outer_low]), np.asarray([high, outer_high]))
    counts = [sum(low <= LANDMARK_SCORES[m] <= high for m in marks) >= n for marks, n in SEEN.values()]
    if any(counts) or low <= -23.6:
        assert not (small & ~large).any()
    assert small.any()
    assert large.any()


STEP_MM = 2.0


def slices_of_a_body(first, last):
    """The slices first to last of one body, -60 units at slice 0, and so on at the usual slope."""
    z = STEP_MM * np.arange(first, last + 1)
    return fitted(z, -60 + SLOPE_PER_MM * z)


@given(st.lists(st.integers(0, 700), min_size=4, max_size=4))
def test_a_larger_field_never_loses_a_listed_region(numbers):
    outer_first, first, last, outer_last = sorted(numbers)
    small, large = (
        {e.region for e in extents(slices_of_a_body(*ends), 1000)}
        for ends in ((first, last), (outer_first, outer_last))
    )
    assert small
    if (last - first) * STEP_MM * SLOPE_PER_MM >= 2 * REACH_UNITS:  # shorter ones may go by their name alone
        assert small <= large


@given(SCORE, SCORE)
def test_every_named_region_is_listed(a, b):
    low, high = sorted((a, b))
    curve = curve_between(low, high, step=2.0)
    ends = float(curve.score[0]), float(curve.score[-1])
    named = {r for r, yes in zip(NAMED, named_regions(*np.asarray([ends]).T)[0], strict=True) if yes}
    assert named <= {e.region for e in extents(curve, 1000)} or ends[1] - ends[0] < 2 * REACH_UNITS


@pytest.mark.parametrize(
    ("high", "regions"),
    [
        (83.0, [Region.CHEST, Region.NECK]),  # 1.2 units above C5: not a head
        (84.9, [Region.CHEST, Region.NECK, Region.HEAD]),
    ],
)
def test_less_than_a_vertebra_of_a_region_is_not_listed(high, regions):
    part = body_part(curve_between(57, high, step=1.0), 1000, CALIBRATION)
    assert [r.region for r in part.regions] == regions


def test_a_slab_thinner_than_a_vertebra_is_listed_under_its_name():
    part = body_part(curve_between(46, 47, step=2.0), 1000, CALIBRATION)
    assert (part.value, [r.region for r in part.regions]) == ("ABDOMEN", [Region.ABDOMEN])


def test_a_score_that_dips_still_makes_one_run_of_slices():
    curve = curve_between(0, 80)
    score = curve.score.copy()
    score[60] = score[40]
    (pelvis, *_), (whole, *_) = (extents(replace(curve, score=s), 1000) for s in (score, curve.score))
    assert pelvis == whole
    bounds = [(e.first_slice, e.last_slice) for e in extents(replace(curve, score=score), 1000)]
    assert all(b[0] <= a[1] + 1 for a, b in pairwise(bounds))


def test_every_landmark_of_a_name_lies_in_its_region():
    for region, (landmarks, _) in SEEN.items():
        low, high = EXTENTS[region]
        assert all(low <= LANDMARK_SCORES[landmark] <= high for landmark in landmarks)


def test_the_extents_overlap_and_run_from_the_feet_up():
    part = body_part(curve_between(-10, 80), 1000, CALIBRATION)
    assert [r.region for r in part.regions] == [
        Region.LEGS,
        Region.PELVIS,
        Region.ABDOMEN,
        Region.CHEST,
        Region.NECK,
    ]
    for extent in part.regions:
        low, high = (-10 + SLOPE_PER_MM * extent.start_mm, -10 + SLOPE_PER_MM * extent.end_mm)
        assert extent.first_slice == extent.start_mm / 5
        assert extent.last_slice == extent.end_mm / 5
        assert low <= high
    abdomen = part.regions[2]
    assert -10 + SLOPE_PER_MM * (abdomen.start_mm - 5) < LANDMARK_SCORES["L5"]
    assert -10 + SLOPE_PER_MM * abdomen.start_mm >= LANDMARK_SCORES["L5"]
    assert -10 + SLOPE_PER_MM * abdomen.end_mm < LANDMARK_SCORES["T8"]
    assert -10 + SLOPE_PER_MM * (abdomen.end_mm + 5) >= LANDMARK_SCORES["T8"]


def test_slices_that_run_down_are_counted_from_the_top():
    up, down = (body_part(curve_between(0, 80, down=d), 1000, CALIBRATION).regions for d in (False, True))
    count = len(curve_between(0, 80).z_mm)
    for a, b in zip(up, down, strict=True):
        assert (a.region, a.start_mm, a.end_mm) == (b.region, b.start_mm, b.end_mm)
        assert (b.first_slice, b.last_slice) == (count - 1 - a.last_slice, count - 1 - a.first_slice)


def test_confidence_is_lost_where_the_name_hangs_on_a_few_slices():
    # nine chest landmarks are seen from T4, 68.5 units, upwards
    sure = body_part(curve_between(-8, 62), 1000, CALIBRATION)
    unsure = body_part(curve_between(-8, 68.4), 1000, CALIBRATION)
    assert sure.value == unsure.value == "ABDOMEN-PELVIS"
    assert sure.confidence == 1.0
    assert 0.55 < unsure.confidence < 0.65  # its top slice lies at 68.1: the normal's P(error < 0.25 sd)
    worse = body_part(curve_between(-8, 62), 1000, replace(CALIBRATION, offset_sd=6.0))
    assert worse.confidence < sure.confidence


def test_an_end_that_is_uncertain_alone_costs_confidence_alone():
    curve = curve_between(-8, 62)
    sd = np.full(len(curve.z_mm), 1.5)
    top, bottom = sd.copy(), sd.copy()
    top[-1] = bottom[0] = 8.0
    part = {
        where: body_part(_with_sd(curve, values), 1000, CALIBRATION).confidence
        for where, values in (("nowhere", sd), ("top", top), ("bottom", bottom))
    }
    assert part["nowhere"] == 1.0
    assert 0.7 < part["top"] < 0.85  # P(error > 6.5 units of sd 8.1)
    assert 0.8 < part["bottom"] < 1.0


def _with_sd(curve, sd):
    """The curve with an sd for each slice, whether or not it has a field for it."""
    made = replace(curve)
    object.__setattr__(made, "sd", sd)
    return made


def test_a_curve_that_is_not_credible_names_nothing():
    curve = replace(curve_between(0, 80), doubts=("no body",))
    part = body_part(curve, 1000, CALIBRATION)
    assert (part.value, part.confidence, part.regions) == ("undetermined", 0.0, ())
    assert part.classes == ()


def test_the_classes_come_with_the_name():
    part = body_part(curve_between(-5, 80), 1000, CALIBRATION, Acquisition(field_of_view_mm=400.0))
    assert part.value == "CHEST-ABDOMEN-PELVIS"
    assert [c.name for c in part.classes] == ["Chest-abdomen-pelvis"]
    assert part.classes[0].probability > 0.95


def test_the_scores_are_those_of_the_published_table():
    table = DATA / "priors" / "bpr_lookup_table.csv"
    if not table.is_file():
        pytest.skip("real CT absent: priors/bpr_lookup_table.csv is not in ../shared/data")
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    published = {landmark.replace("Th", "T"): float(mean) for landmark, mean, _ in rows}
    assert {n: published[n] for n in LANDMARK_SCORES} == LANDMARK_SCORES
