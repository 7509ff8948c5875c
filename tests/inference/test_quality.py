"""What the pixels add to the gate: HU that are off, and what body and models say against the header."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.findings import Axis, AxisFinding
from inference.hu_offset import Direction, offset_of
from inference.quality import mended, ordered, plane_checks, scale_checks, verdict_of, with_checks
from inference.series import ReadVolume, RefusedVolume, volumes_of
from inference.volume import Volume
from storage.geometry.verdicts import Check, Outcome, Verdict, held, noted, repaired
from tests.inference.quality_factory import real, real_names, simulated
from tests.inference.score_factory import fitted
from tests.inference.series_factory import save, set_pixels, stack_of

BACKGROUNDS = (-3024, -2000, -1024, 0)


def stored(volume: Volume, *, offset: int, intercept: float) -> Volume:
    """The volume as it is read where the sender left an offset in; nothing is below 0."""
    slices = tuple(replace(s, rescale_intercept=intercept) for s in volume.geometry.slices)
    voxels = np.maximum(volume.voxels + np.int16(offset), 0).astype(np.int16)
    return replace(volume, voxels=voxels, geometry=replace(volume.geometry, slices=slices))


def circled(volume: Volume, background: int) -> Volume:
    """The volume with a background outside the circle of reconstruction."""
    _, rows, columns = volume.voxels.shape
    y, x = np.mgrid[:rows, :columns]
    outside = (y / rows - 0.5) ** 2 + (x / columns - 0.5) ** 2 > 0.24
    voxels = volume.voxels.copy()
    voxels[:, outside] = background
    return replace(volume, voxels=voxels)


def test_stored_values_without_intercept_are_mended_before_anybody_sees_them() -> None:
    sound = simulated()
    shifted = stored(sound, offset=1024, intercept=0.0)

    back, checks = mended(shifted)

    assert checks == (
        repaired(
            Check.OFFSET,
            "HU are 1024 too high: air reads 25, tissue 1052, 0.0 % of the voxels are gas,"
            " Rescale Intercept 0; 1024 subtracted",
        ),
    )
    np.testing.assert_array_equal(back.voxels, np.maximum(sound.voxels, -1024))
    assert back.voxels.dtype == np.int16
    assert back.geometry == shifted.geometry


def test_the_offset_of_1000_is_told_by_the_air() -> None:
    back, (check,) = mended(stored(simulated(), offset=1000, intercept=0.0))
    assert check.detail.startswith("HU are 1000 too high: air reads 5, tissue 1028,")
    np.testing.assert_array_equal(back.voxels, np.maximum(simulated().voxels, -1000))


def test_an_offset_that_the_header_does_not_explain_is_held() -> None:
    shifted = stored(simulated(), offset=1024, intercept=-1024.0)
    same, (check,) = mended(shifted)
    assert same is shifted
    assert (check.check, check.outcome) == (Check.OFFSET, Outcome.HELD)
    assert check.detail.endswith("Rescale Intercept -1024")


def test_one_slice_with_an_intercept_is_enough_to_hold() -> None:
    shifted = stored(simulated(), offset=1024, intercept=0.0)
    first, *others = shifted.geometry.slices
    slices = (replace(first, rescale_intercept=-1000.0), *others)
    _, (check,) = mended(replace(shifted, geometry=replace(shifted.geometry, slices=slices)))
    assert check.outcome is Outcome.HELD
    assert check.detail.endswith("Rescale Intercept -1000 and 0")


def test_slices_with_an_offset_beside_sound_ones_are_held() -> None:
    """Together they have gas enough, as a sound volume has."""
    sound = simulated()
    bad = np.arange(len(sound.voxels)) % 3 == 0
    slices = tuple(
        replace(s, rescale_intercept=0.0) if odd else s
        for s, odd in zip(sound.geometry.slices, bad, strict=True)
    )
    voxels = np.where(bad[:, None, None], np.maximum(sound.voxels + np.int16(1024), 0), sound.voxels)
    mixed = replace(sound, voxels=voxels, geometry=replace(sound.geometry, slices=slices))
    assert offset_of(mixed.voxels) is None
    same, (check,) = mended(mixed)
    assert same is mixed
    assert (check.check, check.outcome) == (Check.OFFSET, Outcome.HELD)
    assert check.detail.startswith(f"HU are 1024 too high in the {bad.sum()} slices of Rescale Intercept 0")
    alike = replace(sound, geometry=replace(sound.geometry, slices=slices))
    assert mended(alike) == (alike, ())


def test_hu_rescaled_twice_are_held() -> None:
    twice = replace(simulated(), voxels=simulated().voxels - np.int16(1024))
    _, (check,) = mended(twice)
    assert check.outcome is Outcome.HELD
    assert check.detail == ("HU are 1024 too low: air reads -2023, tissue -996, Rescale Intercept -1024")


def test_a_peak_that_is_not_sure_is_noted_and_nothing_is_changed() -> None:
    bone = np.random.default_rng(1).uniform(0, 2500, (20, 64, 64)).astype(np.int16)
    volume = replace(simulated(), voxels=bone)
    same, (check,) = mended(volume)
    assert same is volume
    assert check.outcome is Outcome.NOTED
    assert check.detail.startswith("HU may be 1024 too high: ")


@pytest.mark.parametrize("background", BACKGROUNDS)
def test_no_background_feigns_or_hides_an_offset(background: int) -> None:
    sound = circled(simulated(), background)
    assert mended(sound) == (sound, ())
    shifted = circled(stored(simulated(), offset=1024, intercept=0.0), background)
    back, (check,) = mended(shifted)
    assert check.outcome is Outcome.REPAIRED
    _, rows, columns = back.voxels.shape
    assert (back.voxels[:, 0, 0] == -1024).all()  # outside the circle
    middle = np.s_[:, rows // 3 : rows // 2, columns // 3 : columns // 2]
    np.testing.assert_array_equal(back.voxels[middle], np.maximum(simulated().voxels, -1024)[middle])


def test_a_body_cut_out_of_its_background_is_not_shifted() -> None:
    """Gas and background at one value, as defacing and masking leave it."""
    masked = np.where(simulated().voxels < -400, 0, simulated().voxels).astype(np.int16)
    assert offset_of(masked) is None


@pytest.mark.parametrize("value", [-1000, 0, 1000])
def test_a_volume_of_one_value_says_nothing(value: int) -> None:
    assert offset_of(np.full((30, 64, 64), value, np.int16)) is None


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(5, 40), st.floats(0.05, 0.9), st.sampled_from([-1000, -850]))
def test_any_share_of_tissue_in_gas_is_told(seed: int, noise: float, tissue: float, gas: int) -> None:
    rng = np.random.default_rng(seed)
    here = rng.random((40, 64, 64)) < max(tissue, 0.15)
    hu = np.where(here, rng.choice([-90, 45], here.shape), gas) + rng.normal(0, noise, here.shape)
    assert offset_of(hu.astype(np.int16)) is None
    found = offset_of((hu + 1024).astype(np.int16))
    assert found is not None and found.direction is Direction.HIGH


@pytest.mark.parametrize("folder", ["volumes", "head_neck"])
def test_no_real_volume_is_shifted_and_every_shifted_one_is_told(folder: str) -> None:
    sound, told = [], []
    names = real_names(folder)
    for name in names:
        volume = real(folder, name)
        if offset_of(volume.voxels) is not None:
            sound.append(name)
        found = offset_of(np.maximum(volume.voxels + np.int16(1024), 0))
        if found is not None and found.direction is Direction.HIGH:
            told.append(name)
    assert sound == []
    assert told == names


def test_a_series_that_nobody_rescaled_is_read_as_hu(tmp_path: Path) -> None:
    hu = np.maximum(simulated().voxels[:6], -1024)

    def read(intercept: int, folder: str) -> ReadVolume | RefusedVolume:
        images = stack_of(6, RescaleIntercept=intercept)
        for image, pixels in zip(images, hu, strict=True):
            set_pixels(image, (pixels + 1024).astype(np.uint16), bits_stored=12)
        (volume,) = volumes_of(save(images, tmp_path / folder))
        return volume

    right, wrong, worse = read(-1024, "right"), read(0, "wrong"), read(40, "worse")
    assert isinstance(right, ReadVolume) and isinstance(wrong, ReadVolume)
    np.testing.assert_array_equal(wrong.volume.voxels, right.volume.voxels)
    assert (right.part.verdict, right.verdict, right.warnings) == (Verdict.ACCEPT, Verdict.ACCEPT, ())
    assert (wrong.part.verdict, wrong.verdict) == (Verdict.REPAIR, Verdict.REPAIR)
    (check,) = wrong.part.checks
    assert wrong.warnings == (check.detail,) == (wrong.part.reason,)
    assert isinstance(worse, RefusedVolume)
    assert (worse.part.verdict, worse.verdict) == (Verdict.HOLD, Verdict.HOLD)
    assert worse.reason == worse.part.checks[0].detail
    assert worse.part.checks[0].check is Check.OFFSET


SAID = (
    noted(Check.TILT, "a"),
    held(Check.OFFSET, "b"),
    repaired(Check.SPACING, "c"),
    noted(Check.PLANE, "d"),
)


def test_what_holds_is_told_first() -> None:
    assert [check.detail for check in ordered(SAID)] == ["b", "c", "a", "d"]


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [((), Verdict.ACCEPT), (SAID[:1], Verdict.ACCEPT), (SAID[2:], Verdict.REPAIR), (SAID, Verdict.HOLD)],
)
def test_the_gravest_check_is_the_verdict(checks, verdict) -> None:
    assert verdict_of(checks) is verdict


def test_a_part_takes_what_its_pixels_say(tmp_path: Path) -> None:
    (read,) = volumes_of(save(stack_of(3), tmp_path))
    part = read.part
    assert with_checks(part, ()) is part
    mixed = with_checks(part, SAID[2:])
    assert (mixed.verdict, mixed.reason, mixed.geometry) == (Verdict.REPAIR, "c", part.geometry)
    stopped = with_checks(part, SAID)
    assert (stopped.verdict, stopped.reason, stopped.geometry) == (Verdict.HOLD, "b", None)


@pytest.mark.parametrize(
    ("header", "pixels", "details"),
    [
        (Axis.AXIAL, Axis.AXIAL, []),
        (Axis.AXIAL, Axis.UNDETERMINED, []),
        (Axis.AXIAL, Axis.CORONAL, ["the slices look coronal, and the header says axial"]),
    ],
)
def test_another_plane_is_noted(header: Axis, pixels: Axis, details: list[str]) -> None:
    found = AxisFinding(value=header, confidence=0.7, from_header=header, from_pixels=pixels)
    assert plane_checks(found) == tuple(noted(Check.PLANE, detail) for detail in details)


def test_order_and_spacing_against_the_scores_are_noted() -> None:
    z = np.arange(0.0, 400.0, 5.0)
    assert scale_checks(None) == scale_checks(fitted(z, 0.118 * z)) == ()
    assert scale_checks(fitted(z, -0.118 * z)) == (
        noted(Check.SCALE, "reversed order: score falls towards the head (-0.118 units/mm)"),
    )
    assert scale_checks(fitted(z, 0.236 * z)) == (
        noted(
            Check.SCALE,
            "spacing does not fit anatomy: 0.236 units/mm, 0.118 expected;"
            " slices 5.00 mm apart look 10.00 mm apart",
        ),
    )
