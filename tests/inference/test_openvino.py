"""OpenVINO beside torch; most of it where OpenVINO is installed."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from inference.models import openvino as ours
from inference.models.cnnline_network import CnnLineNetwork
from inference.models.openvino import OpenVinoNetwork
from storage.errors import ConfigError

ROOT = Path(__file__).resolve().parents[2]
installed = pytest.mark.skipif(find_spec("openvino") is None, reason="OpenVINO is not installed")


class TwoAnswers(nn.Module):
    """Of one image, its mean and a convolution of it."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3, padding=1)

    def forward(self, x):
        return x.mean(dim=(1, 2, 3)), self.convolution(x)


def example(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(4))


def test_its_absence_is_the_administrator_s_fault(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    monkeypatch.delitem(sys.modules, ours.TELEMETRY, raising=False)
    with pytest.raises(ConfigError, match=r"pip install 'ctnode\[openvino\]'"):
        OpenVinoNetwork.of(TwoAnswers().eval(), example(2, 1, 8, 8))


def test_one_item_proves_too_little():
    with pytest.raises(ValueError, match="at least 2 items"):
        OpenVinoNetwork.of(TwoAnswers().eval(), example(1, 1, 8, 8))


def test_telemetry_that_is_loaded_already_is_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, ours.TELEMETRY, np)
    with pytest.raises(ConfigError, match="would report to Intel"):
        OpenVinoNetwork.of(TwoAnswers().eval(), example(2, 1, 8, 8))


@pytest.mark.parametrize(("off", "passes"), [(0.9e-3, True), (1.1e-3, False), (np.nan, False)])
def test_the_proof_has_its_tolerance(off, passes):
    wanted = (np.asarray([2.0, -0.5], np.float32),)
    found = (wanted[0] + np.asarray([0, 2 * off], np.float32),)
    if passes:
        ours._prove(found, wanted)
    else:
        with pytest.raises(ConfigError, match="is off torch's by"):
            ours._prove(found, wanted)


def test_the_proof_compares_shapes():
    with pytest.raises(ConfigError, match=r"outputs are \[\(1,\)\], torch's \[\(2,\)\]"):
        ours._prove((np.zeros(1, np.float32),), (np.zeros(2, np.float32),))


@installed
def test_it_says_what_torch_says_for_any_batch():
    network = TwoAnswers().eval()
    made = OpenVinoNetwork.of(network, example(3, 1, 16, 16))
    batch = example(5, 1, 16, 16)
    with torch.inference_mode():
        wanted = network(batch)
    assert made.outputs == 2
    for found, theirs in zip(made(batch.numpy()), wanted, strict=True):
        np.testing.assert_allclose(found, theirs.numpy(), atol=1e-5)


@installed
def test_cnnline_runs():
    torch.manual_seed(5)
    network = CnnLineNetwork().eval()
    made = OpenVinoNetwork.of(network, example(2, 1, 64, 64))
    with torch.inference_mode():
        np.testing.assert_allclose(
            made(example(2, 1, 64, 64).numpy())[0], network(example(2, 1, 64, 64)).numpy(), atol=1e-5
        )


COMPILE = """
import sys, torch
from torch import nn
from inference.models.openvino import OpenVinoNetwork
OpenVinoNetwork.of(nn.Conv2d(1, 4, 3).eval(), torch.rand(2, 1, 8, 8))
assert sys.modules["openvino_telemetry"] is None
"""


@installed
def test_it_leaves_no_client_id_of_its_telemetry(tmp_path):
    environment = {**os.environ, "HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    subprocess.run([sys.executable, "-c", COMPILE], env=environment, cwd=ROOT, check=True)
    assert list(tmp_path.iterdir()) == []


@installed
def test_a_network_that_answers_otherwise_is_refused(monkeypatch):
    convert = ours._converted

    def other(network, batch):
        changed = TwoAnswers().eval()
        changed.load_state_dict({k: v + 0.1 for k, v in network.state_dict().items()})
        return convert(changed, batch)

    monkeypatch.setattr(ours, "_converted", other)
    with pytest.raises(ConfigError, match="is off torch's by"):
        OpenVinoNetwork.of(TwoAnswers().eval(), example(2, 1, 8, 8))
