"""Fitting of the chain to made-up evidence with known answers, and how wrong it is said to be."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from inference.chain import Evidence, Spacing, Weights
from inference.levels import Place
from inference.models.levels import LevelModel
from inference.spine import VERTEBRA_SCORES, VERTEBRAE
from inference.training import level_calibration as calibration
from inference.training import levels as module
from inference.training.folds import FOLDS
from inference.training.level_calibration import Held, calibrated
from inference.training.level_config import LevelLoss, LevelTraining
from inference.training.levels import (
    FIRST,
    Seen,
    cost,
    errors,
    evidence_of,
    fit,
    read_spacing,
    train_levels,
    truth_of,
)
from inference.training.study import load_studies
from storage.errors import ConfigError
from tests.inference.training_folder import FOLD, GAP_MM, data_folder, study

SPACING = Spacing(mean_mm=(GAP_MM,) * 24, sd_mm=(2.5,) * 24)
T12, L3 = VERTEBRAE.index("T12"), VERTEBRAE.index("L3")
ROWS = 80
L3_MM = 60.0
"""z of L3 in a field of 0 to 237 mm; the others GAP_MM apart: T12 at 141."""


def heights(shift=0.0):
    return {v: L3_MM + shift + GAP_MM * (L3 - n) for n, v in enumerate(VERTEBRAE)}


def evidence(shift=0.0, score_shift=0.0, strength=8.0):
    """What a network that is right says of a spine; a score that is wrong by some units."""
    z = np.arange(ROWS) * 3.0
    at = np.asarray([*heights(shift).values()])
    bump = np.exp(-0.5 * ((z - at[:, None]) / 4.5) ** 2)
    return Evidence(
        z_mm=z,
        score=np.interp(z, at[::-1], VERTEBRA_SCORES[::-1]) + score_shift,
        sd=np.ones(ROWS),
        centre=strength * (bump.max(0) - 0.5),
        name=strength * bump - 6,
    )


def seen(fold, shift=0.0, truth_shift=0.0, **options):
    """A patient of a fold; the readers' truth may differ from what the network was right about."""
    points = {n: z + truth_shift for n, z in heights(shift).items() if 0 <= z <= 3 * ROWS}
    return Seen(study=study(points, rows=ROWS, fold=fold), fold=fold, evidence=evidence(shift, **options))


# ------------------------------------------------------------------ errors and cost


def test_a_spine_that_is_plainly_seen_is_found_where_it_is():
    made = seen(0, 7.0)
    assert list(truth_of(made)) == ["T10", "T11", "T12", "L1", "L2", "L3", "L4", "L5"]
    np.testing.assert_allclose(errors([made], FIRST, SPACING), [0, 0], atol=0.6)
    assert cost([made], FIRST, SPACING) < 1.5


def test_vertebrae_near_the_field_s_end_are_not_counted():
    points = {"T12": 227.1, "L1": 200.0, "L3": 10.0, "L4": 9.9, "vertex": 100.0}
    made = Seen(study=study(points, rows=ROWS), fold=0, evidence=evidence())
    assert truth_of(made) == {"L1": 200.0, "L3": 10.0}


def test_the_cost_counts_t12_and_l3_thrice_and_no_error_above_40_mm(monkeypatch):
    monkeypatch.setattr(module, "posterior", lambda e, w, s: None)
    found = {"T12": 141.0 + 5, "L1": 114.0, "L2": 87.0, "L3": L3_MM - 100}
    monkeypatch.setattr(
        module, "place", lambda _, n: Place(z_mm=found[VERTEBRAE[n]], probability=1, inside=1)
    )
    points = {n: heights()[n] for n in found}
    made = Seen(study=study(points, rows=ROWS), fold=0, evidence=evidence())
    # mean of 5, 0, 0, 40; then 3 * 5 and 3 * 40
    assert cost([made], FIRST, SPACING) == pytest.approx((11.25 + 15 + 120) / 3)
    assert errors([made], FIRST, SPACING) == [5.0, -100.0]


def wrong_by_one(fold):
    """Scores a vertebra too high, which a chain that trusts scores too much follows."""
    return seen(fold, 5.0 * fold, score_shift=3.7, strength=2.0)


def test_the_fit_lowers_the_cost_as_far_as_one_weight_at_a_time_can(monkeypatch):
    trials = {"score": (0.1, 0.5), "name": (0.7, 1.0), "score_sd": (1.5, 4.0)}
    monkeypatch.setattr(module, "TRIALS", trials)
    monkeypatch.setattr(module, "FIRST", replace(FIRST, score=8.0))
    patients = [wrong_by_one(0), wrong_by_one(1)]
    found = fit(patients, SPACING)
    least = cost(patients, found, SPACING)
    assert cost(patients, module.FIRST, SPACING) > 50 > 2 > least
    for name, values in trials.items():
        assert all(cost(patients, replace(found, **{name: v}), SPACING) >= least for v in values)
    unchanged = set(asdict(FIRST)) - set(trials)
    assert all(getattr(found, n) == getattr(FIRST, n) for n in unchanged)


# ------------------------------------------------------------------ evidence


def test_every_volume_is_read_by_the_network_that_has_not_seen_its_patient(tmp_path, monkeypatch):
    asked = []

    class Member:
        def __init__(self, fold):
            self.fold = fold

        def read(self, box):
            asked.append((self.fold, box))
            return replace(evidence(), z_mm=box.z_mm)

    def load(device, fold, weights):
        assert (device, weights.name) == ("cpu", "score.safetensors")
        return Member(fold)

    monkeypatch.setattr(module.ScoreModel, "load", load)
    data = data_folder(tmp_path)
    found = evidence_of(data, tmp_path / "score.safetensors")
    names = ["chest-lidc-0001-ce", "petct-acrin001-a", "wb-ccth-a01"]
    assert [s.study.identifier for s in found] == names  # no limb, no masked volume, no patient twice
    assert [s.fold for s in found] == [fold for fold, _ in asked] == [FOLD[n] for n in names]
    boxes = {s.identifier: s for s in load_studies(data)}
    for name, (_, box) in zip(names, asked, strict=True):
        assert (box.hu == boxes[name].hu.float()).all() and (box.z_mm == boxes[name].z_mm).all()


def test_the_spacing_is_that_of_the_priors_and_the_sacrum_s_is_ours(tmp_path):
    spacing = read_spacing(data_folder(tmp_path) / "priors" / "vertebra_spacing_stats.csv")
    assert spacing.mean_mm == (GAP_MM,) * 23 + (29.0,)
    assert spacing.sd_mm == (2.5,) * 23 + (3.4,)


# ------------------------------------------------------------------ the whole fit


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return data_folder(tmp_path_factory.mktemp("levels"))


@pytest.fixture
def trained(data, tmp_path, monkeypatch):
    """A fit to given patients, with few trials: where it is written, its content, what was told."""
    weights = tmp_path / "score.safetensors"
    weights.write_bytes(b"score weights")
    monkeypatch.setattr(module, "TRIALS", {"score": (0.1, 0.5, 8.0), "name": (0.1, 0.7)})

    def train(patients, name="out", **options):
        monkeypatch.setattr(module, "evidence_of", lambda root, score: patients)
        lines = []
        config = LevelTraining(rounds=1, **options)
        path = train_levels(data, tmp_path / name, weights, config, lines.append)
        return path, json.loads(path.read_text()), lines

    return train


def all_folds(**changed):
    """A patient of each fold; those that are named have another truth."""
    return [seen(f, 4.0 * f, truth_shift=changed.get(f"fold{f}", 0.0)) for f in range(FOLDS)]


def test_the_file_loads_for_its_score_weights_and_for_no_others(trained):
    path, content, lines = trained(all_folds())
    sha256 = hashlib.sha256(b"score weights").hexdigest()
    assert content["score_sha256"] == sha256
    everyone = LevelModel.load(sha256, path=path)
    assert everyone.weights == Weights(**content["all"])
    assert everyone.spacing.mean_mm == (GAP_MM,) * 23 + (29.0,)
    for fold in range(FOLDS):
        assert LevelModel.load(sha256, fold, path).weights == Weights(**content["folds"][fold])
    assert everyone.levels.coverage == 0.9 and everyone.levels.half_width_mm == 6.0
    # 10 of 10 levels are right: Wilson's lower limit is 10 / (10 + 1.96^2)
    assert everyone.levels.right_level == 0.722
    with pytest.raises(ConfigError, match=f"belongs to weights {sha256}, not to {'0' * 64}"):
        LevelModel.load("0" * 64, path=path)
    assert lines[0] == "5 volumes with vertebrae"
    assert [line.split(",")[0] for line in lines[1:]] == [
        f"fold {f}: 2 levels held out" for f in range(FOLDS)
    ]


