"""`ctnode evaluate` from the outside: what it prints, writes and refuses."""

from __future__ import annotations

import json
import re

import pytest
from typer.testing import CliRunner

from inference.evaluation import commands
from inference.evaluation.commands import NO_PICTURES, evaluate_app
from inference.evaluation.serial import read_figures
from inference.findings import Contrast, ContrastFinding
from inference.models.product import PRODUCT, WeightsFiles
from storage.errors import ConfigError
from tests.inference.evaluation_factory import data_set, findings, found, part, scores


def by_hand(device, files):
    """Findings that are right of every case with a T12, but 7 mm high; contrast is said to be seen always."""

    def analyse(volume, case):
        assert device == "cpu"
        assert len(volume.voxels) == len(volume.geometry.slices)
        z = case.z_mm
        t12 = {} if case.truth.t12.z_mm is None else {"t12": found(case.truth.t12.z_mm + 7)}
        return findings(
            slice_scores=scores(z, [0.118 * v for v in z]),
            body_part=part("CHEST"),
            contrast=ContrastFinding(value=Contrast.YES, confidence=0.9, probability=0.9),
            **t12,
        )

    return analyse


def run(*words):
    return CliRunner().invoke(evaluate_app(by_hand), [*map(str, words), "--device", "cpu"])


def test_figures_are_printed_and_missed_goals_marked_and_the_exit_code_is_zero(tmp_path):
    done = run(data_set(tmp_path / "data"), "--only", "volumes")
    assert (done.exit_code, done.exception) == (0, None)
    assert re.search(r"^3 cases; \d+ goals, \d+ missed$", done.output, re.M)
    assert "MISSED: T12 error median (real): <= 5 mm wanted" in done.output
    assert "NOT MEASURED: L3 error median (real)" in done.output
    assert "MISSED: T12 within 10 mm" not in done.output
    assert "Not for diagnosis" in done.output


def test_everything_is_written_where_it_was_asked_for(tmp_path):
    done = run(
        data_set(tmp_path / "data"), "--only", "volumes", "--only", "head_neck", "--out", tmp_path / "out"
    )
    assert done.exit_code == 0, done.output
    figures = {f.name: f for f in read_figures(tmp_path / "out/figures.json")}
    assert figures["T12 error median"].value == 7.0
    lines = (tmp_path / "out/cases.txt").read_text().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["wb-one", "wb-slab", "wb-two", "kbp-1"]
    assert "T12 +7.0 mm" in lines[0]


def test_pictures_are_drawn_where_matplotlib_is_and_else_that_is_said(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    root = data_set(tmp_path / "data")
    run(root, "--only", "volumes", "--out", tmp_path / "with")
    drawn = sorted(p.name for p in (tmp_path / "with").glob("*.png"))
    assert drawn == [
        "classes.png",
        "contrast-reliability.png",
        "curves-0.png",
        "landmark-errors.png",
        "level-errors.png",
    ]
    assert all((tmp_path / "with" / name).read_bytes().startswith(b"\x89PNG") for name in drawn)
    monkeypatch.setattr(commands, "find_spec", lambda name: None)
    done = run(root, "--only", "volumes", "--out", tmp_path / "without")
    assert NO_PICTURES in done.output.replace("\n", " ")
    assert list((tmp_path / "without").glob("*.png")) == []


def test_dicom_without_truths_is_refused_before_a_model_is_loaded(tmp_path):
    (tmp_path / "IM0001.dcm").write_bytes(b"\0" * 128 + b"DICM")

    def never(device, files):
        raise AssertionError("a model was loaded for nothing")

    done = CliRunner().invoke(evaluate_app(never), [str(tmp_path)])
    assert isinstance(done.exception, ConfigError)
    assert "catalog.csv" in str(done.exception)
    assert "`ctnode analyze`" in str(done.exception)


def test_other_weights_are_measured_where_they_are_named(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("inference.evaluation.commands.evaluate", evaluate_no_cases)
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    app = evaluate_app(lambda device, files: asked.append(files))
    root = data_set(tmp_path / "data")
    CliRunner().invoke(app, [str(root), "--score", str(tmp_path / "mine.safetensors")])
    assert asked == [WeightsFiles(score=tmp_path / "mine.safetensors")]
    assert asked[0].levels == PRODUCT.levels and asked[0].series.is_file()


def evaluate_no_cases(dataset, analyse, say, only):
    raise SystemExit


def test_a_card_of_a_part_of_the_data_set_is_refused(tmp_path):
    done = run(data_set(tmp_path / "data"), "--only", "volumes", "--card", tmp_path)
    assert done.exit_code == 2
    assert not (tmp_path / "card.json").exists()


def test_a_card_is_written_beside_the_weights(tmp_path, monkeypatch):
    root = data_set(tmp_path / "data")
    monkeypatch.setattr(
        "inference.evaluation.commands.evaluate",
        lambda dataset, analyse, say, only: evaluate_real_alone(dataset, analyse, say),
    )
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights/a.safetensors").write_bytes(b"weights")
    measured = ("--score", "--levels", "--series")
    other = run(root, "--card", tmp_path / "weights")
    assert other.exit_code == 2 and "weights that lie beside it" in other.output
    words = [word for option in measured for word in (option, tmp_path / "weights/a.safetensors")]
    done = run(root, "--card", tmp_path / "weights", *words)
    assert done.exit_code == 0, done.output
    record = json.loads((tmp_path / "weights/card.json").read_text())
    assert [w["file"] for w in record["weights"]] == ["a.safetensors"]
    assert (tmp_path / "weights/CARD.md").is_file()


def evaluate_real_alone(dataset, analyse, say):
    """Without the synthetic cases, which take seconds to draw."""
    from inference.evaluation.measure import Only, evaluate

    return evaluate(dataset, analyse, say, frozenset({Only.VOLUMES, Only.HEAD_NECK}))
