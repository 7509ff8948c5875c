"""Training: sampling, losses, measures, and a run that can be stopped."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file

from inference.training.augment import augmented
from inference.training.calibrate import conformal
from inference.training.config import ScoreTraining
from inference.training.data import CANVAS, Study, load_studies
from inference.training.loop import CHECKPOINT, METRICS, WEIGHTS, train_score
from inference.training.losses import landmark_loss, order_loss, slope_loss, variance_loss
from inference.training.metrics import crossing_mm, landmark_errors, lmse
from inference.training.sampling import Sampler, equidistant
from inference.training.split import (
    Group,
    Split,
)
from tests.inference.training_folder import data_folder

# ------------------------------------------------------------------ sampling and augmentation


@given(st.lists(st.floats(0.5, 12), min_size=4, max_size=200), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_equidistant_slices_rise_and_stay_in_the_volume(steps, count, seed):
    z = np.cumsum(steps)
    picked = equidistant(z, count, np.random.default_rng(seed))
    assert len(picked) == count
    assert (np.diff(picked) >= 0).all()
    gaps = np.diff(z[picked])
    assert gaps.max() <= 100 + 2 * max(steps)


def study(identifier="wb-1", group=Group.TRUNK, slices=20, offset=0.0, weight=1.0):
    rng = np.random.default_rng(len(identifier))
    z = offset + np.arange(slices) * 5.0
    images = torch.from_numpy(rng.uniform(-1, 1, (slices, CANVAS, CANVAS))).half()
    return Study(
        identifier=identifier,
        split=Split.TRAIN,
        group=group,
        images=images,
        body=torch.ones(slices, CANVAS, CANVAS, dtype=torch.bool),
        z_mm=z,
        target=(0.118 * z).astype(np.float32),
        weight=np.full(slices, weight, np.float32),
        landmarks=(),
    )


def test_a_step_draws_the_same_batch_whatever_was_drawn_before():
    studies = [study(), study("kbp-12", Group.MASKED), study("sts-123", Group.LIMB, weight=0)]
    one, other = (Sampler(studies, 6, 4, seed=3) for _ in range(2))
    for step in (0, 1, 2):
        one.batch(step)
    a, b = one.batch(7), other.batch(7)
    torch.testing.assert_close(a.images, b.images)
    torch.testing.assert_close(a.z_mm, b.z_mm)
    assert not torch.equal(a.z_mm, one.batch(8).z_mm)
    torch.testing.assert_close(a.target, 0.118 * a.z_mm)
    assert (a.masked & a.limb).sum() == 0


def test_augmentation_is_bounded_seeded_and_leaves_the_batch_alone():
    batch = Sampler([study()], 3, 4, seed=1).batch(0)
    before = batch.images.clone()
    first, again, other = augmented(batch, 5), augmented(batch, 5), augmented(batch, 6)
    assert first.shape == (12, 1, 128, 128)
    assert first.min() >= -1
    assert first.max() <= 1
    torch.testing.assert_close(first, again)
    assert not torch.equal(first, other)
    torch.testing.assert_close(batch.images, before)


def test_hiding_the_background_hides_nothing_of_the_body():
    batch = Sampler([study()], 6, 4, seed=1).batch(0)
    body = torch.zeros_like(batch.body)
    body[:, 60:100, 60:100] = True
    images = torch.where(body, 0.5, 0.2)
    means = augmented(replace(batch, body=body, images=images), 2).mean(dim=(1, 2, 3))
    assert means.min() < -0.5 < means.max()


# ------------------------------------------------------------------ losses and metrics


def test_the_order_loss_is_least_at_the_usual_slope():
    z = torch.tensor([[0.0, 30.0, 60.0, 90.0]])
    losses = {k: float(order_loss(k * 0.118 * z, z)) for k in (-1.0, 0.0, 0.5, 1.0, 2.0)}
    assert losses[1.0] == pytest.approx(0, abs=1e-9)
    assert losses[-1.0] > losses[0.0] > losses[0.5]
    # (sigmoid(0.3) - sigmoid(0))^2
    assert losses[0.0] == pytest.approx(0.0055417, abs=1e-6)


def test_the_slope_prior_forgives_a_fifth():
    z = torch.tensor([[0.0, 50.0, 100.0]])
    assert float(slope_loss(1.19 * 0.118 * z, z)) == pytest.approx(0, abs=1e-9)
    assert float(slope_loss(1.4 * 0.118 * z, z)) > 0
    assert float(slope_loss(-0.118 * z, z)) > float(slope_loss(0 * z, z)) > 0


def test_unlabelled_slices_weigh_nothing():
    score, target = torch.tensor([1.0, 50.0]), torch.tensor([0.0, 0.0])
    # 1^2 / (2 * 5) / 2
    assert float(landmark_loss(score, target, torch.tensor([1.0, 0.0]))) == pytest.approx(0.05)
    assert float(landmark_loss(score, target, torch.zeros(2))) == 0


def test_the_variance_is_best_at_the_squared_error():
    score, target, weight = torch.tensor([3.0]), torch.tensor([0.0]), torch.ones(1)
    best = float(variance_loss(score, torch.log(torch.tensor([9.0])), target, weight))
    assert best < float(variance_loss(score, torch.log(torch.tensor([6.0])), target, weight))
    assert best < float(variance_loss(score, torch.log(torch.tensor([13.0])), target, weight))


def test_landmark_errors_are_in_millimetres_and_score_units():
    s = replace(study(), landmarks=(("T12", 40.0, 0.118 * 40.0), ("L3", 500.0, 59.0)))
    (error,) = landmark_errors(s, 0.118 * (s.z_mm - 6))
    assert error.error_mm == pytest.approx(6.0)
    assert error.score - error.expected == pytest.approx(-0.708)
    assert lmse([error]) == pytest.approx(0.708**2)


def test_lmse_counts_each_volume_once():
    s = replace(study(), landmarks=(("T12", 40.0, 4.72),))
    (one,) = landmark_errors(s, 0.118 * s.z_mm + 2)
    (two,) = landmark_errors(replace(s, identifier="other"), 0.118 * s.z_mm + 4)
    assert lmse([one, one, one, two]) == pytest.approx((4 + 16) / 2)


def test_a_value_beyond_the_curve_is_crossed_nowhere():
    z = np.arange(5.0)
    assert crossing_mm(z, z, 4.5) is None
    assert crossing_mm(z, z, 1.5) == 1.5


@pytest.mark.parametrize(("n", "expected"), [(9, 9.0), (19, 18.0), (99, 90.0)])
def test_the_conformal_rank_counts_the_one_to_come(n, expected):
    assert conformal([float(v) for v in range(1, n + 1)], 0.9) == expected


def test_too_few_errors_promise_nothing():
    with pytest.raises(ValueError, match=r"8 errors are too few for a coverage of 0\.9"):
        conformal([1.0] * 8, 0.9)


# ------------------------------------------------------------------ a whole run, small


@pytest.fixture
def folder(tmp_path):
    return data_folder(tmp_path)


CONFIG = ScoreTraining(
    steps=4, volumes_per_step=2, slices_per_volume=3, validate_every=2, threads=1, warm_up_steps=1
)


def test_the_data_folder_is_read_by_split(folder):
    studies = load_studies(folder, frozenset({Split.TRAIN}))
    assert [s.identifier for s in studies] == ["wb-one", "wb-two"]
    assert studies[0].landmarks == (("T12", 60.0, 44.952),)
    assert studies[0].target[6] == pytest.approx(44.952)
    assert studies[0].images.shape == (12, CANVAS, CANVAS)
    (held_out,) = load_studies(folder, frozenset({Split.VALIDATION}))
    assert held_out.identifier == "petct-acrin013-ax"


class Unplugged(Exception):
    """The power went."""


def test_a_run_that_was_cut_off_ends_as_if_it_had_not_been(folder, tmp_path):
    straight = train_score(folder, tmp_path / "straight", CONFIG, say=lambda _: None)

    def pull_the_plug(line):
        if line.startswith("step 2 validation"):
            raise Unplugged

    with pytest.raises(Unplugged):
        train_score(folder, tmp_path / "cut", CONFIG, say=pull_the_plug)
    resumed = train_score(folder, tmp_path / "cut", CONFIG, say=lambda _: None)
    ours = torch.load(tmp_path / "cut" / CHECKPOINT, weights_only=True)["average"]
    theirs = torch.load(tmp_path / "straight" / CHECKPOINT, weights_only=True)["average"]
    for name, value in theirs.items():
        torch.testing.assert_close(ours[name], value, msg=name)
    assert load_file(resumed).keys() == load_file(straight).keys()
    assert resumed.name == WEIGHTS
    metrics = json.loads((tmp_path / "cut" / METRICS).read_text())
    assert [m["step"] for m in metrics] == [2, 4]
