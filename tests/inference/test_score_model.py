"""The score model: its file, its refusals, how members are joined, and the weights that are shipped."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from inference.models.bundle import Models
from inference.models.product import PRODUCT
from inference.models.score import ScoreModel, packed
from inference.models.score_network import ScoreNetwork
from inference.projection import CELLS, Box
from inference.spine import VERTEBRAE
from storage.errors import ConfigError

SHIPPED = pytest.mark.skipif(
    not all(p.is_file() for p in (PRODUCT.score, PRODUCT.levels, PRODUCT.series)),
    reason="the weights are not there",
)
ROWS = 12


@pytest.fixture(scope="module")
def members():
    """Five networks whose batch statistics are no one's default."""
    torch.manual_seed(7)
    made = [ScoreNetwork() for _ in range(5)]
    for network in made:
        for name, value in network.state_dict().items():
            if "running_var" in name:
                value.uniform_(0.5, 2)
            elif "running_mean" in name:
                value.normal_(0, 0.1)
    return made


@pytest.fixture
def weights(tmp_path, members):
    path = tmp_path / "score.safetensors"
    save_file(packed(members), path)
    return path


def seen(rows=ROWS):
    hu = torch.from_numpy(np.random.default_rng(3).normal(0, 300, (rows, CELLS, CELLS)).astype(np.float32))
    return Box(hu=hu, z_mm=100 + 3.0 * np.arange(rows))


class Said(nn.Module):
    """A network that says the same of every row."""

    def __init__(self, score, scale, centre, name):
        super().__init__()
        self.said = score, scale, centre, name

    def forward(self, views, valid):
        rows = torch.ones(1, views.shape[2])
        score, scale, centre, name = (value * rows for value in self.said)
        return score, scale, centre, name[:, None].expand(-1, len(VERTEBRAE), -1)


# ------------------------------------------------------------------ an ensemble


def test_members_are_joined_by_their_mean_and_by_what_they_differ():
    model = ScoreModel(sha256="", device=torch.device("cpu"), members=(Said(40, 2, 1, -4), Said(46, 4, 3, 0)))
    found = model.read(seen())
    assert found.z_mm.tolist() == [100 + 3 * k for k in range(ROWS)]
    np.testing.assert_allclose(found.score, 43)
    # a Laplace scale of 3 is an sd of 3 sqrt(2); the members lie 3 to either side
    np.testing.assert_allclose(found.sd, np.sqrt(2 * 3**2 + 3**2))
    np.testing.assert_allclose(found.centre, 2)
    assert found.name.shape == (25, ROWS)
    np.testing.assert_allclose(found.name, -2)


def test_one_member_differs_from_nobody():
    model = ScoreModel(sha256="", device=torch.device("cpu"), members=(Said(40, 2, 1, -4),))
    np.testing.assert_allclose(model.read(seen()).sd, 2 * np.sqrt(2))


def test_the_ensemble_is_the_mean_of_its_folds(weights):
    box = seen()
    together = ScoreModel.load("cpu", weights=weights).read(box)
    alone = [ScoreModel.load("cpu", fold, weights).read(box) for fold in range(5)]
    for part in ("score", "centre", "name"):
        each = np.stack([getattr(a, part) for a in alone])
        np.testing.assert_allclose(getattr(together, part), each.mean(0), atol=1e-4)
        assert np.ptp(each, axis=0).min() > 0  # five that are not the same
    scale = np.stack([a.sd for a in alone]).mean(0)
    spread = np.stack([a.score for a in alone]).std(0)
    np.testing.assert_allclose(together.sd, np.hypot(scale, spread), rtol=1e-4)


def test_the_fold_picks_its_member(weights, members):
    for fold in (0, 3, 4):
        (chosen,) = ScoreModel.load("cpu", fold, weights).members
        torch.testing.assert_close(chosen.o.weight, members[fold].o.weight.half().float(), atol=0, rtol=0)
        assert not chosen.training


def test_the_same_volume_is_read_the_same_twice(weights):
    first, again = (ScoreModel.load("cpu", weights=weights).read(seen()) for _ in range(2))
    for part in ("score", "sd", "centre", "name"):
        np.testing.assert_array_equal(getattr(first, part), getattr(again, part))


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_few_rows_are_read(weights, rows):
    found = ScoreModel.load("cpu", 0, weights).read(seen(rows))
    assert found.score.shape == found.sd.shape == found.centre.shape == (rows,)
    assert np.isfinite(found.score).all() and (found.sd >= 0.3 * np.sqrt(2)).all()


