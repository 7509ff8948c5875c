"""What a synthetic body is made of: spacing, names, variants, the warp and its landmarks."""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference.training.synthesis.atlas import VOXEL_MM, Atlas
from inference.training.synthesis.joining import joined_at_disc
from inference.training.synthesis.labels import NAMES, NUMBER, RIBS, VERTEBRAE, number_of, numbers
from inference.training.synthesis.landmarks import vertebral_points
from inference.training.synthesis.plan import draw_grid, draw_warp, limits_mm
from inference.training.synthesis.resampling import resampled, transform_of
from inference.training.synthesis.spacing import SPACING_MM, draw_spacings
from inference.training.synthesis.variants import COUNTS, Variant, possible, varied
from tests.inference.synthesis_factory import PLAIN, box_body, heights_mm

PRIORS = Path(__file__).resolve().parents[2] / "../shared/data/priors/vertebra_spacing_stats.csv"


@pytest.fixture(scope="module")
def body() -> Atlas:
    return box_body()


def test_a_label_set_fits_in_a_byte_and_every_name_is_there_once() -> None:
    assert len(NAMES) == len(set(NAMES)) < 256
    assert number_of("heart_atrium_left") == NUMBER["heart"]
    assert number_of("carpal") == 0


def test_body_centres_are_read_from_the_labels(body: Atlas) -> None:
    assert list(body.bodies) == list(VERTEBRAE)
    expected = heights_mm()
    assert {n: p[2] for n, p in body.bodies.items()} == pytest.approx(expected, abs=VOXEL_MM / 2)


def test_a_vertebra_whose_body_is_cut_has_no_landmark(body: Atlas) -> None:
    cut = body.labels[round(heights_mm()["L3"] / VOXEL_MM) :]
    assert next(reversed(vertebral_points(cut, VOXEL_MM))) == "L2"


def test_the_first_sacral_body_is_found_in_a_whole_sacrum(body: Atlas) -> None:
    labels = body.labels.copy()
    labels[labels == NUMBER["vertebrae_S1"]] = NUMBER["sacrum"]
    found = vertebral_points(labels, VOXEL_MM)["S1"]
    assert found[2] == pytest.approx(heights_mm()["S1"], abs=3.0)


def test_spacings_are_spread_as_people_are() -> None:
    drawn = [draw_spacings(np.random.default_rng(seed))[1] for seed in range(200)]
    for level, (mean, sd) in SPACING_MM.items():
        values = np.asarray([d[level] for d in drawn])
        assert abs(values.mean() - mean) < 4 * sd / math.sqrt(200), level
        assert values.std() == pytest.approx(sd, rel=0.25), level
    gap = np.asarray([d["L1"] + d["L2"] + d["L3"] for d in drawn])
    assert gap.mean() == pytest.approx(98.2, abs=2.0)
    assert gap.std() == pytest.approx(7.7, abs=1.2)


@pytest.mark.data
@pytest.mark.skipif(not PRIORS.exists(), reason="no spacing statistics at ../shared/data/priors")
def test_the_means_are_those_of_the_published_table() -> None:
    with PRIORS.open(encoding="utf-8") as file:
        published = {r["lower"]: (float(r["dz_mean"]), float(r["dz_sd"])) for r in csv.DictReader(file)}
    published.pop("L6")
    assert {n: s for n, s in SPACING_MM.items() if n != "S1"} == published


def test_the_warp_gives_the_drawn_distances(body: Atlas) -> None:
    straight = replace(PLAIN, sway_mm=0.0, turn_deg=0.0)
    usual = varied(body, Variant.USUAL, np.random.default_rng(0))[1]
    warp = draw_warp(body, usual, np.random.default_rng(5), straight)
    spacings = draw_spacings(np.random.default_rng(5))[1]
    warp = replace(warp, waves=())
    heights = [warp.from_atlas(b.point)[2] for b in usual]
    assert -np.diff(heights) == pytest.approx([spacings[b.model] for b in usual[1:]], abs=0.05)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), level=st.sampled_from(VERTEBRAE))
def test_a_point_goes_to_the_new_body_and_back(body: Atlas, seed: int, level: str) -> None:
    tilted = replace(PLAIN, gantry_tilt_chance=1.0, scoliosis_chance=1.0)
    usual = varied(body, Variant.USUAL, np.random.default_rng(0))[1]
    warp = draw_warp(body, usual, np.random.default_rng(seed), tilted)
    there = warp.from_atlas(body.bodies[level])
    assert warp.to_atlas(np.asarray(there)) == pytest.approx(body.bodies[level], abs=0.02)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_landmarks_are_the_centres_of_the_warped_labels(body: Atlas, seed: int) -> None:
    recipe = replace(PLAIN, scoliosis_chance=1.0, gantry_tilt_chance=1.0, field_mm=(480.0, 500.0))
    rng = np.random.default_rng(seed)
    usual = varied(body, Variant.USUAL, rng)[1]
    warp = draw_warp(body, usual, rng, recipe)
    grid = draw_grid(warp, usual, rng, recipe)
    fronts = np.where(
        np.isin(body.labels, numbers(tuple(f"vertebrae_{v}" for v in VERTEBRAE))), body.labels, 0
    )
    fronts[:, round(208 / VOXEL_MM) :] = 0  # the bodies alone
    warped = resampled(fronts.astype(np.uint8), transform_of(warp, grid), grid, sitk.sitkNearestNeighbor, 0)
    whole = _centres(fronts, (VOXEL_MM,) * 3)
    found = _centres(warped, (grid.fine_mm, grid.pixel_mm, grid.pixel_mm))
    assert len(found) > 15
    for level, (x, y, z) in found.items():
        expected = warp.from_atlas(whole[level])
        assert grid.z_mm[0] + z == pytest.approx(expected[2], abs=1.0), level
        assert (grid.x_mm[0] + x, grid.y_mm[0] + y) == pytest.approx(expected[:2], abs=4.0), level


