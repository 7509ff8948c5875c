"""The network alone: size, shapes, and what its two answers depend on."""

from __future__ import annotations

import pytest
import torch

from inference.models import NETWORKS
from inference.models.network import ScoreNetwork


@pytest.fixture
def network() -> ScoreNetwork:
    torch.manual_seed(0)
    return ScoreNetwork().eval()


def test_it_is_small(network):
    assert sum(p.numel() for p in network.parameters()) == 690_890
    stored = sum(t.numel() * t.element_size() for t in network.state_dict().values())
    assert stored < 4_000_000


def test_one_score_and_one_variance_a_slice(network):
    score, log_variance = network(torch.zeros(5, 1, 128, 128))
    assert (score.shape, log_variance.shape) == ((5,), (5,))


def test_a_slice_is_scored_by_itself(network):
    x = torch.rand(6, 1, 128, 128, generator=torch.Generator().manual_seed(1)) * 2 - 1
    together, _ = network(x)
    alone = torch.cat([network(one[None])[0] for one in x])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-5)


def test_the_variance_does_not_shape_the_score():
    network = ScoreNetwork().train()
    _, log_variance = network(torch.rand(4, 1, 128, 128))
    log_variance.sum().backward()
    assert network.log_variance.weight.grad is not None
    assert network.score.weight.grad is None
    assert next(network.stem.parameters()).grad is None


def test_the_registry_names_it():
    assert NETWORKS["slice-score"] is ScoreNetwork
