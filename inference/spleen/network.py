"""The U-Net (Ronneberger 2015), small: one slice in, a logit for each of its pixels out."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

LEVELS: Final = 4
"""Resolutions; channels double from one to the next."""

MULTIPLE_PX: Final = 2 ** (LEVELS - 1)
"""Rows and columns of a slice must be multiples of this."""

RARE: Final = -3.0
"""The first logit of everything: one voxel in twenty, as the spleen is of the slices that show it."""

WINDOW_HU: Final = (-160.0, 240.0)
"""Soft tissue: what lies beyond is cut off."""


def windowed(hu: NDArray[np.float32]) -> NDArray[np.float32]:
    """HU to -1..1 within the window."""
    low, high = WINDOW_HU
    return np.asarray((np.clip(hu, low, high) - low) / (high - low) * 2 - 1, np.float32)


class SpleenNetwork(nn.Module):
    """(n, 1, rows, columns) of `windowed` to logits of the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = [channels * 2**n for n in range(LEVELS)]
        self.down = nn.ModuleList(
            [_block(before, after) for before, after in zip([1, *widths], widths, strict=False)]
        )
        self.up = nn.ModuleList(
            [_block(low + high, high) for low, high in zip(widths[:0:-1], widths[-2::-1], strict=True)]
        )
        self.last = nn.Conv2d(channels, 1, 1)
        nn.init.constant_(self.last.bias, RARE)  # type: ignore[arg-type]

    def forward(self, slices: Tensor) -> Tensor:
        """Logits."""
        kept: list[Tensor] = []
        at = slices
        for number, block in enumerate(self.down):
            at = block(at if number == 0 else nn.functional.max_pool2d(at, 2))
            kept.append(at)
        kept.pop()
        for block in self.up:
            at = nn.functional.interpolate(at, scale_factor=2, mode="nearest")
            at = block(torch.cat([at, kept.pop()], 1))
        answer: Tensor = self.last(at)
        return answer


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
        nn.Conv2d(after, after, 3, padding=1, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )
