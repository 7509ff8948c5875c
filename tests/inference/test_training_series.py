"""Training of the series networks: reformats, phantoms, augmentation, statistics, and a run of two steps."""

from __future__ import annotations

import json

import numpy as np
import pytest

from inference.findings import Axis
from inference.models.series import SeriesModel
from inference.training.folds import FOLDS, fold_of
from inference.training.series_augment import augmented_bag, augmented_views
from inference.training.series_bank import PHANTOM, Bag, Views, bank, phantom_views
from inference.training.series_config import SeriesTraining
from inference.training.series_data import LABELS, read_studies, stacked
from inference.training.series_loop import contrast_chances, train_series, view_chances
from inference.training.series_phantoms import FAMILIES, phantom
from inference.training.series_reformat import PLANES, Source, reformat
from inference.training.series_statistics import area, auc, interval, sigmoid, slope_and_offset
from inference.training.split import Group

IDS = ("chest-lidc-0002", "chest-lidc-0003-ce", "sts-003", "sts-010", "kbp-13", "kbp-1")
SEEN = {
    "chest-lidc-0002": "no",
    "chest-lidc-0003-ce": "yes",
    "sts-003": "no (PET/CT)",
    "sts-010": "no (PET/CT)",
}


def series_folder(tmp_path):
    """A data folder with volumes that are enhanced and volumes that are not."""
    root = tmp_path / "data"
    rows = []
    for number, name in enumerate(IDS):
        folder = root / ("head_neck" if name.startswith("kbp") else "volumes")
        folder.mkdir(parents=True, exist_ok=True)
        hu = np.random.default_rng(number).normal(40, 30, (12, 30, 32)).astype(np.int16)
        np.savez(folder / name, hu=hu, z_mm=np.arange(12) * 5.0, pixel_mm=[5.0, 5.0])
        if name in SEEN:
            rows.append(f"{name},{name},{SEEN[name]}\n")
    (root / "catalog.csv").write_text("id,patient,iv_contrast_seen\n" + "".join(rows))
    return root


@pytest.fixture
def data(tmp_path):
    return series_folder(tmp_path)


def graded():
    """A volume whose CT number tells the place: 1 HU a mm in z, 300 HU added in the left half."""
    z, _, x = np.meshgrid(np.arange(60) * 3.0, np.arange(60), np.arange(60), indexing="ij")
    return (z + 300 * (x >= 30)).astype(np.int16)


def source(voxels):
    return Source.of(
        voxels, stacked(voxels.shape, np.arange(len(voxels)) * 3.0, np.asarray([3.0, 3.0]), AXIAL)
    )


AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def test_studies_carry_fold_group_and_contrast(data):
    studies = {s.identifier: s for s in read_studies(data)}
    assert set(studies) == set(IDS)
    assert studies["chest-lidc-0003-ce"].contrast is True and studies["sts-003"].contrast is False
    # of the reader's list, not of the catalogue
    assert studies["kbp-13"].contrast is True and studies["kbp-1"].contrast is False
    assert studies["kbp-13"].group == Group.MASKED and studies["sts-003"].group == Group.LIMB
    assert all(s.fold == fold_of(s.patient) for s in studies.values())


def test_every_label_is_one_of_three_words_and_none_comes_twice():
    lines = LABELS.read_text(encoding="utf-8").splitlines()[1:]
    words = [line.split(",")[1] for line in lines]
    assert set(words) == {"yes", "no", "unclear"}
    assert len({line.split(",")[0] for line in lines}) == len(lines) == 152
    assert (words.count("yes"), words.count("unclear")) == (38, 16)


@pytest.mark.parametrize("axis", PLANES)
def test_a_reformat_lies_in_the_plane_asked_for(axis):
    made = source(graded())
    for seed in range(12):
        cut = reformat(made, np.random.default_rng(seed), axis)
        assert cut.axis is axis
        inside = np.where(cut.voxels > -300, cut.voxels % 300, np.nan).astype(float)
        along = [np.nanmedian(np.abs(np.diff(inside, axis=n))) for n in range(3)]
        per_mm = np.asarray(along) / [cut.geometry.spacing_mm, 3.0, 3.0]
        if axis is Axis.AXIAL:
            assert per_mm[0] > 0.8
        elif axis is not Axis.OBLIQUE:
            assert per_mm[0] < 0.45 and per_mm[1:].max() > 0.8


def test_obliques_stay_away_from_the_anatomical_planes():
    made = source(graded())
    for seed in range(20):
        normal = np.abs(reformat(made, np.random.default_rng(seed), Axis.OBLIQUE).geometry.normal)
        assert np.degrees(np.arccos(normal.max())) >= 26.9


def test_the_same_seed_makes_the_same_reformat_and_another_seed_another():
    made = source(graded())
    one, same, other = (reformat(made, np.random.default_rng(s)) for s in (5, 5, 6))
    np.testing.assert_array_equal(one.voxels, same.voxels)
    assert one.voxels.shape != other.voxels.shape or (one.voxels != other.voxels).any()


@pytest.mark.parametrize("family", FAMILIES)
def test_every_phantom_is_finite_and_no_two_are_alike(family):
    one, other = (phantom(family, np.random.default_rng(s)).values for s in (1, 2))
    assert bool(one.isfinite().all()) and float(one.min()) >= 0 and float(one.max()) <= 3000
    assert bool((one != other).any())


def test_families_are_spread_over_the_folds_and_held_out_whole():
    made = phantom_views(40, seed=3)
    assert {v.group for v in made} == {PHANTOM} and {v.axis for v in made} == {-1}
    assert all(len({v.fold for v in made if v.identifier == f}) <= 1 for f in FAMILIES)
    assert len({v.fold for v in made}) >= 4


