"""A network run by OpenVINO in float32, where it is installed and says what torch says.

OpenVINO installs openvino_telemetry, which makes a client id when OpenVINO is imported and reports its use to
Intel unless somebody opted out. Nothing leaves a hospital unasked: it is kept from being imported, and
OpenVINO then takes its own silent stand-in.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from storage.errors import ConfigError

TOLERANCE: Final = 1e-3
"""Largest difference from torch, relative to the largest value of each output; float32 differs by 1e-5."""

HINT: Final = "OpenVINO is not installed: pip install 'ctnode[openvino]'"

TELEMETRY: Final = "openvino_telemetry"
"""The package that is never imported."""

PRECISION: Final = {"INFERENCE_PRECISION_HINT": "f32"}
"""Without it OpenVINO takes bfloat16 where the processor has it."""


@dataclass(frozen=True, kw_only=True)
class OpenVinoNetwork:
    """A compiled network, proved against torch when it was made."""

    outputs: int  # how many arrays it gives
    request: Any  # openvino.CompiledModel

    @classmethod
    def of(cls, network: nn.Module, example: Tensor) -> Self:
        """Compile a network for this machine's processor.

        Args:
            network: in evaluation mode, on the CPU, of one input; its output is a tensor or a tuple of them.
            example: (n, ...), n at least 2, what it is proved on: whole and with its first item alone.

        Raises:
            ConfigError: OpenVINO is not installed, cannot run the network, or answers otherwise than torch.
            ValueError: the example has fewer than 2 items.
        """
        if len(example) < 2:
            raise ValueError("the example must have at least 2 items")
        openvino, model = _converted(network, example)
        try:
            request = openvino.Core().compile_model(model, "CPU", PRECISION)
            made = cls(outputs=len(model.outputs), request=request)
            for batch in (example, example[:1]):
                _prove(made(batch.numpy()), _answers(network, batch))
        except RuntimeError as error:
            raise ConfigError(f"OpenVINO cannot run the network: {error}") from error
        return made

    def __call__(self, batch: NDArray[np.float32]) -> tuple[NDArray[np.float32], ...]:
        """The network's outputs for a batch (n, ...)."""
        answers = self.request(batch)
        return tuple(np.asarray(answers[n], np.float32) for n in range(self.outputs))


def _converted(network: nn.Module, example: Tensor) -> tuple[Any, Any]:
    openvino = _silent_openvino()
    try:
        return openvino, openvino.convert_model(network, example_input=example)
    except (RuntimeError, ValueError, TypeError) as error:
        raise ConfigError(f"OpenVINO cannot convert the network: {error}") from error


def _silent_openvino() -> ModuleType:
    """The package, imported without its telemetry."""
    if sys.modules.get(TELEMETRY) is not None:
        raise ConfigError(f"{TELEMETRY} is loaded in this process, and would report to Intel")
    sys.modules[TELEMETRY] = None  # type: ignore[assignment]  # the language's way to say: do not import
    try:
        return import_module("openvino")
    except ImportError as error:
        raise ConfigError(HINT) from error


@torch.inference_mode()
def _answers(network: nn.Module, batch: Tensor) -> tuple[NDArray[np.float32], ...]:
    answers = network(batch)
    answers = answers if isinstance(answers, tuple) else (answers,)
    return tuple(a.numpy() for a in answers)


def _prove(found: tuple[NDArray[np.float32], ...], wanted: tuple[NDArray[np.float32], ...]) -> None:
    if [a.shape for a in found] != [a.shape for a in wanted]:
        raise ConfigError(
            f"OpenVINO's outputs are {[a.shape for a in found]}, torch's {[a.shape for a in wanted]}"
        )
    for ours, torchs in zip(found, wanted, strict=True):
        most = TOLERANCE * max(float(np.abs(torchs).max(initial=0)), 1.0)
        off = float(np.abs(ours - torchs).max(initial=0))
        if not off <= most:  # true for NaN too
            raise ConfigError(f"OpenVINO's answer is off torch's by {off:.2g}, more than {most:.2g}")
