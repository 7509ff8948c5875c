"""Changed copies of boxes, and the bank of their projections."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from inference.projection import AIR_HU, CELLS, FRONTAL, SAGITTAL_CELLS, views
from inference.training import bank
from inference.training.augment import augmented
from inference.training.bank import make_bank
from inference.training.split import Group
from inference.training.study import load_studies
from tests.inference.training_folder import FOLD, data_folder, synthetic

FEW = {Group.TRUNK: 3, Group.HEAD_NECK: 2, Group.MASKED: 2, Group.LIMB: 2, Group.SYNTHETIC: 2}


class Here:
    """A pool of processes that is none."""

    def __init__(self, *_: object) -> None: ...

    def __enter__(self):
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, function, *given, chunksize=1):
        """As of an executor."""
        return map(function, *given)


@pytest.fixture
def here(monkeypatch):
    monkeypatch.setattr(bank, "ProcessPoolExecutor", Here)
    monkeypatch.setattr(bank, "COPIES", FEW)


# ------------------------------------------------------------------ augmentation


def body(rows=24):
    """A cylinder of 40 HU with a spine of 300 HU, a gap of disc at row 12, and a table behind."""
    y, x = np.mgrid[:CELLS, :CELLS]
    hu = np.full((rows, CELLS, CELLS), -1000, np.float32)
    hu[:, np.hypot(y - 56, x - 56) < 36] = 40
    hu[:, np.hypot(y - 70, x - 56) < 6] = 300
    hu[12, np.hypot(y - 70, x - 56) < 6] = 90
    hu[:, 104:107, 20:92] = 200
    return torch.from_numpy(hu)


def copies(count=60, **options):
    return [augmented(body(), np.random.default_rng(seed), **options) for seed in range(count)]


def test_copies_are_boxes_of_finite_numbers_and_the_original_is_left_alone():
    original = body()
    before = original.clone()
    for seed in range(40):
        made = augmented(original, np.random.default_rng(seed))
        assert made.shape == original.shape and made.dtype == torch.float32
        assert bool(made.isfinite().all()) and float(made.min()) > AIR_HU - 150
    assert torch.equal(original, before)


def test_the_same_seed_makes_the_same_copy_and_another_seed_another():
    one, same, other = (augmented(body(), np.random.default_rng(s)) for s in (5, 5, 6))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_landmarks_stay_at_their_rows():
    told = []
    for made in copies():
        # the disc is the darkest row of what is left of the spine; a turned or small field may hide it
        spine = made[:, 40:90, 30:82]
        profile = torch.where(spine > 200, spine, 0).sum((1, 2))[4:20]
        if float(profile.max()) > 1000 and float(profile.min()) < 0.6 * float(profile.median()):
            told.append(int(profile.argmin()) + 4)
    assert len(told) > 25
    assert np.median(told) == 12 and np.mean(np.abs(np.asarray(told) - 12) <= 1) > 0.9


def test_copies_differ_in_width_place_and_side_and_some_lose_their_table():
    widths, tables, darker = set(), set(), []
    lopsided = body()
    lopsided[:, 46:66, 30:42] = -800
    for seed in range(60):
        made = augmented(lopsided, np.random.default_rng(seed))[6]
        widths.add(int((made[52] > -300).sum()))
        tables.add(bool((made[98:, 20:92] > 100).any()))
        darker.append(float(made[48:64, 73:79].mean() - made[48:64, 33:39].mean()))
    assert len(widths) > 15 and tables == {True, False}
    assert sum(d > 300 for d in darker) > 15 and sum(d < -300 for d in darker) > 15


def test_a_masked_volume_keeps_what_it_has_in_the_step_that_takes_tables_away(monkeypatch):
    from inference.training import augment

    def refuse(hu, rng):
        raise AssertionError("taken away")

    monkeypatch.setattr(augment, "_body_alone", refuse)
    copies(20, masked=True)
    with pytest.raises(AssertionError, match="taken away"):
        copies(20)


def test_a_volume_of_one_row_can_be_changed():
    for seed in range(20):
        assert augmented(body()[:1], np.random.default_rng(seed)).shape == (1, CELLS, CELLS)


# ------------------------------------------------------------------ bank


def test_every_study_has_its_copies_and_the_first_is_as_it_is(tmp_path, here):
    data, said = data_folder(tmp_path), []
    shelves = make_bank(data, 0, 3, 2, said.append)
    assert [s.identifier for s in shelves] == list(FOLD)
    assert [len(s.copies) for s in shelves] == [3, 3, 2, 3, 3, 2]
    assert said == ["0 synthetic volumes", "6 volumes, 16 copies"]
    for study, shelf in zip(load_studies(data), shelves, strict=True):
        assert (shelf.folds, shelf.group) == (study.folds, study.group)
        assert torch.equal(shelf.copies[0], views(study.hu.float()).half())
        rows = len(study.z_mm)
        assert {c.shape for c in shelf.copies} == {(FRONTAL, rows, CELLS + SAGITTAL_CELLS)}
        assert shelf.targets.score.shape == (rows,) and shelf.targets.heat.shape == (26, rows)
        assert not torch.equal(shelf.copies[0], shelf.copies[1])


def test_the_same_seed_makes_the_same_bank_and_another_seed_another(tmp_path, here):
    data = data_folder(tmp_path)
    one, same, other = (make_bank(data, 0, seed, 1, lambda _: None) for seed in (3, 3, 4))
    pairs = [(a.copies[1], b.copies[1], c.copies[1]) for a, b, c in zip(one, same, other, strict=True)]
    assert all(torch.equal(a, b) for a, b, _ in pairs)
    assert not any(torch.equal(a, c) for a, _, c in pairs)
    # no two studies are changed alike, though all have the same pixels
    assert not torch.equal(pairs[0][0], pairs[1][0])


def test_targets_are_of_the_priors_table(tmp_path, here):
    shelves = {s.identifier: s for s in make_bank(data_folder(tmp_path), 0, 3, 1, lambda _: None)}
    trunk = shelves["wb-ccth-a01"].targets
    # T12 at z 45 is row 15, L1 at 18 is row 6
    np.testing.assert_allclose(trunk.score[[15, 6]], [44.952, 41.478], atol=1e-3)
    assert not shelves["kbp-5"].targets.weight.any()


class Atlas:
    """Of a patient of fold 4."""

    def __init__(self, number=0):
        self.number = number

    def usable_in(self, fold):
        return fold != 4


def test_synthetic_volumes_are_only_for_networks_that_may_see_their_atlas(tmp_path, here, monkeypatch):
    unfit = {7001: synthetic(7001, {"T12": 5.0}, slices=3), 7002: synthetic(7002, {})}
    monkeypatch.setattr(bank, "load_atlases", lambda _: [Atlas()])
    monkeypatch.setattr(bank, "synthesise", lambda atlas, seed: unfit.get(seed, synthetic(seed)))
    shelves = make_bank(data_folder(tmp_path), 5, 3, 2, lambda _: None)[len(FOLD) :]
    assert sorted(s.identifier for s in shelves) == ["synthetic-0000", "synthetic-0003", "synthetic-0004"]
    assert {s.folds for s in shelves} == {frozenset({0, 1, 2, 3})}
    assert {s.group for s in shelves} == {Group.SYNTHETIC} and {len(s.copies) for s in shelves} == {2}


def test_a_synthetic_volume_is_the_same_whatever_the_number_of_processes(tmp_path, here, monkeypatch):
    atlases = [Atlas(n) for n in range(3)]
    monkeypatch.setattr(bank, "load_atlases", lambda _: atlases)
    monkeypatch.setattr(
        bank, "synthesise", lambda atlas, seed: synthetic(seed, {"T12": seed + atlas.number / 10})
    )
    data = data_folder(tmp_path)
    made = []
    for workers in (1, 2, 3):
        studies = [s for part in range(workers) for s in bank._synthetic_part(data, part, workers, 6)]
        made.append({s.identifier: s.points for s in studies})
    assert made[0] == made[1] == made[2] and len(made[0]) == 6
    assert len({round(p[0][1] % 1, 1) for p in made[0].values()}) > 1


def test_heads_whose_landmarks_were_read_have_more_copies(tmp_path, here):
    studies = {s.identifier: s for s in load_studies(data_folder(tmp_path))}
    masked = studies["kbp-5"]
    read = replace(masked, points=(("C1", 50.0),))
    assert [len(bank._copies(s, 0, 1)) for s in (masked, read)] == [2, bank.COPIES_OF_LABELLED_HEADS]
