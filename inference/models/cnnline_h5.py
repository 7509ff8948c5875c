"""CNNLine.h5 as Keras 2 wrote it, read as plain arrays: no Keras, no pickle, no other file.

An HDF5 file can point into other files; every link and every data set is checked to lie in this one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from storage.errors import ConfigError

LAYER: Final = re.compile(r"(conv2d|conv1d|batch_normalization|last_conv)(?:_(\d+))?")
"""Layers with weights; Keras counts from 1, newer Keras leaves the first without a number."""

COUNTS: Final = {"conv2d": 9, "conv1d": 11, "batch_normalization": 20, "last_conv": 1}
"""Layers of each kind."""

MODULES: Final = {"conv2d": "conv2d", "conv1d": "conv1d", "batch_normalization": "norm", "last_conv": "last"}
"""Their names in CnnLineNetwork."""

CONVOLUTION: Final = {"kernel:0": "weight", "bias:0": "bias"}
NORMALISATION: Final = {
    "gamma:0": "weight",
    "beta:0": "bias",
    "moving_mean:0": "running_mean",
    "moving_variance:0": "running_var",
}

KERNEL_AXES: Final = {4: (3, 2, 0, 1), 3: (2, 1, 0)}
"""Keras (rows, columns, in, out) or (rows, in, out) to torch (out, in, rows, columns) or (out, in, rows)."""

ROOT: Final = "model_weights"
"""The group that holds the layers in a whole model; in a file of weights alone they lie at the top."""

MOST_VALUES: Final = 512 * 512 * 9
"""No array of CNNLine is larger."""

HINT: Final = "reading CNNLine.h5 needs h5py: pip install 'ctnode[adapters]'"

H5_ERRORS: Final = (OSError, KeyError, RuntimeError, ValueError, TypeError, AttributeError)
"""What h5py raises on a file that is not HDF5, or is damaged."""


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The weights by their names in CnnLineNetwork, float32.

    Raises:
        ConfigError: h5py is not installed, the file is not HDF5 or is damaged, layers are missing, or it
            points outside itself.
    """
    h5py = _h5py()
    try:
        with h5py.File(path, "r") as file:
            layers = _child(h5py, file, ROOT, path) if ROOT in file else file
            return _tensors(h5py, layers, path)
    except H5_ERRORS as error:
        raise ConfigError(f"{path} cannot be read as a Keras weights file: {error}") from error


def _h5py() -> ModuleType:
    try:
        return import_module("h5py")
    except ImportError as error:
        raise ConfigError(HINT) from error


def _tensors(h5py: Any, layers: Any, path: Path) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for kind, names in _by_kind(_layer_names(layers), path).items():
        for n, name in enumerate(names):
            module = MODULES[kind] if COUNTS[kind] == 1 else f"{MODULES[kind]}.{n}"
            group = _child(h5py, _child(h5py, layers, name, path), name, path)
            for keras, ours in (NORMALISATION if kind == "batch_normalization" else CONVOLUTION).items():
                tensors[f"{module}.{ours}"] = _array(h5py, group, keras, path)
    return tensors


def _layer_names(layers: Any) -> list[str]:
    """In the model's order where the file tells it; else by the numbers in their names."""
    told = layers.attrs.get("layer_names")
    if told is not None:
        return [n.decode() if isinstance(n, bytes) else str(n) for n in told]
    return sorted(layers.keys(), key=_number)


def _number(name: str) -> int:
    match = LAYER.fullmatch(name)
    return int(match[2] or 0) if match else 0


def _by_kind(names: Sequence[str], path: Path) -> dict[str, list[str]]:
    kinds: dict[str, list[str]] = defaultdict(list)
    for name in names:
        match = LAYER.fullmatch(name)
        if match:
            kinds[match[1]].append(name)
    for kind, count in COUNTS.items():
        if len(kinds[kind]) != count:
            raise ConfigError(f"{path} has {len(kinds[kind])} {kind} layers, CNNLine has {count}")
    return kinds


def _child(h5py: Any, group: Any, name: str, path: Path) -> Any:
    link = group.get(name, getlink=True)
    where = f"{group.name.rstrip('/')}/{name}"
    if link is None:
        raise ConfigError(f"{path} lacks {where}")
    if not isinstance(link, h5py.HardLink):
        raise ConfigError(f"{path}: {where} points elsewhere, and is not followed")
    return group[name]


def _array(h5py: Any, group: Any, name: str, path: Path) -> Tensor:
    stored = _child(h5py, group, name, path)
    where = f"{path}: {group.name}/{name}"
    if not isinstance(stored, h5py.Dataset) or stored.external or stored.is_virtual:
        raise ConfigError(f"{where} is not an array of this file")
    if stored.size is None or stored.size > MOST_VALUES or stored.dtype.kind != "f":
        raise ConfigError(f"{where} is {stored.shape} of {stored.dtype}, not an array of CNNLine's")
    values = np.asarray(stored[()], np.float32)
    return torch.from_numpy(values.transpose(KERNEL_AXES.get(values.ndim, range(values.ndim))).copy())
