"""From a folder and two CSVs to weights that the node loads, and to their figures."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from inference.analysis import analyse
from inference.evaluation.analyser import blank_header, held_out_analyser
from inference.evaluation.commands import evaluate_app
from inference.evaluation.volumes import stored_volume
from inference.models.bundle import Models
from inference.models.product import WeightsFiles
from inference.preparation.commands import app
from inference.training.bank import make_bank
from inference.training.config import ScoreTraining
from inference.training.folds import FOLDS, fold_of
from inference.training.levels import train_levels
from inference.training.loop import train_score
from inference.training.series_config import SeriesTraining
from inference.training.series_data import read_studies
from inference.training.series_loop import train_series
from inference.training.study import load_studies
from storage.errors import ConfigError
from tests.inference.series_factory import CORONAL
from tests.inference.training_folder import Lines
from tests.preparation.exam_folder import exam, table

SCORE = ScoreTraining(steps=1, windows=2, warm_up_steps=1, synthetic=0, workers=1)
SERIES = SeriesTraining(
    view_steps=1, contrast_steps=1, view_batch=2, contrast_batch=2, variants=3, phantoms=10, bag_slices=2
)


@pytest.fixture(scope="module", autouse=True)
def threads():
    """Training takes one thread; the other tests get theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five exams with T12 and L1, every other one enhanced, and a coronal one; prepared."""
    root = tmp_path_factory.mktemp("own")
    names = [f"e{n}" for n in range(5)]
    for name in names:
        exam(root / "ct", name)
    exam(root / "ct", "coronal", orientation=CORONAL)
    labels = table(
        root / "labels.csv", ("exam_id", "T12_slice_num", "L1_slice_num"), *((n, 9, 4) for n in names)
    )
    known = [(n, k, "Chest", "yes" if k % 2 else "no") for k, n in enumerate(names)]
    exams = table(root / "exams.csv", ("exam_id", "split", "series_class", "iv_contrast"), *known)
    options = ["--labels", labels, "--exams", exams, "--out", root / "data"]
    done = CliRunner().invoke(app, [str(w) for w in (root / "ct", *options)])
    assert done.exit_code == 0, done.output
    return root / "data"


@pytest.fixture(scope="module")
def trained(data: Path) -> WeightsFiles:
    """All three models, trained for a step each."""
    out = data.parent
    score = train_score(data, out / "score", SCORE, Lines(out / "lines.txt"))
    levels = train_levels(data, out / "levels", score, say=lambda _: None)
    series = train_series(data, out / "series", SERIES, say=lambda _: None)
    return WeightsFiles(score=score, levels=levels, series=series)


def test_every_split_is_the_fold_that_is_held_out(data: Path) -> None:
    studies = load_studies(data)
    assert len(studies) == 5  # a coronal volume has no rows to learn
    assert sorted(next(iter(frozenset(range(FOLDS)) - s.folds)) for s in studies) == list(range(FOLDS))
    assert all(dict(s.points) == {"T12": 45.0, "L1": 20.0} for s in studies)
    assert all(s.folds == frozenset(range(FOLDS)) - {fold_of(s.patient)} for s in studies)
    assert sorted(str(s.contrast) for s in read_studies(data)) == ["False"] * 3 + ["None"] + ["True"] * 2


def test_the_nodes_loader_takes_what_was_trained(data: Path, trained: WeightsFiles) -> None:
    models = Models.load("cpu", files=trained)
    assert models.identity.sha256 != Models.load("cpu").identity.sha256
    volume = stored_volume(next(p for p in sorted((data / "volumes").iterdir())))
    findings = analyse(volume, models, blank_header(volume))
    assert findings.model == models.identity
    assert all(np.isfinite(s.score) for s in findings.slice_scores)


def test_the_levels_belong_to_their_score_weights(trained: WeightsFiles) -> None:
    content = json.loads(trained.levels.read_text())
    assert len(content["folds"]) == FOLDS and content["all"].keys() == content["folds"][0].keys()
    mixed = WeightsFiles(levels=trained.levels)
    with pytest.raises(ConfigError, match="belongs to weights"):
        Models.load("cpu", files=mixed)


def test_evaluation_of_the_same_folder(data: Path, trained: WeightsFiles, tmp_path: Path) -> None:
    words = [data, "--only", "volumes", "--out", tmp_path, "--device", "cpu"]
    for name in ("score", "levels", "series"):
        words += [f"--{name}", getattr(trained, name)]
    done = CliRunner().invoke(evaluate_app(held_out_analyser), [str(w) for w in words])
    assert (done.exit_code, done.exception) == (0, None), done.output
    assert len((tmp_path / "cases.txt").read_text().splitlines()) == 6
    with (tmp_path / "table-classes.csv").open(encoding="utf-8") as file:
        assert [(r["cases"], r["patients"]) for r in csv.DictReader(file)][-1] == ("5", "5")
    with (tmp_path / "table-axis.csv").open(encoding="utf-8") as file:
        assert {r["class"]: r["cases"] for r in csv.DictReader(file)}.items() >= {
            ("axial", "5"), ("coronal", "1"), ("all", "6"),
        }  # fmt: skip


def test_synthetic_volumes_need_label_maps(data: Path) -> None:
    with pytest.raises(ConfigError, match=r"data holds no label maps .*: give --synthetic 0"):
        make_bank(data, 1, 1, 1, lambda _: None)


def test_levels_need_labels(data: Path, trained: WeightsFiles, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in data.iterdir():
        if path.name != "landmarks.csv":
            (bare / path.name).symlink_to(path)
    (bare / "landmarks.csv").write_text((data / "landmarks.csv").read_text().splitlines()[0] + "\n")
    with pytest.raises(ConfigError, match="no vertebra is labelled 10 mm inside a volume of bare"):
        train_levels(bare, tmp_path / "out", trained.score, say=lambda _: None)


def test_contrast_is_learnt_from_both_kinds(data: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    bare.mkdir()
    for path in data.iterdir():
        if path.name != "catalog.csv":
            (bare / path.name).symlink_to(path)
    (bare / "catalog.csv").write_text((data / "catalog.csv").read_text().replace(",yes,", ",no,"))
    with pytest.raises(ConfigError, match="bare: iv_contrast_seen must be yes of some"):
        train_series(bare, tmp_path / "out", SERIES, say=lambda _: None)
