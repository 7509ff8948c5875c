"""Slices at uneven places: what is made even for the models, and what stays as it was sent."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given
from hypothesis import strategies as st

from inference.axial import resampled
from inference.models.cnnline_image import frontal
from inference.resample import evenly, on_grid
from inference.series import ReadVolume, volumes_of
from inference.series_input import series_views
from storage.geometry.gate import Check, Outcome, Verdict
from storage.geometry.stack import slice_centres_z_mm
from tests.inference.series_factory import CORONAL, ct_slice, save, set_pixels

UNEVEN_MM = (0, 5, 10, 16, 20, 25.5, 31, 36)


def ramp(folder: Path, places=UNEVEN_MM, orientation=(1, 0, 0, 0, 1, 0), along=2, side=40) -> ReadVolume:
    """A series whose HU are ten times its places, one value a slice."""
    datasets = []
    for number, mm in enumerate(places, start=1):
        position = [0.0, 0.0, 0.0]
        position[along] = mm
        ds = ct_slice(position, number=number, ImageOrientationPatient=list(orientation), PixelSpacing=[5, 5])
        set_pixels(ds, np.full((side, side), round(10 * mm) + 1024, dtype=np.uint16))
        datasets.append(ds)
    (read,) = volumes_of(save(datasets, folder))
    assert isinstance(read, ReadVolume)
    return read


def even(folder: Path) -> ReadVolume:
    """The series that a scanner with regular spacing would have sent over the same reach."""
    places = np.linspace(UNEVEN_MM[0], UNEVEN_MM[-1], len(UNEVEN_MM))
    return ramp(folder, places=np.round(places, 9))


def test_an_uneven_series_is_read_as_it_was_sent_and_says_what_was_done(tmp_path: Path) -> None:
    read = ramp(tmp_path)
    geometry = read.volume.geometry

    assert (read.verdict, read.part.verdict) == (Verdict.REPAIR, Verdict.REPAIR)
    assert [c.outcome for c in read.part.checks if c.check is Check.SPACING] == [Outcome.REPAIRED]
    assert len(read.warnings) == 1 and "uneven spacing of 6.00 mm between instance 3" in read.warnings[0]
    assert not geometry.regular
    assert geometry.spacing_mm == pytest.approx(36 / 7)
    # voxels and names are those of the slices that were sent, each at its own place
    assert read.volume.voxels[:, 0, 0].tolist() == [round(10 * mm) for mm in UNEVEN_MM]
    assert slice_centres_z_mm(geometry).tolist() == pytest.approx(UNEVEN_MM)
    assert len({s.sop_instance_uid for s in geometry.slices}) == len(UNEVEN_MM)


def test_on_a_grid_a_linear_ramp_stays_one(tmp_path: Path) -> None:
    read = ramp(tmp_path)

    made = on_grid(read.volume.voxels, read.volume.geometry)

    expected = 10 * np.linspace(0, 36, 8)
    assert np.abs(made[:, 0, 0] - expected).max() <= 0.5
    assert (made == made[:, :1, :1]).all()


def test_a_regular_volume_is_not_touched(tmp_path: Path) -> None:
    read = ramp(tmp_path, places=range(0, 40, 5))

    assert on_grid(read.volume.voxels, read.volume.geometry) is read.volume.voxels


@given(
    steps=st.lists(st.floats(0.5, 1.5), min_size=2, max_size=12),
    values=st.lists(st.integers(-1000, 3000), min_size=13, max_size=13),
    falling=st.booleans(),
)
def test_evenly_is_what_numpy_interpolates(steps, values, falling) -> None:
    at_mm = np.cumsum([3.0, *steps])
    samples = np.asarray(values[: len(at_mm)], dtype=np.int16)
    expected = np.interp(np.linspace(at_mm[0], at_mm[-1], len(at_mm)), at_mm, samples)

    made = evenly(samples[:, None], -at_mm if falling else at_mm)[:, 0]

    assert np.abs(made - expected).max() <= 0.51


def test_the_series_models_see_an_uneven_series_as_the_even_one(tmp_path: Path) -> None:
    read, regular = ramp(tmp_path / "uneven"), even(tmp_path / "even")
    uneven_views, even_views = (series_views(r.volume.voxels, r.volume.geometry) for r in (read, regular))
    raw = series_views(read.volume.voxels, replace(read.volume.geometry, regular=True))

    assert np.abs(uneven_views - even_views).max() < 1.0
    assert np.abs(raw - even_views).max() > 3.0  # what they would see without


def test_a_coronal_uneven_series_is_made_axial_from_its_true_places(tmp_path: Path) -> None:
    read = ramp(tmp_path, orientation=CORONAL, along=1)

    made = resampled(read.volume)

    assert made is not None
    middle = made.voxels[len(made.voxels) // 2]
    back = np.arange(len(middle)) * 3.5
    inside = (back > 4) & (back < 32)
    profile = np.median(middle, axis=1)[inside]
    start = 18 - (len(middle) - 1) / 2 * 3.5  # the reach of the slices is 0 to 36 mm
    assert np.abs(profile - 10 * (start + back[inside])).max() < 12


def test_cnnlines_projection_of_an_uneven_series_lies_at_its_true_heights(tmp_path: Path) -> None:
    uneven, regular = ramp(tmp_path / "uneven").volume, even(tmp_path / "even").volume
    taken_for_even = replace(uneven, geometry=replace(uneven.geometry, regular=True))

    made, wanted, wrong = (
        frontal(v, slice_centres_z_mm(v.geometry)).hu for v in (uneven, regular, taken_for_even)
    )

    assert np.abs(made - wanted).max() < 1.5  # HU: the slices' values are rounded
    assert np.abs(wrong - wanted).max() > 5


def test_simpleitk_agrees_on_what_lies_between_slices(tmp_path: Path) -> None:
    """One gap of 6 mm as an image of two slices, resampled by SimpleITK."""
    pair = sitk.GetImageFromArray(
        np.array([100, 160], dtype=np.int16)[:, None, None].repeat(2, 1).repeat(2, 2)
    )
    pair.SetSpacing((1, 1, 6))
    made = evenly(np.array([[100], [160], [200]], dtype=np.int16), np.array([0.0, 6.0, 10.0]))
    judge = sitk.Resample(
        pair, (1, 1, 1), sitk.Transform(), sitk.sitkLinear, (0, 0, 5), (1, 1, 1), pair.GetDirection()
    )

    assert made[1, 0] == judge.GetPixel(0, 0, 0) == 150
