"""The settings of a training run: from a file, over it from the command line, and kept beside the weights."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from inference.models.score_architecture import ScoreModelName
from inference.models.series_architecture import SeriesModelName
from inference.training.config import Loss, ScoreTraining
from inference.training.level_config import LevelLoss, LevelTraining
from inference.training.series_config import SeriesTraining
from inference.training.settings import keep, settings_of
from storage.errors import ConfigError

MANUAL = Path(__file__).resolve().parents[2] / "deploy" / "TRAINING.md"
KINDS = (ScoreTraining, SeriesTraining, LevelTraining)


@pytest.fixture
def file(tmp_path):
    """Writes training.yaml."""

    def write(text):
        path = tmp_path / "training.yaml"
        path.write_text(text)
        return path

    return write


def test_a_file_sets_what_it_names_and_the_command_line_goes_before_it(file):
    path = file("# a try\nloss: focal\nmodel: line\nrows: 128\npositives: 0.5\nlearning_rate: 1\n")
    made = settings_of(ScoreTraining, path, {"rows": 64, "pictures": True})
    assert made == ScoreTraining(
        loss=Loss.FOCAL,
        model=ScoreModelName.LINE,
        rows=64,
        positives=0.5,
        learning_rate=1.0,
        pictures=True,
    )
    assert (type(made.loss), type(made.model)) == (Loss, ScoreModelName)


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_given_is_the_product_s_own(kind, file):
    assert settings_of(kind, None, {}) == settings_of(kind, file(""), {}) == kind()


def test_the_other_trainers_have_files_too(file):
    series = settings_of(SeriesTraining, file("loss: focal\nmodel: small\nview_steps: 9\n"), {})
    assert series == SeriesTraining(loss=Loss.FOCAL, model=SeriesModelName.SMALL, view_steps=9)
    levels = settings_of(LevelTraining, file("loss: wrong\nlevel_share: 1\n"), {"loss": LevelLoss.SQUARED})
    assert levels == LevelTraining(loss=LevelLoss.SQUARED, level_share=1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stepz: 3\nwindowz: 2", r"training.yaml: unknown stepz, windowz; there are loss, model, rows, "),
        ("steps: '3'", "training.yaml: steps is '3': input should be a valid integer"),
        ("steps: true", "steps is True: input should be a valid integer"),
        ("steps: 0", "steps is 0: input should be greater than or equal to 1"),
        ("rows: 31", "rows is 31: input should be greater than or equal to 32"),
        ("positives: 1.5", "positives is 1.5: input should be less than or equal to 1"),
        ("learning_rate: .nan", "learning_rate is nan: input should be a finite number"),
        ("pictures: 1", "pictures is 1: input should be a valid boolean"),
        ("loss:", "loss is None: input should be 'bce' or 'focal'"),
        ("loss: dice\nmodel: huge", r"loss is 'dice': .*; .*model is 'huge': .*'standard', 'small', 'large'"),
        ("steps: 3\nsteps: 4", r'training.yaml:2: found duplicate key "steps"'),
        ("steps: [3", "training.yaml:1: expected"),
        ("- steps", "must hold lines of 'name: value'"),
        ("a: \x00", "is no YAML text"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(file, text, message):
    with pytest.raises(ConfigError, match=message):
        settings_of(ScoreTraining, file(text), {})


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml cannot be read: No such file"):
        settings_of(ScoreTraining, tmp_path / "absent.yaml", {})


# ------------------------------------------------------------------ beside the weights


@pytest.mark.parametrize(
    "settings",
    [
        ScoreTraining(loss=Loss.FOCAL, model=ScoreModelName.SMALL, rows=48, positives=0.25, pictures=True),
        SeriesTraining(loss=Loss.FOCAL, model=SeriesModelName.LARGE, patients=0.5),
        LevelTraining(loss=LevelLoss.WRONG, worst_mm=25.0),
    ],
)
def test_what_is_kept_repeats_the_run(settings, tmp_path):
    keep(settings, tmp_path, free=())
    assert json.loads((tmp_path / "config.json").read_text()) == asdict(settings)
    assert settings_of(type(settings), tmp_path / "config.json", {}) == settings


@pytest.mark.parametrize(("name", "value"), [("loss", "focal"), ("model", "small"), ("rows", 64)])
def test_a_run_of_other_settings_is_not_gone_on_with(tmp_path, name, value):
    keep(ScoreTraining(), tmp_path, free=())
    before = (tmp_path / "config.json").read_bytes()
    with pytest.raises(ConfigError, match=rf"config\.json: {name} is .* in the run there, {value} here"):
        keep(replace(ScoreTraining(), **{name: value}), tmp_path, free=("pictures",))
    assert (tmp_path / "config.json").read_bytes() == before


def test_what_may_change_may_change(tmp_path):
    keep(ScoreTraining(), tmp_path, free=())
    keep(ScoreTraining(pictures=True), tmp_path, free=("pictures",))
    assert json.loads((tmp_path / "config.json").read_text())["pictures"] is True


def test_a_run_that_was_begun_before_a_setting_came_goes_on_with_its_default(tmp_path):
    older = asdict(ScoreTraining())
    for name in ("loss", "model", "rows", "positives", "pictures"):
        del older[name]
    path = tmp_path / "config.json"
    path.write_text(json.dumps(older))
    with pytest.raises(ConfigError, match=r"rows is 96 in the run there, 64 here"):
        keep(ScoreTraining(rows=64), tmp_path, free=())
    keep(ScoreTraining(), tmp_path, free=())
    assert json.loads(path.read_text()) == asdict(ScoreTraining())


# ------------------------------------------------------------------ the manual


def test_the_manual_names_every_setting_and_every_choice():
    text = MANUAL.read_text(encoding="utf-8")
    for verb, kind in (("score", ScoreTraining), ("levels", LevelTraining), ("series", SeriesTraining)):
        (row,) = re.findall(rf"^\| `train {verb}` \| (.*) \|$", text, re.MULTILINE)
        named = re.findall(r"`(\w+)`", row)
        assert [f.name for f in fields(kind) if f.name not in named] == []
    for choices in (Loss, ScoreModelName, SeriesModelName, LevelLoss):
        assert [c.value for c in choices if f"`{c}`" not in text] == []


def test_the_manual_s_file_can_be_used(file):
    (text,) = re.findall(r"```yaml\n(# training.yaml.*?)```", MANUAL.read_text(encoding="utf-8"), re.DOTALL)
    made = settings_of(ScoreTraining, file(text), {})
    assert made == ScoreTraining(
        loss=Loss.FOCAL, model=ScoreModelName.LINE, rows=64, positives=0.5, steps=3000
    )
