"""The body mask, its centre, and the coarser grid."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.results import body
from tests.inference.results_factory import AIR_HU, BODY_HU, synthetic


def test_largest_piece_with_its_holes_filled() -> None:
    voxels = np.full((2, 20, 20), AIR_HU, dtype=np.int16)
    voxels[:, 4:14, 4:14] = BODY_HU
    voxels[:, 8:10, 8:10] = -850  # lung
    voxels[:, 17:19, 2:18] = BODY_HU  # a table below, not touching
    mask = body.body_mask(voxels)
    expected = np.zeros_like(mask)
    expected[:, 4:14, 4:14] = True
    assert np.array_equal(mask, expected)


def test_no_body_is_an_empty_mask() -> None:
    assert not body.body_mask(np.full((2, 8, 8), AIR_HU, dtype=np.int16)).any()


def test_centre_is_the_centroid_in_patient_coordinates() -> None:
    _, volume = synthetic(3, 64)
    # Cylinder about pixel 40, 40 of 0.8 mm; slice 2 lies at (-20, -30, 100) + 2 * (0, 0, 5).
    assert body.body_centre_mm(volume, 2) == pytest.approx((-20 + 32, -30 + 32, 110), abs=1e-6)


def test_centre_of_a_rotated_slice_follows_its_cosines() -> None:
    _, volume = synthetic(3, 64, orientation=(0, 1, 0, 0, 0, -1), step_mm=(-2.0, 0, 0))
    assert body.body_centre_mm(volume, 1) == pytest.approx((-20 - 2, -30 + 32, 100 - 32), abs=1e-6)


def test_centre_without_a_body_is_that_of_the_image() -> None:
    _, volume = synthetic(3, 64)
    air = replace(volume, voxels=np.full_like(volume.voxels, AIR_HU))
    assert body.body_centre_mm(air, 0) == pytest.approx((-20 + 31.5 * 0.8, -30 + 31.5 * 0.8, 100))


@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    factor=st.integers(1, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_block_means_are_the_means_of_the_blocks(rows: int, columns: int, factor: int, seed: int) -> None:
    voxels = np.random.default_rng(seed).integers(-1000, 1000, (2, rows, columns)).astype(np.int16)
    reduced = body.block_means(voxels, factor)
    assert reduced.shape == (2, -(-rows // factor), -(-columns // factor))
    for r in range(rows // factor):  # whole blocks only
        for c in range(columns // factor):
            block = voxels[:, r * factor : (r + 1) * factor, c * factor : (c + 1) * factor]
            assert reduced[:, r, c] == pytest.approx(block.mean(axis=(1, 2)), abs=1e-2)
