"""Spacing that is not regular: mended and told where it is moderate, else refused."""

from __future__ import annotations

import numpy as np
import pytest
from highdicom.spatial import get_volume_positions
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from storage.geometry.faults import spacing_tolerance
from storage.geometry.stack import examine, stack
from tests.inference.series_factory import AXIAL, ct_slice, placed
from tests.storage.geometry.test_stack import refusal


def test_a_spacing_that_drifts_is_told_and_not_taken_for_regular() -> None:
    # each spacing is within tolerance of the commonest, 1.00 mm, but 0.90 is not of the mean, 1.04 mm
    climbed = np.cumsum([0.0, 0.9, *[1.0] * 11, *[1.1] * 9])
    datasets = [ct_slice((0, 0, float(z)), number=n) for n, z in enumerate(climbed, start=1)]

    examined = examine(placed(datasets))

    assert [c.detail for c in examined.checks] == [
        "spacing drifts from 0.90 to 1.10 mm in 22 slices: slices placed by their own positions"
    ]
    assert not examined.geometry.regular
    assert examined.geometry.spacing_mm == pytest.approx(climbed[-1] / 21, abs=1e-9)


def heights(*z_mm: float) -> list[Dataset]:
    return [ct_slice((0, 0, z), number=n) for n, z in enumerate(z_mm, start=1)]


@pytest.mark.parametrize(
    ("places", "reason"),
    [
        # a step of less than half, or of more than one and a half of the median
        ((0, 5, 10, 12.4, 17.4, 22.4), "uneven spacing of 2.40 mm between instance 3 and instance 4"),
        ((0, 5, 10, 17.6, 22.6, 27.6), "uneven spacing of 7.60 mm between instance 3 and instance 4"),
        # farther apart than anything is interpolated over
        ((0, 9, 18, 28.1, 37.1, 46.1), "uneven spacing of 10.10 mm between instance 3 and instance 4"),
        # of four slices none is the usual spacing
        ((0, 5, 10, 16), "uneven spacing of 6.00 mm between instance 3 and instance 4"),
    ],
)
def test_a_spacing_too_uneven_to_mend_is_refused_with_the_slices(places, reason) -> None:
    assert refusal(heights(*places)).startswith(reason)


@pytest.mark.parametrize("places", [(0, 5, 10, 12.6, 17.6, 22.6), (0, 5, 10, 17.4, 22.4, 27.4)])
def test_just_inside_those_limits_it_is_mended(places) -> None:
    assert not stack(placed(heights(*places))).regular


@given(steps=st.lists(st.floats(0.3, 3.0), min_size=2, max_size=30))
def test_what_is_called_regular_is_so_for_highdicom(steps: list[float]) -> None:
    places = np.cumsum([0.0, *steps])
    examined = examine(placed(heights(*places)))
    spacing_mm, _ = get_volume_positions(
        [(0, 0, float(f"{z:.9g}")) for z in places],
        AXIAL,
        atol=spacing_tolerance(float(np.median(np.diff(places)))),
        index_convention="RD",
    )

    if examined.geometry is not None and examined.geometry.regular:
        assert spacing_mm == pytest.approx(examined.geometry.spacing_mm, abs=1e-6)
    if spacing_mm is None:
        assert examined.geometry is None or not examined.geometry.regular