def test_views_are_mirrored_and_nothing_is_lost():
    views = np.full((8, 20, 20), -1000, np.int16)
    views[:, 3, 5] = 600
    places = set()
    for seed in range(40):
        changed = augmented_views(views, np.random.default_rng(seed))
        assert changed.shape == (8, 20, 20)
        peaks = {tuple(int(v) for v in np.unravel_index(x.argmax(), x.shape)) for x in changed[:6]}
        assert len(peaks) == 1  # the slices alike
        places |= peaks
        assert (changed[0] == -1000).sum() == 399  # air stays air
    assert places == {(3, 5), (16, 5), (3, 14), (16, 14), (5, 3), (14, 3), (5, 16), (14, 16)}


def body(hu=50, vessel=None):
    bag = np.full((10, 64, 64), -1000, np.int16)
    bag[:, 12:52, 12:52] = hu
    if vessel is not None:
        bag[:, 26:38, 26:38] = vessel
    return bag


def test_enhancement_taken_away_makes_a_native_volume():
    seen = set()
    for seed in range(40):
        x, contrast = augmented_bag(body(vessel=250), True, Group.LIMB, 4, np.random.default_rng(seed))
        vessel = float(np.percentile(x[:, 16:48, 16:48], 92))  # it fills 14 % of this window
        assert (vessel > 100) == contrast
        seen.add(contrast)
    assert seen == {True, False}


def test_vessels_put_into_a_native_limb_make_it_enhanced():
    seen = set()
    for seed in range(30):
        x, contrast = augmented_bag(body(), False, Group.LIMB, 4, np.random.default_rng(seed))
        bright = ((x > 110) & (x < 420)).any(axis=(1, 2)).mean() > 0.9
        assert bright or not contrast
        seen.add(contrast)
    assert seen == {True, False}


def test_a_native_trunk_stays_native_whatever_is_drunk():
    for seed in range(30):
        _, contrast = augmented_bag(body(), False, Group.TRUNK, 4, np.random.default_rng(seed))
        assert contrast is False


def test_chances_add_up_and_classes_get_their_share():
    bags = [
        Bag(identifier=str(n), patient=str(n), fold=0, group=g, slices=body(), contrast=c)
        for n, (g, c) in enumerate([(Group.TRUNK, True), (Group.LIMB, False), (Group.LIMB, False)])
    ]
    chances = contrast_chances(bags)
    np.testing.assert_allclose(chances, np.asarray([0.3, 0.06, 0.06]) / 0.42)
    empty = np.zeros((8, 2, 2), np.int16)
    views = [
        Views(identifier="a", patient="a", fold=0, group=g, views=empty, axis=0, native=n)
        for g, n in [(Group.TRUNK, True), (Group.TRUNK, False), (PHANTOM, False)]
    ]
    np.testing.assert_allclose(view_chances(views), [0.7 * 2 / 3, 0.7 / 3, 0.3])


def test_area_under_the_curve():
    truth = np.asarray([True, True, False, False])
    assert area(np.asarray([0.9, 0.8, 0.2, 0.1]), truth) == 1.0
    assert area(np.asarray([0.9, 0.1, 0.2, 0.1]), truth) == pytest.approx(0.625)
    assert auc(np.ones(3), np.ones(3, bool), list("abc")) == {"n": 3}


def test_intervals_are_of_patients_not_of_series():
    hits = np.asarray([True] * 50 + [False] * 50)
    one = interval(hits, [str(n // 50) for n in range(100)])
    many = interval(hits, [str(n) for n in range(100)])
    assert one["value"] == many["value"] == 0.5
    assert (one["low"], one["high"]) == (0.0, 1.0)
    assert 0.35 < many["low"] < 0.45 and many["patients"] == 100


def test_a_perfect_share_still_has_an_interval():
    made = interval(np.ones(60, bool), [str(n) for n in range(60)])
    assert (made["value"], made["low"], made["high"]) == (1.0, 0.95, 1.0)


def test_the_calibration_finds_the_slope_that_made_the_answers():
    rng = np.random.default_rng(0)
    logit = rng.normal(0, 3, 4000)
    truth = (rng.random(4000) < sigmoid(0.6 * logit - 1)).astype(float)
    scale, offset = slope_and_offset(logit, truth)
    assert scale == pytest.approx(0.6, abs=0.05) and offset == pytest.approx(-1, abs=0.1)


def test_a_bank_is_made_of_the_volume_itself_and_its_reformats(data):
    views, bags = bank(read_studies(data), 4, 1, lambda _: None)
    assert len(views) == 5 * len(IDS) and len(bags) == len(IDS)
    assert [v.axis for v in views[:5]] == [0, 0, 1, 2, 3]
    assert [v.native for v in views[:5]] == [True, False, False, False, False]
    assert bags[0].slices.shape == (12, 112, 112)


def test_a_run_writes_weights_that_load_and_goes_on_where_it_was(data, tmp_path):
    config = SeriesTraining(
        view_steps=2, contrast_steps=2, view_batch=4, contrast_batch=4, variants=1, phantoms=8
    )
    lines, again = [], []
    path = train_series(data, tmp_path / "out", config, say=lines.append)
    before = path.read_bytes()
    model = SeriesModel.load("cpu", weights=path)
    assert len(model.members) == FOLDS
    made = json.loads(path.with_suffix(".figures.json").read_text())
    assert made["config"]["view_steps"] == 2 and "Not for diagnosis" in made["statement"]
    assert made["contrast"]["all"]["volumes"] == 6 and made["axis"]["native"]["right"]["n"] == 6
    # a member that is there is not trained again; one that is gone is trained to the same weights
    (tmp_path / "out" / "view-2.pt").unlink()
    assert train_series(data, tmp_path / "out", config, say=again.append).read_bytes() == before
