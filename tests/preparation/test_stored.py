"""Volumes as they are stored: coarse, upright, and every voxel where it was in the patient."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from inference.evaluation.volumes import placed
from inference.findings import Axis
from inference.preparation.stored import Stored, stored
from inference.series import volumes_of
from inference.volume import Volume
from tests.inference.series_factory import CORONAL, save, set_pixels, stack_of

MIRRORED = (-1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
"""Axial, the normal to the feet."""


def volume(tmp_path: Path, count: int = 6, **more: object) -> Volume:
    """4 x 6 pixels of 3 mm, each voxel with a CT number of its own."""
    datasets = stack_of(count, PixelSpacing=[3.0, 3.0], **more)  # type: ignore[arg-type]
    for k, ds in enumerate(datasets):
        set_pixels(ds, (1024 + 24 * k + np.arange(24).reshape(4, 6)).astype(np.uint16))
    (read,) = volumes_of(save(datasets, tmp_path / "ct"))
    return read.volume  # type: ignore[union-attr]


def along(kept: Stored) -> Volume:
    """As `ctnode evaluate` reads it."""
    return placed("x", kept.hu, kept.z_mm, kept.pixel_mm, kept.iop)


def test_an_axial_volume_keeps_its_heights_and_numbers(tmp_path: Path) -> None:
    source = volume(tmp_path, origin=(0.0, 0.0, -40.0))
    kept = stored(source)
    assert kept.axis is Axis.AXIAL
    assert kept.z_mm.tolist() == [-40, -35, -30, -25, -20, -15]
    assert kept.source_index.tolist() == [0, 1, 2, 3, 4, 5]
    assert (kept.hu == source.voxels).all() and kept.pixel_mm.tolist() == [3, 3]


def test_a_normal_to_the_feet_is_turned_with_its_voxels(tmp_path: Path) -> None:
    source = volume(tmp_path, orientation=MIRRORED)
    assert source.geometry.normal[2] == pytest.approx(-1)
    kept = stored(source)
    assert np.cross(kept.iop[:3], kept.iop[3:]).tolist() == [0, 0, 1]
    assert (np.diff(kept.z_mm) > 0).all()
    assert (kept.hu == source.voxels[::-1, :, ::-1]).all()
    heights = [s.position_mm[2] for s in source.geometry.slices]
    assert kept.z_mm.tolist() == sorted(heights)
    assert [heights[k] for k in kept.source_index] == kept.z_mm.tolist()


def test_a_coronal_volume_keeps_its_plane(tmp_path: Path) -> None:
    kept = stored(volume(tmp_path, orientation=CORONAL))
    assert kept.axis is Axis.CORONAL
    assert np.asarray(along(kept).geometry.normal).tolist() == pytest.approx([0, 1, 0])
    assert (np.diff(kept.z_mm) > 0).all()


def test_thin_slices_and_fine_pixels_are_averaged(tmp_path: Path) -> None:
    datasets = stack_of(5, spacing_mm=0.75, PixelSpacing=[1.0, 0.8])
    for k, ds in enumerate(datasets):
        set_pixels(ds, (1000 * k + np.arange(24).reshape(4, 6)).astype(np.uint16))
    (read,) = volumes_of(save(datasets, tmp_path))
    kept = stored(read.volume)  # type: ignore[union-attr]
    assert kept.z_mm.tolist() == [0.375, 1.875, 3.0] and kept.source_index.tolist() == [0, 2, 4]
    assert kept.pixel_mm.tolist() == pytest.approx([2.0, 2.4])
    assert kept.hu.shape == (3, 2, 2)
    first = np.mean([0, 1, 2, 6, 7, 8]) + 500 - 1024  # rows 0 and 1, columns 0 to 2, of slices 0 and 1
    assert kept.hu[0, 0, 0] == round(first)


def test_a_tilted_stack_is_made_upright(tmp_path: Path) -> None:
    lean = np.radians(10)
    tilted = (1.0, 0.0, 0.0, 0.0, float(np.cos(lean)), float(np.sin(lean)))
    source = volume(tmp_path, 12, orientation=tilted, step=(0.0, 0.0, 5.0))
    assert abs(source.geometry.normal[2]) < 0.99
    kept = stored(source)
    assert np.cross(kept.iop[:3], kept.iop[3:])[2] == pytest.approx(1)
    assert (np.diff(kept.z_mm) > 0).all() and len(kept.source_index) == len(kept.z_mm) == len(kept.hu)
