"""Volumes whose scores mean nothing, and volumes whose scores may mean something."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.trust import doubts, uncounted, uncounted_from_above
from inference.volume import Volume
from tests.inference.score_factory import AXIAL, CORONAL, LOOK, geometry


def volume(*, side: int = 100, pixel_mm: float = 2.5, body: float = 1.0, directions: tuple = AXIAL) -> Volume:
    """Air, but for a share of the rows that is water."""
    hu = np.full((3, side, side), -1000, np.int16)
    hu[:, : round(side * body)] = 0
    g = geometry((3, side, side), directions, pixel_mm=(pixel_mm, pixel_mm))
    return Volume(series_instance_uid="1.2.3", number=1, geometry=g, voxels=hu)


def test_a_whole_cross_section_is_believed() -> None:
    assert doubts(volume(side=100, pixel_mm=2.5), LOOK) == ()


@pytest.mark.parametrize(("side", "narrow"), [(43, True), (44, False)])
def test_a_field_smaller_than_a_spine_s_is_not(side: int, narrow: bool) -> None:
    """44 pixels of 2.5 mm are 110 mm."""
    expected = ("field of view 108 x 108 mm: less than 110 mm is too little to see",) if narrow else ()
    assert doubts(volume(side=side, pixel_mm=2.5), LOOK) == expected


def test_a_narrow_coronal_series_is_left_to_its_curve() -> None:
    assert doubts(volume(side=40, directions=CORONAL), LOOK) == ()


@pytest.mark.parametrize(
    ("body", "expected"),
    [(0.0, ("no body in the pixels: 0.0 % of them are tissue",)), (0.04, ())],
)
def test_pixels_without_a_body_are_not_believed(body: float, expected: tuple[str, ...]) -> None:
    """2 % are asked for; of every fourth row, 1 of 25 is body."""
    assert doubts(volume(body=body), LOOK) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [(0.499, ("the pixels do not look like a human body: probability 0.50",)), (0.5, ())],
)
def test_what_does_not_look_like_a_body_is_not_believed(body: float, expected: tuple[str, ...]) -> None:
    assert doubts(volume(), replace(LOOK, body=body)) == expected


def test_every_doubt_is_told() -> None:
    told = doubts(volume(side=40, body=0.0), replace(LOOK, body=0.0))
    assert [reason.split(":")[0] for reason in told] == [
        "field of view 100 x 100 mm",
        "no body in the pixels",
        "the pixels do not look like a human body",
    ]


@pytest.mark.parametrize(("side", "narrow"), [(59, True), (60, False)])
def test_vertebrae_are_not_counted_in_a_narrow_field(side: int, narrow: bool) -> None:
    """60 pixels of 2.5 mm are 150 mm."""
    reason = "vertebrae are not counted in a field of 148 mm: ribs and pelvis are outside"
    assert uncounted(volume(side=side).geometry) == (reason if narrow else "")
    assert uncounted(volume(side=side, directions=CORONAL).geometry) == ""


@pytest.mark.parametrize(
    ("side", "body", "sacrum", "told"),
    [
        (103, 0.9, 0.49, False),  # 257 mm
        (103, 0.9, 0.5, True),
        (105, 0.3, 0.0, False),  # 262 mm, its edge in the body
        (105, 0.0, 0.0, True),  # and not
        (131, 1.0, 0.0, False),
        (132, 1.0, 0.0, True),  # 330 mm
    ],
)
def test_a_cut_field_counts_from_the_sacrum(side: int, body: float, sacrum: float, told: bool) -> None:
    reason = f"in a field of {side * 2.5:.0f} mm vertebrae are counted from the sacrum, which is not in it"
    assert uncounted_from_above(volume(side=side, body=body), sacrum) == ("" if told else reason)


def test_a_slab_counts_from_the_sacrum() -> None:
    """Three coronal slices of 5 mm, 400 mm wide, are a field of 77 mm."""
    slab = volume(side=160, directions=CORONAL)
    assert "77 mm" in uncounted_from_above(slab, 0.2)
    assert uncounted_from_above(slab, 0.9) == ""
