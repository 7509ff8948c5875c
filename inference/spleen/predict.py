"""Where the network sees the spleen in a volume: a mask on the volume's own voxels."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from torch import nn

from inference.spleen.network import MULTIPLE_PX, windowed
from inference.spleen.slicing import HALF, SliceAxis, from_grid, from_slices, on_grid, slices_along, turn_of

itk: Final[Any] = sitk  # its functions carry no types

BATCH: Final = 16
AIR: Final = -1.0
"""Of `windowed`: what is added at the edge of a slice."""

LARGEST: Final = 1
"""RelabelComponent numbers the pieces by falling size."""


def spleen_mask(
    network: nn.Module, axis: SliceAxis, voxels: NDArray[np.int16], affine_lps: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(k, j, i): the one largest piece that is rather spleen than not; all False where there is none.

    Args:
        network: in evaluation mode.
        axis: that it learnt to cut along.
        voxels: (k, j, i), HU.
        affine_lps: (4, 4), index (i, j, k, 1) to mm.
    """
    turn = turn_of(affine_lps)
    upright = turn.upright(voxels)
    grid = on_grid(upright, turn.spacing_mm)
    answer = probabilities(network, slices_along(grid, axis))
    probability = np.ascontiguousarray(from_slices(answer, axis))
    mask = from_grid(np.where(_other_pieces(probability > HALF), 0, probability), upright.shape)
    return np.ascontiguousarray(turn.back(mask))


def probabilities(network: nn.Module, slices: NDArray[np.float32]) -> NDArray[np.float32]:
    """(slices, rows, columns) in HU to the probability of spleen at each voxel."""
    rows, columns = slices.shape[1:]
    edges = [(0, 0), *((0, -n % MULTIPLE_PX) for n in (rows, columns))]
    seen = np.pad(windowed(slices), edges, constant_values=AIR)
    with torch.inference_mode():
        answers = [
            torch.sigmoid(network(torch.from_numpy(seen[at : at + BATCH, None])))[:, 0, :rows, :columns]
            for at in range(0, len(seen), BATCH)
        ]
    return np.asarray(torch.cat(answers).numpy())


def _other_pieces(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """All but the largest."""
    if not mask.any():
        return mask
    pieces = itk.RelabelComponent(itk.ConnectedComponent(itk.GetImageFromArray(mask.astype(np.uint8))))
    return np.asarray(itk.GetArrayFromImage(pieces) > LARGEST)