def _centres(
    labels: NDArray[np.uint8], voxel_mm: tuple[float, float, float]
) -> dict[str, tuple[float, float, float]]:
    found = {}
    for level in VERTEBRAE:
        where = np.argwhere(labels == NUMBER[f"vertebrae_{level}"])
        if len(where) and where[:, 0].min() > 2 and where[:, 0].max() < len(labels) - 3:
            k, j, i = where.mean(axis=0) * voxel_mm
            found[level] = (float(i), float(j), float(k))
    return found


def test_a_body_that_ends_in_the_spine_is_seen_to_a_disc(body: Atlas) -> None:
    usual = varied(body, Variant.USUAL, np.random.default_rng(0))[1]
    part = [b for b in usual if b.name in ("T10", "T11", "T12", "L1")]
    warp = draw_warp(body, part, np.random.default_rng(0), PLAIN)
    low, high = limits_mm(warp, part)
    assert high == warp.height_mm(part[0].point[2]) + SPACING_MM["T10"][0] / 2
    assert low == warp.height_mm(part[-1].point[2]) - SPACING_MM["L2"][0] / 2
    warp = draw_warp(body, usual, np.random.default_rng(0), PLAIN)
    assert limits_mm(warp, usual) == (warp.z_new[0], warp.z_new[-1])


def _varied(body: Atlas, variant: Variant) -> tuple[Atlas, list[str]]:
    changed, bodies = varied(body, variant, np.random.default_rng(4))
    return changed, [b.name for b in bodies]


NECK = [f"C{n}" for n in range(1, 8)]


def test_eleven_ribs_make_the_eleventh_thoracic_vertebra_the_last(body: Atlas) -> None:
    changed, names = _varied(body, Variant.ELEVEN_RIBS)
    assert names == [*NECK, *(f"T{n}" for n in range(2, 13)), *(f"L{n}" for n in range(1, 7)), "S1"]
    assert not np.isin(changed.labels, numbers(("rib_left_12", "rib_right_12"))).any()
    assert (changed.labels == NUMBER["rib_left_11"]).sum() == (body.labels == NUMBER["rib_left_11"]).sum()


def test_thirteen_ribs_make_the_first_lumbar_vertebra_the_last_thoracic(body: Atlas) -> None:
    changed, names = _varied(body, Variant.THIRTEEN_RIBS)
    assert names == [*NECK, "", *(f"T{n}" for n in range(1, 13)), *(f"L{n}" for n in range(1, 5)), "S1"]
    ribs = np.isin(changed.labels, numbers(RIBS))
    at = round(heights_mm()["L1"] / VOXEL_MM)
    before = np.isin(body.labels[at], numbers(RIBS))
    assert ribs[at].any() and not before.any()


@pytest.mark.parametrize(("variant", "step"), [(Variant.FOUR_LUMBAR, -1), (Variant.SIX_LUMBAR, 1)])
def test_a_lumbar_vertebra_is_taken_away_or_added(body: Atlas, variant: Variant, step: int) -> None:
    changed, bodies = varied(body, variant, np.random.default_rng(4))
    names = [b.name for b in bodies]
    lumbar = [n for n in names if n.startswith("L")]
    assert lumbar == [f"L{n}" for n in range(1, 6 + step)]
    assert COUNTS[variant].lumbar == len(lumbar)
    spine = np.isin(changed.labels, numbers(tuple(f"vertebrae_{v}" for v in VERTEBRAE)))
    column = spine[:, :, 75].any(axis=1)
    for body_ in bodies:
        assert column[round(body_.point[2] / VOXEL_MM)], body_
    assert np.diff([b.point[2] for b in bodies]).max() < 0
    assert (len(changed.labels) - len(body.labels)) * step > 0


def test_a_variant_needs_what_it_changes(body: Atlas) -> None:
    without = replace(body, bodies={n: p for n, p in body.bodies.items() if n != "L5"})
    assert possible(body, Variant.SIX_LUMBAR) and not possible(without, Variant.SIX_LUMBAR)
    ribless = replace(body, labels=np.where(np.isin(body.labels, numbers(RIBS)), 0, body.labels))
    assert not possible(ribless, Variant.ELEVEN_RIBS)


def test_two_bodies_meet_at_a_disc_and_keep_their_vertebrae(body: Atlas) -> None:
    lower = box_body(("another",))
    lower = replace(lower, labels=lower.labels[20:], depth_mm=lower.depth_mm[20:])
    drop = 20 * VOXEL_MM
    lower = replace(lower, bodies={n: (x, y, z - drop) for n, (x, y, z) in lower.bodies.items()}, points={})
    joined = joined_at_disc(body, lower, "L1", "L2")
    assert joined.patients == ("nobody", "another")
    assert list(joined.bodies) == list(VERTEBRAE)
    for level, (x, y, z) in joined.bodies.items():
        assert z == pytest.approx(heights_mm()[level] - drop, abs=VOXEL_MM), level
        k, j, i = (round(v / VOXEL_MM) for v in (z, y, x))
        assert joined.labels[k, j, i] == NUMBER[f"vertebrae_{level}"], level


def test_an_atlas_is_kept_from_the_fold_that_measures_its_patient(body: Atlas) -> None:
    atlas = replace(body, patients=("totalseg-s0327", "chest-lidc-0001-ce"))
    assert [atlas.usable_in(fold) for fold in range(5)] == [True, True, True, False, False]
