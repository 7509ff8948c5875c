"""Networks of every size: their files say what they are, and the node's loaders take them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save

from inference.models import score, score_architecture, series_architecture, series_weights
from inference.models.score import ScoreModel
from inference.models.score_architecture import AlongZ, Architecture, ScoreModelName
from inference.models.score_network import Ladder, ScoreNetwork
from inference.models.series import SeriesModel
from inference.models.series_architecture import SeriesArchitecture, SeriesModelName
from inference.models.series_network import ContrastNetwork, ViewNetwork
from inference.models.series_weights import SeriesCalibration
from inference.projection import CELLS, FRONTAL, SAGITTAL_CELLS, Box
from inference.volume import Volume
from storage.errors import ConfigError
from tests.inference.score_factory import geometry

SCORE = score_architecture.ARCHITECTURES
SERIES = series_architecture.ARCHITECTURES
ROWS = 7


def seen():
    hu = torch.from_numpy(np.random.default_rng(3).normal(0, 300, (ROWS, CELLS, CELLS)).astype(np.float32))
    return Box(hu=hu, z_mm=3.0 * np.arange(ROWS))


def score_file(path, name, said=None):
    torch.manual_seed(1)
    members = [ScoreNetwork(SCORE[name]) for _ in range(5)]
    metadata = score_architecture.described(SCORE[name]) if said is None else said
    path.write_bytes(save(score.packed(members), metadata))
    return path


def series_file(path, name, said=None):
    torch.manual_seed(1)
    members = [(ViewNetwork(SERIES[name]), ContrastNetwork(SERIES[name])) for _ in range(5)]
    metadata = series_architecture.described(SERIES[name]) if said is None else said
    path.write_bytes(save(series_weights.packed(members), metadata))
    calibration = asdict(
        SeriesCalibration(axis_temperature=1.0, axis_least=0.8, contrast_scale=1.0, contrast_offset=0.0)
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    path.with_suffix(".json").write_text(json.dumps({"sha256": digest, "calibration": calibration}))
    return path


# ------------------------------------------------------------------ score


@pytest.mark.parametrize("name", ScoreModelName)
def test_score_networks_of_every_size_are_loaded_as_they_were_saved(tmp_path, name):
    path = score_file(tmp_path / "score.safetensors", name)
    with safe_open(path, framework="pt") as file:
        said = json.loads(file.metadata()["score"])
    assert said == {"format": "ctnode-score-1", "vertebrae": 25} | json.loads(json.dumps(asdict(SCORE[name])))
    model = ScoreModel.load("cpu", weights=path)
    assert {m.architecture for m in model.members} == {SCORE[name]}
    again, tensors = score.packed(model.members), load_file(path)
    assert again.keys() == tensors.keys() and all(torch.equal(again[k], v) for k, v in tensors.items())
    evidence = model.read(seen())
    assert evidence.name.shape == (25, ROWS) and np.isfinite(evidence.name).all()


def test_the_sizes_differ_and_the_standard_is_the_product_s():
    counts = {n: sum(p.numel() for p in ScoreNetwork(a).parameters()) for n, a in SCORE.items()}
    assert counts[ScoreModelName.SMALL] < counts[ScoreModelName.STANDARD] < counts[ScoreModelName.LARGE]
    assert len(set(counts.values())) == len(ScoreModelName)
    assert ScoreNetwork().architecture == SCORE[ScoreModelName.STANDARD] == score_architecture.STANDARD
    assert asdict(score_architecture.STANDARD) == {
        "along_z": "dilated", "channels": (16, 24, 40, 64), "width": 96, "reach": (1, 2, 4, 8, 16, 24, 1),
    }  # fmt: skip


def test_a_file_that_says_nothing_holds_the_standard(tmp_path):
    path = score_file(tmp_path / "score.safetensors", ScoreModelName.STANDARD, {})
    assert ScoreModel.load("cpu", 2, path).members[0].architecture == score_architecture.STANDARD
    path = score_file(tmp_path / "small.safetensors", ScoreModelName.SMALL, {})
    with pytest.raises(ConfigError, match=r"small\.safetensors \(network 0\): .* it must be"):
        ScoreModel.load("cpu", weights=path)


def test_a_file_that_says_other_sizes_than_it_holds_is_refused(tmp_path):
    said = score_architecture.described(SCORE[ScoreModelName.LINE])
    path = score_file(tmp_path / "score.safetensors", ScoreModelName.STANDARD, said)
    with pytest.raises(ConfigError, match=r"\(network 0\) lacks t\.b\.a\.weight"):
        ScoreModel.load("cpu", weights=path)


SAID = json.loads(score_architecture.described(score_architecture.STANDARD)["score"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "ctnode-score-9"}, "is of the format ctnode-score-9 with 25 vertebrae; it must be"),
        ({"vertebrae": 24}, "with 24 vertebrae; it must be ctnode-score-1 with 25"),
        ({"along_z": "spiral"}, "damaged: 'spiral'"),
        ({"channels": [16, 24, 40]}, "3 stages, there are 4"),
        ({"channels": [16, 24, 40, 4096]}, "no network has these sizes: channels"),
        ({"width": 0}, "no network has these sizes: channels"),
        ({"width": None}, "damaged"),
        ({"reach": []}, "0 layers along z"),
        ({"reach": [1] * 17}, "17 layers along z"),
        ({"reach": [65]}, r"reach \(65,\)"),
        ({"along_z": "ladder", "reach": [1, 2]}, r"reach \(1, 2\)"),
        ({"along_z": "ladder", "reach": [16, 32]}, r"reach \(16, 32\)"),
        ({"reach": None}, "damaged"),
    ],
)
def test_what_cannot_be_a_score_network_is_refused(tmp_path, change, message):
    said = {"score": json.dumps(SAID | change)}
    path = score_file(tmp_path / "score.safetensors", ScoreModelName.SMALL, said)
    with pytest.raises(ConfigError, match=rf"score\.safetensors.*{message}"):
        ScoreModel.load("cpu", weights=path)


@pytest.mark.parametrize("said", ["{", "[]", "{}"])
def test_words_that_are_damaged_are_refused(tmp_path, said):
    path = score_file(tmp_path / "score.safetensors", ScoreModelName.SMALL, {"score": said})
    with pytest.raises(ConfigError, match="what it says of its networks is damaged"):
        ScoreModel.load("cpu", weights=path)


def test_a_ladder_keeps_the_rows_and_each_sees_far():
    torch.manual_seed(0)
    architecture = SCORE[ScoreModelName.LINE]
    ladder = Ladder(architecture.width, architecture.reach).eval()
    for rows in (1, 5, 32, 33, 70):
        assert ladder(torch.rand(1, architecture.width, rows)).shape == (1, architecture.width, rows)
    x = torch.rand(1, architecture.width, 64)
    changed = x.clone()
    changed[:, :, 63] += 10
    moved = (ladder(x) - ladder(changed)).abs().amax(1)[0] > 0
    assert moved.all()  # from 189 mm away


def test_a_ladder_is_what_is_trained_too():
    network = ScoreNetwork(SCORE[ScoreModelName.LINE])
    views = torch.rand(2, FRONTAL, 40, CELLS + SAGITTAL_CELLS)
    score_, scale, centre, name = network(views, torch.ones(2, 40))
    assert (score_.shape, scale.shape, centre.shape, name.shape) == ((2, 40),) * 3 + ((2, 25, 40),)
    name.sum().backward()
    assert all(p.grad is not None for n, p in network.named_parameters() if n.startswith("t."))


def test_an_architecture_that_cannot_be_is_not_made():
    with pytest.raises(ValueError, match="no network has these sizes"):
        Architecture(along_z=AlongZ.DILATED, channels=(1, 2, 3, 4), width=-1, reach=(1,))
    with pytest.raises(ValueError, match="no network has these sizes"):
        SeriesArchitecture(view=(4,), contrast=(4, 4))


# ------------------------------------------------------------------ series


@pytest.mark.parametrize("name", SeriesModelName)
def test_series_networks_of_every_size_are_loaded_as_they_were_saved(tmp_path, name):
    path = series_file(tmp_path / "series.safetensors", name)
    with safe_open(path, framework="pt") as file:
        said = json.loads(file.metadata()["series"])
    assert said == {
        "format": "ctnode-series-1",
        "view": [*SERIES[name].view],
        "contrast": [*SERIES[name].contrast],
    }
    model = SeriesModel.load("cpu", weights=path)
    again, tensors = series_weights.packed(model.members), load_file(path)
    assert again.keys() == tensors.keys() and all(torch.equal(again[k], v) for k, v in tensors.items())
    assert tensors["0.view.encoder.stem.0.weight"].shape[0] == SERIES[name].view[0]
    shape = (9, 30, 40)
    voxels = np.random.default_rng(2).normal(30, 60, shape).astype(np.int16)
    volume = Volume(series_instance_uid="1.2.3", number=1, geometry=geometry(shape), voxels=voxels)
    assert 0 <= model.look(volume).body <= 1


def test_a_series_file_that_says_nothing_holds_the_standard(tmp_path):
    path = series_file(tmp_path / "series.safetensors", SeriesModelName.STANDARD, {})
    assert len(SeriesModel.load("cpu", weights=path).members) == 5
    assert asdict(series_architecture.STANDARD) == {"view": (12, 24, 40, 56), "contrast": (12, 24, 48, 64)}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ('{"format": "x"}', "is of the format x; it must be ctnode-series-1"),
        ('{"format": "ctnode-series-1", "view": [1]}', "damaged"),
        ('{"format": "ctnode-series-1", "view": [1, 900], "contrast": [4, 4]}', r"channels \(1, 900\)"),
        ("]", "damaged"),
    ],
)
def test_what_cannot_be_a_series_network_is_refused(tmp_path, said, message):
    path = series_file(tmp_path / "series.safetensors", SeriesModelName.SMALL, {"series": said})
    with pytest.raises(ConfigError, match=rf"series\.safetensors.*{message}"):
        SeriesModel.load("cpu", weights=path)
