"""T12 and L3 from the posterior: found, not in the field, or cannot tell."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.findings import LevelFinding, Presence
from inference.levels import LEVELS, LevelCalibration, doubted, find_level, place
from inference.spine import VERTEBRAE
from tests.inference.score_factory import certain

GRID = np.arange(-150.0, 451, 3.0)
INSIDE = (GRID >= 0) & (GRID <= 300)
SLICES = np.arange(0, 301, 5.0)
UIDS = tuple(f"1.2.{k}" for k in range(len(SLICES)))
CALIBRATION = LevelCalibration(right_level=0.95, half_width_mm=8.0, coverage=0.9)


def found(where, slices=SLICES, uids=UIDS, variants=()):
    """What is said of an L3 that lies at each z with the probability given."""
    return find_level("L3", certain(GRID, INSIDE, {"L3": where}), slices, uids, CALIBRATION, variants)


def test_a_level_that_is_seen_is_found():
    assert found({150: 1.0}) == LevelFinding(
        presence=Presence.FOUND,
        z_mm=150.0,
        slice_index=30,
        sop_instance_uid="1.2.30",
        confidence=round(0.95 * 0.9, 3),
        interval_mm=(142.0, 158.0),
        reason="",
        warnings=(),
    )


def test_each_level_is_read_from_its_own_vertebra():
    posterior = certain(GRID, INSIDE, {"T12": {201: 1.0}, "L1": {180: 1.0}, "L3": {102: 1.0}})
    heights = [find_level(n, posterior, SLICES, UIDS, CALIBRATION).z_mm for n in LEVELS]
    assert (LEVELS, heights) == (("T12", "L3"), [201.0, 102.0])


@pytest.mark.parametrize(
    ("inside", "presence"),
    [
        (0.0, Presence.NOT_IN_FIELD),
        (0.03, Presence.NOT_IN_FIELD),
        (0.031, Presence.CANNOT_TELL),
        (0.5, Presence.CANNOT_TELL),
        (0.899, Presence.CANNOT_TELL),
        (0.9, Presence.FOUND),
        (1.0, Presence.FOUND),
    ],
)
def test_the_field_must_hold_nearly_all_or_next_to_nothing(inside, presence):
    level = found({150: inside, -90: 1 - inside})
    assert level.presence is presence
    if presence is Presence.NOT_IN_FIELD:
        assert level.confidence == round(1 - inside, 3)
        assert level.reason == "about 90 mm below the field"
    if presence is Presence.CANNOT_TELL:
        assert level.confidence == 0.0
        assert level.reason == f"in the field with probability {inside:.2f} only"
    if presence is not Presence.FOUND:
        assert (level.z_mm, level.slice_index, level.sop_instance_uid, level.interval_mm) == (None,) * 4


@pytest.mark.parametrize(("sure", "presence"), [(0.9, Presence.FOUND), (0.899, Presence.CANNOT_TELL)])
def test_two_places_a_vertebra_apart_are_not_one(sure, presence):
    level = found({150: sure, 117: 1 - sure})
    assert level.presence is presence
    if presence is Presence.FOUND:
        assert (level.z_mm, level.confidence) == (150.0, round(0.9 * 0.95 * 0.9, 3))
    else:
        assert level.reason == "two vertebrae are alike: probability 0.90 for z 150"


@pytest.mark.parametrize(("away", "z_mm", "mass"), [(12, 152.4, 1.0), (15, 150.0, 0.8)])
def test_places_nearer_than_half_a_vertebra_are_one(away, z_mm, mass):
    spot = place(certain(GRID, INSIDE, {"L3": {150: 0.8, 150 + away: 0.2}}), VERTEBRAE.index("L3"))
    assert (spot.z_mm, spot.probability, spot.inside) == pytest.approx((z_mm, mass, 1.0))


@pytest.mark.parametrize(
    ("low", "high", "reason"),
    [
        (145.0, 300.0, ""),
        (145.01, 300.0, "5 mm from the end of the field"),
        (148.0, 300.0, "2 mm from the end of the field"),
        (0.0, 155.0, ""),
        (0.0, 154.0, "4 mm from the end of the field"),
        (152.0, 300.0, "0 mm from the end of the field"),
    ],
)
def test_a_body_at_the_end_of_the_field_is_not_seen_whole(low, high, reason):
    level = found({150: 1.0}, slices=np.linspace(low, high, 50))
    assert level.reason == reason
    assert level.presence is (Presence.CANNOT_TELL if reason else Presence.FOUND)


@pytest.mark.parametrize(
    ("z", "reason"), [(-60, "about 60 mm below the field"), (342, "about 42 mm above the field")]
)
def test_where_a_level_lies_that_is_not_in_the_field(z, reason):
    level = found({z: 1.0})
    assert (level.presence, level.confidence, level.reason) == (Presence.NOT_IN_FIELD, 1.0, reason)


@given(st.integers(2, 98), st.sampled_from([1, -1]), st.floats(0.7, 8))
def test_the_nearest_slice_is_in_the_caller_s_order(row, direction, step):
    z = np.arange(0, 300, step)[::direction]
    uids = tuple(f"1.2.{k}" for k in range(len(z)))
    at = 3.0 * row
    level = found({at: 1.0}, z, uids)
    if level.presence is Presence.FOUND:
        assert np.abs(z - at).min() == abs(z[level.slice_index] - at)
        assert level.sop_instance_uid == uids[level.slice_index]
        assert level.z_mm == at
    else:
        assert not z.min() + 5 <= at <= z.max() - 5


def test_descending_slices_are_counted_from_the_head():
    level = found({150: 0.5, 153: 0.5}, SLICES[::-1], UIDS)
    assert level.z_mm == pytest.approx(151.5)
    assert (level.slice_index, level.sop_instance_uid) == (30, "1.2.30")
    level = found({201: 1.0}, SLICES[::-1], UIDS)
    assert (level.slice_index, level.sop_instance_uid) == (20, "1.2.20")


def test_no_slice_is_meant_where_they_are_not_axial():
    level = found({150: 1.0}, uids=())
    assert (level.presence, level.z_mm) == (Presence.FOUND, 150.0)
    assert (level.slice_index, level.sop_instance_uid) == (None, None)


def test_a_spine_that_counts_otherwise_is_told_beside_the_level():
    level = found({150: 1.0}, variants=("13 thoracic or 6 lumbar vertebrae",))
    assert level.presence is Presence.FOUND
    assert level.warnings == (
        "this spine may have 13 thoracic or 6 lumbar vertebrae: the name is a convention",
    )


@pytest.mark.parametrize(
    ("sd_mm", "presence", "reason"),
    [
        (25.5, Presence.NOT_IN_FIELD, "about 51 mm below the field"),
        (25.6, Presence.CANNOT_TELL, "about 51 mm below the field, by a curve that is only sure to 26 mm"),
    ],
)
def test_a_level_nearer_than_the_curve_is_sure_may_be_in_the_field(sd_mm, presence, reason):
    spine = certain(GRID, INSIDE, {"L3": {-51: 1.0}})
    told = find_level("L3", spine, SLICES, UIDS, CALIBRATION, sd_mm=sd_mm)
    assert (told.presence, told.reason) == (presence, reason)


@pytest.mark.parametrize("presence", Presence)
def test_only_a_level_that_was_found_is_doubted(presence):
    level = LevelFinding(presence=presence, z_mm=7.0, reason="own")
    told = doubted(level, "cut")
    if presence is Presence.FOUND:
        assert told == LevelFinding(presence=Presence.CANNOT_TELL, reason="cut")
        assert doubted(level, "") == level
    else:
        assert told == level