def test_rows_that_fill_up_a_batch_change_nothing(members):
    """Training pads short volumes; what is read of the rows that are there is the same."""
    network = members[0].eval()
    views = torch.randn(1, 5, 20, 192, generator=torch.Generator().manual_seed(1))
    padded = torch.cat([views, torch.full((1, 5, 9, 192), 7.0)], 2)
    valid = torch.cat([torch.ones(1, 20), torch.zeros(1, 9)], 1)
    other = torch.cat([views, torch.full((1, 5, 9, 192), -3.0)], 2)
    with torch.inference_mode():
        first, again = network(padded, valid), network(other, valid)
    for a, b in zip(first, again, strict=True):
        torch.testing.assert_close(a[..., :20], b[..., :20])


# ------------------------------------------------------------------ its file


def test_weights_are_halves_and_statistics_are_not(weights, members):
    tensors = load_file(weights)
    kinds = {("running" in k, v.dtype) for k, v in tensors.items()}
    assert kinds == {(True, torch.float32), (False, torch.float16)}
    assert not any("num_batches_tracked" in k for k in tensors)
    assert {k.split(".")[0] for k in tensors} == set("01234")
    again = packed(ScoreModel.load("cpu", weights=weights).members)
    assert again.keys() == tensors.keys()
    for key, value in tensors.items():
        torch.testing.assert_close(again[key], value, atol=0, rtol=0)
    own = members[2].state_dict()
    torch.testing.assert_close(tensors["2.f.l.0.n.running_var"], own["f.l.0.n.running_var"], atol=0, rtol=0)


def test_the_digest_is_the_file_s(weights):
    assert ScoreModel.load("cpu", 1, weights).sha256 == hashlib.sha256(weights.read_bytes()).hexdigest()


def test_five_members_fit_in_nine_megabytes(weights):
    assert weights.stat().st_size < 9_000_000


@pytest.mark.parametrize("content", [b"", b"not tensors at all"])
def test_a_file_without_tensors_is_refused_by_name(weights, content):
    weights.write_bytes(content)
    with pytest.raises(ConfigError, match=r"score\.safetensors is not a safetensors file"):
        ScoreModel.load("cpu", weights=weights)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("3.o.bias"), r"\(network 3\) lacks o\.bias"),
        (lambda t: t.update({"1.extra": torch.ones(1)}), r"\(network 1\) has the unknown extra"),
        (
            lambda t: t.update({"4.o.bias": torch.ones(9)}),
            r"\(network 4\): o\.bias is \(9,\), it must be \(28,\)",
        ),
        (
            lambda t: t.update({"0.o.bias": torch.full((28,), torch.nan)}),
            r"\(network 0\): o\.bias .* not finite",
        ),
    ],
)
def test_other_networks_are_refused_by_name(weights, change, message):
    tensors = load_file(weights)
    change(tensors)
    save_file(tensors, weights)
    with pytest.raises(ConfigError, match=r"score\.safetensors " + message):
        ScoreModel.load("cpu", weights=weights)


def test_a_missing_file_is_the_administrator_s_fault(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.safetensors cannot be read: No such file"):
        ScoreModel.load("cpu", weights=tmp_path / "absent.safetensors")


@pytest.mark.parametrize("fold", [-1, 5])
def test_a_fold_that_is_not_there_is_refused(weights, fold):
    with pytest.raises(ConfigError, match=f"fold is {fold}; it must be 0 to 4"):
        ScoreModel.load("cpu", fold, weights)


def test_a_device_that_is_not_there_is_refused(weights):
    with pytest.raises(ConfigError, match='device is "tpu"'):
        ScoreModel.load("tpu", weights=weights)


# ------------------------------------------------------------------ the product's own


@SHIPPED
def test_the_shipped_weights_belong_together_and_are_those_of_their_card():
    models = Models.load("cpu")
    rows, levels, series = (
        hashlib.sha256(p.read_bytes()).hexdigest() for p in (PRODUCT.score, PRODUCT.levels, PRODUCT.series)
    )
    assert (models.score.sha256, models.levels.sha256, models.series.identity.sha256) == (
        rows,
        levels,
        series,
    )
    assert models.identity.sha256 == hashlib.sha256((rows + levels + series).encode()).hexdigest()
    assert len(models.score.members) == 5
    assert sum(p.stat().st_size for p in PRODUCT.score.parent.glob("*.safetensors")) <= 12_000_000
    models.warm()


@SHIPPED
def test_a_shipped_fold_is_one_member_with_its_own_chain():
    content = json.loads(PRODUCT.levels.read_text(encoding="utf-8"))
    for fold in range(5):
        models = Models.load("cpu", fold)
        assert len(models.score.members) == 1
        assert asdict(models.levels.weights) == content["folds"][fold]
