from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from inference.spleen.batches import batches
from inference.spleen.measure import agreement_with
from inference.spleen.network import SpleenNetwork
from inference.spleen.slicing import SliceAxis
from inference.spleen.training import Settings, loss_of, train
from inference.spleen.weights import SpleenWeights, packed
from storage.errors import ConfigError, Refused
from tests.spleen.phantoms import cut, labelled, save_weights

SMALL = Settings(epochs=2, channels=4, seed=5)


def test_the_loss_falls_and_a_seed_gives_the_same_weights() -> None:
    volumes = cut((1,))
    losses = train(volumes, Settings(epochs=30, channels=4, seed=5)).losses
    assert losses[-1] < 0.9 * losses[0]
    first, again = train(volumes, SMALL), train(volumes, SMALL)
    other = train(volumes, Settings(epochs=2, channels=4, seed=6))
    assert first.losses == again.losses
    assert first.losses != other.losses
    for key, value in first.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[key])


@pytest.mark.parametrize("axis", SliceAxis)
def test_a_volume_is_cut_along_the_axis_of_the_weights_and_put_together(
    axis: SliceAxis, tmp_path: Path
) -> None:
    found = agreement_with(labelled(9), save_weights(tmp_path / "w.safetensors", axis))
    assert found.dice is not None
    assert found.dice > 0.9


def test_every_slice_with_spleen_is_shown_once_an_epoch() -> None:
    (volume,) = cut((1,))
    within = int(volume.mask.any(axis=(1, 2)).sum())
    shown = list(batches([volume], np.random.default_rng(1)))
    truth = torch.cat([t for _, t in shown])
    assert truth.shape[1:] == (1, 128, 128)
    assert len(truth) == within + min(within, len(volume.mask) - within)
    assert set(np.unique(truth)) == {0.0, 1.0}
    assert all(float(s.min()) >= -1 and float(s.max()) <= 1 for s, _ in shown)


def test_the_loss_is_cross_entropy_and_dice_by_hand() -> None:
    truth = torch.tensor([[1.0, 0.0]])
    logits = torch.tensor([[0.0, 0.0]])
    # cross-entropy ln 2; Dice (2 * 0.5 + 1) / (1 + 1 + 1)
    assert float(loss_of(logits, truth)) == pytest.approx(np.log(2) + 1 - 2 / 3)


def test_any_multiple_of_eight_is_answered_in_its_own_size() -> None:
    network = SpleenNetwork(2).eval()
    assert network(torch.zeros(2, 1, 24, 40)).shape == (2, 1, 24, 40)


def test_nothing_to_learn_from_is_refused() -> None:
    (volume,) = cut((1,))
    volume.mask[:] = False
    with pytest.raises(Refused, match="no slice of any volume shows spleen"):
        train([volume], SMALL)


def test_weights_say_how_they_were_made_and_others_are_refused(tmp_path: Path) -> None:
    made = save_weights(tmp_path / "w.safetensors")
    assert (made.recipe.axis, made.recipe.channels, made.recipe.cases) == ("axial", 1, ("a", "b"))
    assert packed(made.network, made.recipe) == (tmp_path / "w.safetensors").read_bytes()
    (tmp_path / "x").write_bytes(b"no weights")
    with pytest.raises(ConfigError, match="not a safetensors file"):
        SpleenWeights.load(tmp_path / "x")
    product = Path("inference/weights/score-0.2.0.safetensors").resolve()
    with pytest.raises(ConfigError, match="holds no spleen weights: format None"):
        SpleenWeights.load(product)
