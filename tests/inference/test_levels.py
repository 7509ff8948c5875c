"""T12 and L3 from a curve."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.curve import SLOPE_PER_MM, fit
from inference.findings import Presence
from inference.levels import GAP_MM, LEVEL_SCORES, crossings_mm, find_levels, finding
from tests.inference.score_factory import CALIBRATION

HALF = CALIBRATION.level_half_width_mm


def curve_of(low_mm, high_mm, step=5.0, slope=SLOPE_PER_MM, bend=None):
    """z 0 is L3; the field runs from low_mm to high_mm."""
    z = np.arange(low_mm, high_mm + step / 2, step)
    raw = LEVEL_SCORES["L3"] + slope * z
    return fit(z, raw if bend is None else bend(z, raw), np.ones(len(z)), CALIBRATION)


T12_MM = (LEVEL_SCORES["T12"] - LEVEL_SCORES["L3"]) / SLOPE_PER_MM


@given(st.floats(0.7, 8.0), st.floats(-3, 3))
def test_a_straight_curve_gives_both_levels_exactly(step, shift):
    found = find_levels(curve_of(-100 + shift, 250 + shift, step), CALIBRATION)
    assert found["L3"].z_mm == pytest.approx(0.0, abs=1e-6)
    assert found["T12"].z_mm == pytest.approx(T12_MM, abs=1e-6)
    for level in found.values():
        assert level.presence is Presence.FOUND
        assert (level.half_width_mm, level.confidence) == (HALF, 0.9)
        assert level.reason == ""


@pytest.mark.parametrize(("low", "presence"), [(-25, Presence.FOUND), (-15, Presence.CANNOT_TELL)])
def test_the_whole_interval_must_be_in_the_field(low, presence):
    level = find_levels(curve_of(low, 200), CALIBRATION)["L3"]
    assert level.presence is presence
    if presence is Presence.CANNOT_TELL:
        assert level.reason == "15 mm from the end of the field, where 20 mm are needed"
        assert level.z_mm is None
        assert level.confidence == 0.0


def test_a_level_just_outside_cannot_be_told():
    level = find_levels(curve_of(10, 200), CALIBRATION)["L3"]
    assert level.presence is Presence.CANNOT_TELL
    assert level.reason == "about 10 mm below the field, by a curve that is not that sure"


def test_a_level_far_outside_is_not_in_the_field():
    level = find_levels(curve_of(40, 240), CALIBRATION)["L3"]
    assert level.presence is Presence.NOT_IN_FIELD
    assert level.reason == "about 40 mm below the field"
    # Phi(40 * 0.118 / 1.5) = 0.99917, held at 0.99
    assert level.confidence == 0.99
    near = find_levels(curve_of(40, 240), replace(CALIBRATION, offset_sd=4.0))["L3"]
    assert near.confidence == pytest.approx(0.881)  # Phi(1.18)


def test_a_level_above_the_field_is_said_to_be_above():
    level = find_levels(curve_of(-200, T12_MM - 50), CALIBRATION)["T12"]
    assert level.presence is Presence.NOT_IN_FIELD
    assert level.reason.endswith("mm above the field")


def test_nothing_is_read_from_a_curve_that_is_not_credible():
    upside_down = curve_of(-150, 250, slope=-SLOPE_PER_MM)
    for level in find_levels(upside_down, CALIBRATION).values():
        assert level.presence is Presence.CANNOT_TELL
        assert level.reason.startswith("the score curve is not credible: reversed order")


def bent(depth: float):
    """A curve with a dip of so many units about 60 mm above L3."""
    return curve_of(-200, 400, bend=lambda z, raw: raw - depth * np.exp(-0.5 * ((z - 60) / 15) ** 2))


def test_a_value_crossed_far_apart_widens_the_interval():
    curve = bent(9.0)
    first, *_, last = crossings_mm(curve.z_mm, curve.score, LEVEL_SCORES["L3"])
    level = find_levels(curve, CALIBRATION)["L3"]
    assert last - first > 40
    assert level.presence is Presence.FOUND
    assert first <= level.z_mm <= last
    assert level.half_width_mm >= HALF + (last - first - 20) / 2
    assert level.reason.startswith("the curve crosses 33.817 at 3 places")


def test_a_curve_that_has_lost_its_way_tells_no_level():
    level = find_levels(bent(14.0), CALIBRATION)["L3"]
    assert level.presence is Presence.CANNOT_TELL
    assert level.reason == "T12 to L3 is 28 mm, 98 mm expected"


@pytest.mark.parametrize(
    ("gap", "presence", "half"),
    [
        (GAP_MM, Presence.FOUND, HALF),
        (GAP_MM + 18, Presence.FOUND, HALF),
        (GAP_MM + 25, Presence.FOUND, HALF + 25 - 2 * np.hypot(7.7, 5)),
        (GAP_MM - 25, Presence.FOUND, HALF + 25 - 2 * np.hypot(7.7, 5)),
        (GAP_MM + 40, Presence.CANNOT_TELL, 0.0),
        (GAP_MM - 40, Presence.CANNOT_TELL, 0.0),
    ],
)
def test_the_distance_of_the_levels_is_held_against_anatomy(gap, presence, half):
    slope = (LEVEL_SCORES["T12"] - LEVEL_SCORES["L3"]) / gap
    curve = curve_of(-100, 250, slope=slope)
    lenient = replace(curve, credible=True, warnings=())
    for level in find_levels(lenient, CALIBRATION).values():
        assert level.presence is presence
        assert level.half_width_mm == pytest.approx(half)
        assert bool(level.reason) is (abs(gap - GAP_MM) > 20)


def test_the_finding_points_at_the_nearest_slice_in_the_caller_s_order():
    z = np.arange(-100, 250, 5.0)[::-1] + 1.0
    raw = LEVEL_SCORES["L3"] + SLOPE_PER_MM * z
    curve = fit(z, raw, np.ones(len(z)), CALIBRATION)
    uids = tuple(f"1.2.{i}" for i in range(len(z)))
    found = finding(find_levels(curve, CALIBRATION)["L3"], curve, uids)
    nearest = int(np.abs(z).argmin())
    assert (found.slice_index, found.sop_instance_uid) == (nearest, uids[nearest])
    assert found.z_mm == pytest.approx(0, abs=1e-6)
    assert found.interval_mm == pytest.approx((-HALF, HALF), abs=1e-6)
    reformat = finding(find_levels(curve, CALIBRATION)["L3"], curve, ())
    assert (reformat.slice_index, reformat.sop_instance_uid) == (None, None)
    assert reformat.z_mm == found.z_mm


def test_a_level_that_is_not_found_points_nowhere():
    curve = curve_of(40, 240)
    found = finding(find_levels(curve, CALIBRATION)["L3"], curve, ("1.2",) * 100)
    assert (found.z_mm, found.slice_index, found.sop_instance_uid, found.interval_mm) == (None,) * 4
    assert found.presence is Presence.NOT_IN_FIELD


def test_an_interval_that_would_tell_nothing_is_not_told():
    unsure = replace(CALIBRATION, gap_sd_mm=40.0, level_half_width_mm=60.0)
    gap = GAP_MM + 130  # 49 mm beyond two sd: 109 mm either way
    curve = curve_of(-200, 500, slope=(LEVEL_SCORES["T12"] - LEVEL_SCORES["L3"]) / gap)
    lenient = replace(curve, credible=True, warnings=())
    for level in find_levels(lenient, unsure).values():
        assert level.presence is Presence.CANNOT_TELL
        assert level.reason == f"T12 to L3 is {gap:.0f} mm, {GAP_MM:.0f} mm expected"