def test_a_truth_does_not_enter_the_fit_that_it_is_held_against(trained, monkeypatch):
    """A reader of fold 1 who is a vertebra off: all weights move but those of fold 1."""

    def telling(patients, spacing, config):
        return replace(FIRST, score_sd=float(np.mean([truth_of(s)["T12"] for s in patients])) / 100)

    monkeypatch.setattr(module, "fit", telling)
    _, plain, _ = trained(all_folds(), "plain")
    _, other, _ = trained(all_folds(fold1=GAP_MM), "other")
    # T12 lies at 141 mm and 4 mm higher in each fold
    assert plain["all"]["score_sd"] == pytest.approx(1.49)
    held_out = [1.51, 1.50, 1.49, 1.48, 1.47]
    assert [w["score_sd"] for w in plain["folds"]] == pytest.approx(held_out)
    moved = [w + (0 if fold == 1 else GAP_MM / 400) for fold, w in enumerate(held_out)]
    assert [w["score_sd"] for w in other["folds"]] == pytest.approx(moved)
    assert other["levels"] != plain["levels"]  # but it counts where it is measured


def test_the_settings_lie_beside_the_levels_and_may_change(trained):
    path, _, _ = trained(all_folds(), loss=LevelLoss.WRONG, worst_mm=30.0)
    kept = json.loads(path.with_name("config.json").read_text())
    assert kept == {"loss": "wrong", "worst_mm": 30.0, "level_share": 3.0, "rounds": 1}
    trained(all_folds())  # a fit is done anew each time
    assert json.loads(path.with_name("config.json").read_text())["loss"] == "capped"


@pytest.mark.parametrize(
    ("changed", "wanted"),
    [
        ({}, (11.25 + 15 + 120) / 3),
        ({"level_share": 1.0}, (11.25 + 5 + 40) / 3),
        ({"worst_mm": 100.0}, (26.25 + 15 + 300) / 3),
        ({"loss": LevelLoss.SQUARED}, ((25 / 40 + 40) / 4 + 3 * 25 / 40 + 120) / 3),
        ({"loss": LevelLoss.WRONG}, (10 + 0 + 120) / 3),
    ],
)
def test_the_cost_is_what_is_chosen(monkeypatch, changed, wanted):
    """Errors of 5, 0, 0 and 100 mm of T12, L1, L2 and L3."""
    monkeypatch.setattr(module, "posterior", lambda e, w, s: None)
    found = {"T12": 141.0 + 5, "L1": 114.0, "L2": 87.0, "L3": L3_MM - 100}
    monkeypatch.setattr(
        module, "place", lambda _, n: Place(z_mm=found[VERTEBRAE[n]], probability=1, inside=1)
    )
    made = Seen(study=study({n: heights()[n] for n in found}, rows=ROWS), fold=0, evidence=evidence())
    assert cost([made], FIRST, SPACING, LevelTraining(**changed)) == pytest.approx(wanted)


# ------------------------------------------------------------------ calibration


@pytest.fixture
def told(monkeypatch):
    """Volumes whose chain says what is asked for: (error mm, probability, inside) of T12."""

    def measured(answers):
        held = [
            Held(evidence=n, weights=FIRST, truth={"T12": 100.0})  # type: ignore[arg-type]
            for n in range(len(answers))
        ]
        monkeypatch.setattr(calibration, "posterior", lambda e, w, s: e)
        monkeypatch.setattr(
            calibration,
            "place",
            lambda n, _: Place(z_mm=100 + answers[n][0], probability=answers[n][1], inside=answers[n][2]),
        )
        monkeypatch.setattr(calibration, "_curve", lambda *_: None)
        monkeypatch.setattr(calibration, "log_odds", lambda *_: {})
        return calibrated(held, SPACING).levels

    return measured


