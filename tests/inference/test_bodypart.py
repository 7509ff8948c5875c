"""Regions and the body part's name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.bodypart import LANDMARK_SCORES, body_part, name
from inference.curve import SLOPE_PER_MM, fit
from inference.findings import Region
from tests.inference.real_series import DATA
from tests.inference.score_factory import CALIBRATION


def curve_between(low, high, step=5.0, *, down=False):
    z = np.arange(0, (high - low) / SLOPE_PER_MM + step / 2, step)
    z = z[::-1] if down else z
    return fit(z, low + SLOPE_PER_MM * z, np.ones(len(z)), CALIBRATION)


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
        (-60, 2, "LEGS"),
        (-20, 5, "LEGS"),
    ],
)
def test_the_name_follows_the_field(low, high, expected):
    assert body_part(curve_between(low, high), 1000, CALIBRATION).value == expected


@pytest.mark.parametrize(
    ("score", "expected"),
    [(-3.0, "LEGS"), (10.0, "PELVIS"), (40.0, "ABDOMEN"), (60.0, "CHEST"), (80.0, "NECK"), (95.0, "HEAD")],
)
def test_a_short_field_is_named_by_its_band(score, expected):
    assert name(np.full(5, score), 20.0) == expected


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
    assert 0.5 < unsure.confidence < 0.7
    worse = body_part(curve_between(-8, 62), 1000, replace(CALIBRATION, offset_sd=6.0))
    assert worse.confidence < sure.confidence


def test_a_curve_that_is_not_credible_names_nothing():
    curve = replace(curve_between(0, 80), credible=False)
    part = body_part(curve, 1000, CALIBRATION)
    assert (part.value, part.confidence, part.regions) == ("undetermined", 0.0, ())


def test_the_scores_are_those_of_the_published_table():
    table = DATA / "priors" / "bpr_lookup_table.csv"
    if not table.is_file():
        pytest.skip("real CT absent: priors/bpr_lookup_table.csv is not in ../shared/data")
    rows = [line.split(",") for line in table.read_text().splitlines()[1:]]
    published = {landmark.replace("Th", "T"): float(mean) for landmark, mean, _ in rows}
    assert {n: published[n] for n in LANDMARK_SCORES} == LANDMARK_SCORES
