"""`ctnode train`: what is asked for on the command line reaches the trainers."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inference.models.product import PRODUCT
from inference.models.score_architecture import ScoreModelName
from inference.models.series_architecture import SeriesModelName
from inference.training import levels, loop, series_loop
from inference.training.commands import app
from inference.training.config import Loss, ScoreTraining
from inference.training.level_config import LevelLoss, LevelTraining
from inference.training.series_config import SeriesTraining
from inference.training.synthesis import dataset
from storage.errors import ConfigError
from tests.inference.training_folder import synthetic


def train(*words):
    return CliRunner().invoke(app, ["train", *map(str, words)])


@pytest.fixture
def asked(monkeypatch):
    """What a trainer was asked for; it says a line."""
    found = []

    def put(module, name):
        def trainer(*given, say=print):
            found.append((name, *given))
            say(f"{name} is done")
            return Path("weights")

        monkeypatch.setattr(module, name, trainer)

    put(loop, "train_score")
    put(levels, "train_levels")
    put(series_loop, "train_series")
    return found


def test_score(asked, tmp_path):
    out = tmp_path / "out"
    made = train(
        "score",
        "--data",
        tmp_path,
        "--out",
        out,
        "--steps",
        7,
        "--patients",
        0.25,
        "--workers",
        1,
        "--synthetic",
        0,
    )
    assert (made.exit_code, made.output) == (0, "train_score is done\n")
    assert train("score", "--data", tmp_path, "--out", out).exit_code == 0
    changed = ScoreTraining(steps=7, patients=0.25, workers=1, synthetic=0)
    assert asked == [
        ("train_score", tmp_path, out, changed),
        ("train_score", tmp_path, out, ScoreTraining()),
    ]


def test_levels(asked, tmp_path):
    score = tmp_path / "score.safetensors"
    score.write_bytes(b"")
    made = train("levels", "--data", tmp_path, "--out", tmp_path / "out", "--score", score)
    assert (made.exit_code, made.output) == (0, "train_levels is done\n")
    assert train("levels", "--data", tmp_path, "--out", tmp_path).exit_code == 0
    assert train("levels", "--data", tmp_path, "--out", tmp_path, "--loss", "wrong").exit_code == 0
    assert asked == [
        ("train_levels", tmp_path, tmp_path / "out", score, LevelTraining()),
        ("train_levels", tmp_path, tmp_path, PRODUCT.score, LevelTraining()),
        ("train_levels", tmp_path, tmp_path, PRODUCT.score, LevelTraining(loss=LevelLoss.WRONG)),
    ]


def test_series(asked, tmp_path):
    made = train("series", "--data", tmp_path, "--out", tmp_path / "out", "--patients", 0.5, "--variants", 0)
    assert (made.exit_code, made.output) == (0, "train_series is done\n")
    given = ("--view-steps", 3, "--contrast-steps", 4, "--variants", 5, "--phantoms", 6)
    assert train("series", "--data", tmp_path, "--out", tmp_path, *given).exit_code == 0
    own = SeriesTraining(view_steps=3, contrast_steps=4, variants=5, phantoms=6)
    assert asked == [
        ("train_series", tmp_path, tmp_path / "out", SeriesTraining(patients=0.5, variants=0)),
        ("train_series", tmp_path, tmp_path, own),
    ]


def test_choices_of_the_score_networks(asked, tmp_path):
    words = ("--loss", "focal", "--model", "line", "--rows", 64, "--positives", 0.5, "--pictures")
    assert train("score", "--data", tmp_path, "--out", tmp_path, *words).exit_code == 0
    config = ScoreTraining(loss=Loss.FOCAL, model=ScoreModelName.LINE, rows=64, positives=0.5, pictures=True)
    assert asked == [("train_score", tmp_path, tmp_path, config)]


@pytest.mark.parametrize(
    ("verb", "text", "option", "wanted"),
    [
        ("score", "model: small\nsteps: 9\nwindows: 4\n", ("--steps", 3), ScoreTraining(
            model=ScoreModelName.SMALL, steps=3, windows=4)),
        ("levels", "rounds: 1\nloss: squared\n", ("--loss", "wrong"), LevelTraining(
            rounds=1, loss=LevelLoss.WRONG)),
        ("series", "model: large\nphantoms: 9\n", ("--loss", "focal"), SeriesTraining(
            model=SeriesModelName.LARGE, phantoms=9, loss=Loss.FOCAL)),
    ],
)  # fmt: skip
def test_a_file_sets_what_no_option_does(asked, tmp_path, verb, text, option, wanted):
    file = tmp_path / "training.yaml"
    file.write_text(text)
    made = train(verb, "--data", tmp_path, "--out", tmp_path, "--config", file, *option)
    assert made.exit_code == 0 and asked[0][-1] == wanted


@pytest.mark.parametrize("verb", ["score", "levels", "series"])
def test_an_unknown_name_in_a_file_stops_the_command(asked, tmp_path, verb):
    file = tmp_path / "training.yaml"
    file.write_text("los: bce\n")
    made = train(verb, "--data", tmp_path, "--out", tmp_path, "--config", file)
    assert made.exit_code == 1 and asked == []
    assert isinstance(made.exception, ConfigError)
    assert "training.yaml: unknown los; there are loss, " in str(made.exception)


def test_synthesise_writes_volumes(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset, "load_atlases", lambda data: ["boxes"])
    monkeypatch.setattr(dataset, "synthesise", lambda atlas, seed, recipe: synthetic(seed))
    out = tmp_path / "out"
    made = train("synthesise", "--data", tmp_path, "--out", out, "--count", 1, "--seed", 5)
    assert (made.exit_code, made.output.replace("\n", "")) == (0, f"1 volumes in {out}")
    assert [p.name for p in (out / "volumes").iterdir()] == ["synthetic-5-00000.npz"]
    with (out / "synthetic.csv").open(encoding="utf-8") as file:
        assert [row["seed"] for row in csv.DictReader(file)] == ["5"]


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (("score", "--out", "o"), "--data"),
        (("score", "--data", "nowhere", "--out", "o"), "--data"),
        (("score", "--data", ".", "--out", "o", "--steps", 0), "--steps"),
        (("score", "--data", ".", "--out", "o", "--patients", 1.5), "--patients"),
        (("levels", "--data", ".", "--out", "o", "--score", "nowhere"), "--score"),
        (("score", "--data", ".", "--out", "o", "--loss", "dice"), "--loss"),
        (("score", "--data", ".", "--out", "o", "--model", "huge"), "--model"),
        (("score", "--data", ".", "--out", "o", "--rows", 31), "--rows"),
        (("score", "--data", ".", "--out", "o", "--positives", 1.5), "--positives"),
        (("score", "--data", ".", "--out", "o", "--config", "nowhere.yaml"), "--config"),
        (("series", "--data", ".", "--out", "o", "--model", "line"), "--model"),
        (("levels", "--data", ".", "--out", "o", "--loss", "bce"), "--loss"),
        (("synthesise", "--data", ".", "--out", "o", "--count", 0), "--count"),
        (("series", "--data", "."), "--out"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_trained(asked, words, option):
    made = train(*words)
    assert made.exit_code == 2 and option in made.output
    assert asked == []