@pytest.mark.parametrize(
    ("right", "count", "low"),
    [
        # (p + z^2 / 2n - z sqrt(p (1 - p) / n + z^2 / 4 n^2)) / (1 + z^2 / n), by hand
        (10, 10, 0.722),
        (19, 20, 0.764),
        (45, 50, 0.786),
        (5, 10, 0.237),
        (0, 4, 0.0),
        (0, 0, 0.0),
    ],
)
def test_the_share_of_right_levels_is_wilson_s_lower_limit(told, right, count, low):
    answers = [(12.0 if n % 2 else -12.0, 1, 1) for n in range(right)] + [(12.1, 1, 1)] * (count - right)
    assert told(answers).right_level == pytest.approx(low, abs=5e-4)


def test_the_interval_holds_nine_tenths_of_the_right_levels(told):
    # 19 right ones at 6.5, 6.75 ... 11 mm: of them the 18th is the first to hold 0.9
    answers = [((-1) ** n * (6.5 + 0.25 * n), 1, 1) for n in range(19)] + [(80.0, 1, 1)] * 5
    found = told(answers)
    assert (found.half_width_mm, found.coverage) == (10.8, 0.9)
    assert told([(1.0, 1, 1)] * 30).half_width_mm == 6.0  # never less: readers and slices
    assert told([]).half_width_mm == 12.0  # nothing was measured


def test_levels_that_would_not_be_called_found_are_not_counted(told):
    doubtful = [(50.0, 0.89, 1), (50.0, 1, 0.89)] * 20
    assert told([(0.0, 0.9, 0.9)] * 10 + doubtful).right_level == 0.722


def test_the_curve_s_error_is_that_of_volumes_and_its_scale_that_of_rows(monkeypatch):
    z = np.asarray([0.0, 100.0, 200.0])
    table = dict(zip(VERTEBRAE, VERTEBRA_SCORES, strict=True))
    truth = {"T12": 100.0, "L3": 0.0}
    right = np.asarray([table["L3"], table["T12"], 60.0])
    curves = {1: (right + np.asarray([1, 3, 9]), np.asarray([1.0, 2.0, 9])), 2: (right - 1, np.full(3, 0.5))}
    held = [
        Held(evidence=replace(evidence(), z_mm=z, score=np.full(3, n)), weights=FIRST, truth=t)
        for n, t in ((1, truth), (2, truth), (3, {}))
    ]
    monkeypatch.setattr(calibration, "posterior", lambda *_: None)
    monkeypatch.setattr(calibration, "_levels", lambda *_: None)
    monkeypatch.setattr(calibration, "log_odds", lambda *_: {})
    monkeypatch.setattr(calibration, "fused", lambda e, _: curves[int(e.score[0])])
    found = calibrated(held, SPACING).curve
    # volumes are off by 2 and -1 on the whole; that and each row's own sd together meet the errors
    assert found.offset_sd == pytest.approx(np.sqrt((4 + 1) / 2), abs=5e-4)
    squares = [1 / (1 + 2.5), 9 / (4 + 2.5), 1 / (0.25 + 2.5), 1 / (0.25 + 2.5)]
    assert found.sd_scale == pytest.approx(np.sqrt(np.mean(squares)), abs=5e-4)


@pytest.mark.parametrize(
    ("odds", "least"),
    [([{"a": -4.0, "b": 1.9}, {}], 3.0), ([{"a": 4.25, "b": 1.0}, {"a": 0.0}], 5.25), ([{}, {}], 3.0)],
)
def test_a_variant_must_fit_better_than_any_usual_spine_did(monkeypatch, odds, least):
    monkeypatch.setattr(calibration, "posterior", lambda *_: None)
    monkeypatch.setattr(calibration, "_levels", lambda *_: None)
    monkeypatch.setattr(calibration, "_curve", lambda *_: None)
    monkeypatch.setattr(calibration, "log_odds", lambda e, *_: odds[e])
    held = [Held(evidence=n, weights=FIRST, truth={}) for n in range(2)]  # type: ignore[arg-type]
    assert calibrated(held, SPACING).variant_log_odds == least
