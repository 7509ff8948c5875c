"""The model file: loading, refusing, and scoring."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from inference.models.network import ScoreNetwork
from inference.models.score import WEIGHTS, ScoreModel
from storage.errors import ConfigError
from tests.inference.score_factory import CALIBRATION


@pytest.fixture
def weights(tmp_path):
    torch.manual_seed(3)
    path = tmp_path / "score.safetensors"
    save_file(ScoreNetwork().state_dict(), path)
    calibrate(path)
    return path


def calibrate(path, sha256=None):
    digest = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    value = {"sha256": digest, "calibration": asdict(CALIBRATION)}
    path.with_suffix(".json").write_text(json.dumps(value))


def slices(count):
    return np.random.default_rng(5).uniform(-1, 1, (count, 128, 128)).astype(np.float32)


def test_the_identity_is_the_file_s(weights):
    model = ScoreModel.load("cpu", weights)
    assert (model.identity.name, model.identity.version) == ("slice-score", "0.1.0")
    assert model.identity.sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()
    assert model.calibration == CALIBRATION


def test_scores_do_not_depend_on_the_batch(weights):
    model = ScoreModel.load("cpu", weights)
    x = slices(70)
    raw, sd = model.scores(x)
    assert raw.shape == sd.shape == (70,)
    assert (sd > 0).all()
    some, _ = model.scores(x[40:43])
    np.testing.assert_allclose(some, raw[40:43], atol=1e-3)


def test_the_same_slices_give_the_same_scores(weights):
    x = slices(10)
    first, again = (ScoreModel.load("cpu", weights).scores(x)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_no_slices_give_no_scores(weights):
    raw, sd = ScoreModel.load("cpu", weights).scores(slices(0))
    assert raw.shape == sd.shape == (0,)


def test_warming_changes_nothing(weights):
    model = ScoreModel.load("cpu", weights)
    before, _ = model.scores(slices(2))
    model.warm()
    np.testing.assert_array_equal(model.scores(slices(2))[0], before)


def test_another_shape_is_refused(weights):
    with pytest.raises(ValueError, match=r"slices must be \(k, 128, 128\), not \(2, 64, 64\)"):
        ScoreModel.load("cpu", weights).scores(np.zeros((2, 64, 64), np.float32))


def test_a_missing_file_is_the_administrator_s_fault(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        ScoreModel.load("cpu", tmp_path / "absent.safetensors")


def test_a_calibration_of_other_weights_is_refused(weights):
    calibrate(weights, "0" * 64)
    with pytest.raises(ConfigError, match=f"belongs to weights {'0' * 64}"):
        ScoreModel.load("cpu", weights)


def test_a_calibration_that_lacks_a_figure_is_refused(weights):
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    weights.with_suffix(".json").write_text(json.dumps({"sha256": digest, "calibration": {}}))
    with pytest.raises(ConfigError, match="is not a calibration"):
        ScoreModel.load("cpu", weights)


@pytest.mark.parametrize("content", [b"", b"not tensors at all", b"\x08\0\0\0\0\0\0\0{}      "])
def test_a_file_without_the_weights_is_refused(weights, content):
    weights.write_bytes(content)
    with pytest.raises(ConfigError, match="does not hold the weights"):
        ScoreModel.load("cpu", weights)


def test_an_unknown_device_is_refused(weights):
    with pytest.raises(ConfigError, match='device is "tpu"'):
        ScoreModel.load("tpu", weights)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_device_that_is_not_there_is_refused(weights):
    assert ScoreModel.load("auto", weights).device.type == "cpu"
    with pytest.raises(ConfigError, match="this machine has none"):
        ScoreModel.load("cuda", weights)


def test_the_product_s_weights_are_those_of_their_card():
    model = ScoreModel.load("cpu")
    card = WEIGHTS.with_suffix(".md").read_text(encoding="utf-8")
    assert model.identity.sha256 in card
    assert "Not for diagnosis; research software" in card
    assert WEIGHTS.stat().st_size < 4_000_000
