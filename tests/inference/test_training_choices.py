"""What can be chosen of the training: loss, sizes, height of what is seen, share of T12 and L3."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.models.score import ScoreModel
from inference.models.score_architecture import ARCHITECTURES, ScoreModelName
from inference.models.score_network import ScoreNetwork
from inference.models.series import SeriesModel
from inference.models.series_architecture import SeriesModelName
from inference.projection import Box
from inference.spine import VERTEBRAE
from inference.training import levels, loop
from inference.training.config import Loss, ScoreTraining
from inference.training.folds import FOLDS
from inference.training.level_config import LevelLoss
from inference.training.levels import COSTS
from inference.training.loop import train_fold, train_score
from inference.training.losses import JUDGED, cross_entropy, focal
from inference.training.series_config import SeriesTraining
from inference.training.series_loop import train_series
from inference.training.settings import settings_of
from inference.training.split import Group
from inference.training.study import load_studies
from inference.training.windows import Drawer, levels_of, window
from storage.errors import ConfigError
from tests.inference import training_run
from tests.inference.test_training_series import series_folder
from tests.inference.test_training_windows import shelf
from tests.inference.training_run import TINY, Here, begun

data, shelves, threads = training_run.data, training_run.shelves, training_run.threads
GOLDEN_WINDOWS = [
    (96, 19.01), (96, 2.03), (44, 5.15), (79, 32.05), (88, 25.84), (96, 4.81), (96, 0.58), (96, 5.43),
]  # fmt: skip
"""Rows and lowest row of what the first release drew first."""

GOLDEN_SUMS = {
    "f.l.0.c.weight": -0.1632,
    "s.l.6.b.weight": 7.2636,
    "j.0.weight": -5.6572,
    "t.6.b.weight": 3.0077,
    "o.weight": -5.0714,
}
"""Sums of tensors of the network that the first release began with, seed 1."""

T12, L3 = 1 + VERTEBRAE.index("T12"), 1 + VERTEBRAE.index("L3")


def same(one: Path, other: Path) -> bool:
    a, b = (torch.load(p, weights_only=True) for p in (one, other))
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


# ------------------------------------------------------------------ every choice gives weights that load


@pytest.mark.parametrize(
    ("model", "loss"),
    [*((m, Loss.BCE) for m in ScoreModelName), (ScoreModelName.STANDARD, Loss.FOCAL)],
)
def test_the_node_s_loader_takes_every_choice(data, shelves, tmp_path, monkeypatch, model, loss):
    monkeypatch.setattr(loop, "ProcessPoolExecutor", Here)
    out = begun(tmp_path, shelves)
    config = replace(TINY, steps=1, model=model, loss=loss, rows=40, positives=0.5)
    path = train_score(data, out, config, say=lambda _: None)
    study = load_studies(data)[0]
    seen = Box(hu=study.hu.float(), z_mm=study.z_mm)
    for fold in range(FOLDS):
        loaded = ScoreModel.load("cpu", fold, path)
        assert [m.architecture for m in loaded.members] == [ARCHITECTURES[model]]
        trained = torch.load(out / f"fold-{fold}.pt", weights_only=True)
        assert torch.equal(loaded.members[0].o.weight, trained["o.weight"].half().float())
        assert np.isfinite(loaded.read(seen).name).all()
    assert len(ScoreModel.load("cpu", weights=path).members) == FOLDS


@pytest.mark.parametrize(
    ("model", "loss"),
    [*((m, Loss.BCE) for m in SeriesModelName), (SeriesModelName.STANDARD, Loss.FOCAL)],
)
def test_the_node_s_loader_takes_every_choice_of_the_series_networks(tmp_path, model, loss):
    root = series_folder(tmp_path)
    config = SeriesTraining(
        loss=loss, model=model, view_steps=1, contrast_steps=1, view_batch=2, contrast_batch=2, variants=0,
        phantoms=5, bag_slices=2,
    )  # fmt: skip
    path = train_series(root, tmp_path / "out", config, say=lambda _: None)
    loaded = SeriesModel.load("cpu", weights=path)
    kept = torch.load(tmp_path / "out" / "view-3.pt", weights_only=True)
    assert torch.equal(loaded.members[3][0].axis.weight, kept["axis.weight"].half().float())
    with pytest.raises(ConfigError, match=r"view_steps is 1 in the run there, 2 here"):
        train_series(root, tmp_path / "out", replace(config, view_steps=2), say=lambda _: None)


def test_a_run_is_repeated_by_what_lies_beside_its_weights(data, shelves, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "ProcessPoolExecutor", Here)
    config = replace(
        TINY, steps=1, loss=Loss.FOCAL, model=ScoreModelName.SMALL, rows=48, positives=0.5, seed=9
    )
    first = begun(tmp_path / "first", shelves)
    train_score(data, first, config, say=lambda _: None)
    again = begun(tmp_path / "again", shelves)
    repeated = settings_of(ScoreTraining, first / "config.json", {})
    assert repeated == config
    path = train_score(data, again, repeated, say=lambda _: None)
    assert path.read_bytes() == (first / "score.safetensors").read_bytes()
    other = begun(tmp_path / "other", shelves)
    train_fold(other, 0, replace(config, seed=10))
    assert not same(other / "fold-0.pt", first / "fold-0.pt")


@pytest.mark.parametrize("changed", [{"loss": Loss.FOCAL}, {"rows": 48}, {"positives": 1.0}])
def test_every_choice_is_learnt_by(shelves, tmp_path, changed):
    plain, other = begun(tmp_path / "plain", shelves), begun(tmp_path / "other", shelves)
    train_fold(plain, 1, TINY)
    train_fold(other, 1, replace(TINY, **changed))
    assert not same(plain / "fold-1.pt", other / "fold-1.pt")


# ------------------------------------------------------------------ as before, where nothing is chosen


def test_where_nothing_is_chosen_the_same_windows_are_drawn_as_ever():
    """Rows and shelves of the first step of seed (1, 0), as the first release drew them."""
    made = [shelf(rows=r, name=str(r)) for r in (150, 300, 60)]
    made += [shelf(rows=110, group=g, name=g.value) for g in (Group.SYNTHETIC, Group.LIMB, Group.MASKED)]
    batch = Drawer(made, 8, (1, 0)).batch(0)
    assert batch.views.shape[2] == 96
    found = [
        (int(v.sum()), round(float(s[v.bool()].min()), 2))
        for v, s in zip(batch.valid, batch.score, strict=True)
    ]
    assert found == GOLDEN_WINDOWS


def test_where_nothing_is_chosen_the_same_network_is_begun_with_as_ever():
    torch.manual_seed(1)
    state = ScoreNetwork().state_dict()
    assert {n: float(state[n].double().sum()) for n in GOLDEN_SUMS} == pytest.approx(GOLDEN_SUMS, abs=2e-4)


def test_what_the_product_was_trained_with():
    config = asdict(ScoreTraining())
    assert {n: config[n] for n in ("loss", "model", "rows", "positives", "pictures")} == {
        "loss": "bce", "model": "standard", "rows": 96, "positives": 0.0, "pictures": False,
    }  # fmt: skip


# ------------------------------------------------------------------ loss


def test_the_focal_loss_is_cross_entropy_times_what_is_missed():
    logit, wanted = torch.tensor([0.0, 3.0, -3.0, 1.0]), torch.tensor([1.0, 1.0, 1.0, 0.3])
    p = 1 / (1 + np.exp(-logit.double().numpy()))
    y = wanted.double().numpy()
    entropy = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    np.testing.assert_allclose(cross_entropy(logit, wanted), entropy, rtol=1e-5)
    np.testing.assert_allclose(focal(logit, wanted), 4 * np.abs(p - y) ** 2 * entropy, rtol=1e-5)
    assert float(focal(logit, wanted)[0]) == pytest.approx(math.log(2))  # as cross-entropy, at one half


def test_nearly_right_answers_count_for_little_and_every_answer_has_a_gradient():
    sure = torch.tensor([4.0], requires_grad=True)
    ratio = focal(sure, torch.ones(1)) / cross_entropy(sure, torch.ones(1))
    assert float(ratio.detach()) < 0.002
    for judged in JUDGED.values():
        far = torch.tensor([-30.0], requires_grad=True)
        judged(far, torch.ones(1)).backward()
        assert float(far.grad) < -0.9
    assert set(JUDGED) == set(Loss)


@pytest.mark.parametrize(
    ("loss", "costs"),
    [
        (LevelLoss.CAPPED, [0.0, 10.0, 13.0, 40.0]),
        (LevelLoss.SQUARED, [0.0, 2.5, 4.225, 40.0]),
        (LevelLoss.WRONG, [0.0, 0.0, 40.0, 40.0]),
    ],
)
def test_an_error_of_a_level_costs(loss, costs):
    assert [COSTS[loss](off, 40.0) for off in (0.0, 10.0, 13.0, 100.0)] == pytest.approx(costs)
    assert set(COSTS) == set(LevelLoss) and levels.PRODUCT_FIT.loss is LevelLoss.CAPPED


# ------------------------------------------------------------------ rows and positives


def levelled(rows=200, at=None, name="a"):
    """A volume with T12 and L3 at these rows, and its number in every row."""
    made = shelf(rows=rows, name=name)
    heat = np.zeros((26, rows), np.float32)
    for n, row in (at or {}).items():
        heat[n] = np.exp(-0.5 * ((np.arange(rows) - row) / 1.5) ** 2)
    return replace(made, targets=replace(made.targets, heat=heat))


@pytest.mark.parametrize("rows", [32, 64, 300])
def test_a_window_is_as_high_as_asked_for(rows):
    made = [window(shelf(rows=700), np.random.default_rng(n), rows=rows) for n in range(40)]
    assert {m.views.shape[1] for m in made} == {len(m.score) for m in made} == {rows}
    heights = [int(m.valid.sum()) for m in made]
    assert max(heights) == rows and np.mean([h == rows for h in heights]) > 0.5


@pytest.mark.parametrize("rows", [32, 96])
@pytest.mark.parametrize("at", [{T12: 0}, {L3: 199}, {T12: 120, L3: 90}])
def test_a_window_about_a_level_holds_one_anywhere_in_it(rows, at):
    found = []
    for seed in range(60):
        made = window(levelled(at=at), np.random.default_rng(seed), rows=rows, about_level=True)
        there = made.score[made.valid.bool()]
        places = [float((there - row).abs().min()) for row in at.values()]
        assert min(places) <= 1  # rows are stretched: the nearest is less than a row away
        found.append(float(there.min()))
    spread = len({round(f) for f in found})
    assert spread > 8 if at != {T12: 0} else spread == 1  # anywhere; about the lowest row from there on


def test_at_least_so_many_windows_hold_a_level_as_are_asked_for():
    made = [levelled(at={T12: 400, L3: 370}, rows=700, name="has"), levelled(rows=700, name="has none")]
    shares = {}
    for positives in (0.0, 0.5, 1.0):
        heats = Drawer(made, 100, (1, 2), 40, positives).batch(0).heat
        shares[positives] = float((heats[:, [T12, L3]].amax((1, 2)) > 0.5).float().mean())
    assert shares[0.0] < 0.2 and 0.4 < shares[0.5] < 0.7 and shares[1.0] == 1.0


def test_levels_are_those_that_are_labelled_in_the_volume():
    assert levels_of(levelled(at={T12: 120, L3: 90})) == {"T12": 120, "L3": 90}
    assert levels_of(levelled(at={L3: 90, T12 + 1: 50})) == {"L3": 90}
    assert levels_of(levelled(at={T12: 202.0})) == {}  # 6 mm above the highest row


def test_positives_without_a_level_are_refused():
    with pytest.raises(ConfigError, match=r"positives is 0\.5, and no volume is labelled T12 or L3"):
        Drawer([levelled()], 2, (1, 0), 96, 0.5)
    assert Drawer([levelled()], 2, (1, 0), 96, 0.0).batch(0).views.shape[0] == 2
