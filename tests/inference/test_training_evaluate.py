"""The figures of the model's card: computed as they say, on the volumes that they say."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from inference.curve import fit
from inference.models.network import ScoreNetwork
from inference.training import calibrate
from inference.training.data import Study
from inference.training.evaluate import Seen, evaluate, with_interval
from inference.training.metrics import landmark_errors
from inference.training.split import Group, Split
from tests.inference.score_factory import CALIBRATION
from tests.inference.training_folder import data_folder

Z = np.arange(0, 300, 5.0)


def study(identifier, landmarks):
    return Study(
        identifier=identifier,
        split=Split.TEST,
        group=Group.TRUNK,
        images=torch.zeros(0),
        body=torch.zeros(0),
        z_mm=Z,
        target=np.zeros(len(Z), np.float32),
        weight=np.ones(len(Z), np.float32),
        landmarks=landmarks,
    )


def seen(identifier, offset, landmarks=(("T12", 150.0, 17.7),)):
    s, raw = study(identifier, landmarks), 0.118 * Z + offset
    return Seen(
        study=s,
        curve=fit(Z, raw, np.ones(len(Z)), CALIBRATION),
        sd=np.ones(len(Z)),
        errors=tuple(landmark_errors(s, raw)),
        spearman=1.0,
    )


def test_a_figure_comes_with_the_spread_of_its_volumes():
    members = [seen(str(i), i) for i in range(10)]

    def offset(drawn):
        return float(np.mean([e.score - e.expected for m in drawn for e in m.errors]))

    value, low, high = with_interval(members, offset)
    assert value == pytest.approx(4.5)
    # the mean of ten of 0..9: sd 2.87 / sqrt(10), 1.96 of them
    assert low == pytest.approx(4.5 - 1.78, abs=0.25)
    assert high == pytest.approx(4.5 + 1.78, abs=0.25)
    assert with_interval(members, offset) == [value, low, high]


def test_no_landmark_gives_no_figure():
    assert with_interval([seen("a", 0.0, ())], lambda _: float("nan")) is None


def saved(tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "score.safetensors"
    save_file(ScoreNetwork().state_dict(), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({"sha256": digest, "calibration": asdict(CALIBRATION)}))
    return path, digest


def test_a_split_is_measured_and_told_a_volume_a_line(tmp_path):
    weights, digest = saved(tmp_path)
    lines: list[str] = []
    figures = evaluate(data_folder(tmp_path), weights, Split.VALIDATION, say=lines.append)
    assert (figures["split"], figures["sha256"]) == ("validation", digest)
    assert figures["groups"]["all"]["volumes"] == figures["groups"]["trunk"]["volumes"] == 1
    assert figures["levels"]["T12"]["in_field"] == 1
    assert figures["levels"]["L3"] | {"found": 0} == figures["levels"]["L3"]
    assert lines[0].startswith("petct-acrin013-ax: score ")
    assert len(lines) == 1 + len(figures["groups"]) + 2


def test_a_calibration_is_written_for_its_weights(tmp_path, monkeypatch):
    weights, digest = saved(tmp_path)
    names = enumerate(("L3", "L2", "L1", "T12"))
    landmarks = tuple((n, 100.0 + 20 * j, 11.8 + 2.36 * j) for j, n in names)
    studies = [
        replace(
            study(str(i), landmarks),
            images=torch.zeros(1),
            target=np.asarray(0.118 * Z, np.float32),
        )
        for i in range(3)
    ]
    monkeypatch.setattr(calibrate, "load_studies", lambda *_: studies)
    # every curve is 2 units too high; the network's own sd is 4 times too small
    monkeypatch.setattr(calibrate, "raw_scores", lambda *_: (0.118 * Z + 2, np.full(len(Z), 0.5)))
    found = calibrate.calibrate(tmp_path, weights)
    assert found.offset_sd == 2.0
    assert found.sd_scale == pytest.approx(4.0)
    assert found.level_half_width_mm == pytest.approx(2 / 0.118, abs=0.001)
    assert found.gap_sd_mm == pytest.approx(0.0, abs=1e-6)
    written = json.loads(weights.with_suffix(".json").read_text())
    assert written == {"sha256": digest, "calibration": asdict(found)}
