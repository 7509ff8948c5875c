"""CNNLine (Kanavati 2018, sarcopenia-ai): a frontal projection in, a line of confidences out, one a row.

Layers as in the published CNNLine.json (Keras 2.2.4): 6,182,241 parameters and 6,784 running statistics.
An encoder of 2-D convolutions; each level is reduced to a line by its maximum over the width; a decoder of
1-D convolutions goes back up with those lines beside it.
"""

from __future__ import annotations

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

ENCODER: Final = ((32, 3, 2), (64, 3, 2), (128, 3, 2), (256, 5, 1), (512, 3, 2))
"""Of each level: channels, kernel size, convolutions."""

POOLS: Final = (2, 2, 2, 4)
"""By how much the image is reduced after each level but the last; the line grows back likewise."""

DECODER: Final = (((256, 5), (256, 1)), *(((128, 3), (128, 3), (128, 1)),) * 3)
"""Of each level, from the bottom: channels and kernel size of its convolutions."""

LEAK: Final = 0.05
"""Slope of LeakyReLU below 0: the published weights have it, the repository's present source has not."""

NORM_EPSILON: Final = 1e-3
"""Of the batch normalisation; Keras's default."""

REDUCTION: Final = 32
"""Rows and columns must be multiples of this."""


class CnnLineNetwork(nn.Module):
    """Weights are numbered as in the file: conv2d 0..8, conv1d 0..10, and norm 0..19 over both."""

    def __init__(self) -> None:
        super().__init__()
        self.conv2d = nn.ModuleList(_encoder())
        self.conv1d = nn.ModuleList(_decoder())
        widths = [int(c.out_channels) for c in (*self.conv2d, *self.conv1d)]
        first = len(self.conv2d)
        norms = [nn.BatchNorm2d(w, eps=NORM_EPSILON) for w in widths[:first]]
        self.norm = nn.ModuleList([*norms, *(nn.BatchNorm1d(w, eps=NORM_EPSILON) for w in widths[first:])])
        self.last = nn.Conv1d(widths[-1], 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, h, w), multiples of REDUCTION, row 0 first, to (n, h) in 0..1."""
        lines = self._encoded(x)
        line, done = lines.pop(), 0
        for level, up in zip(DECODER, reversed(POOLS), strict=True):
            line = torch.cat([line.repeat_interleave(up, dim=2), lines.pop()], dim=1)
            for _ in level:
                line = self._unit(line, self.conv1d[done], self.norm[len(self.conv2d) + done])
                done += 1
        return torch.sigmoid(self.last(line)[:, 0])

    def _encoded(self, x: Tensor) -> list[Tensor]:
        """The line (n, channels, rows) of each level, widest image first."""
        lines, done = [], 0
        for (_, _, count), pool in zip(ENCODER, (*POOLS, 1), strict=True):
            for _ in range(count):
                x = self._unit(x, self.conv2d[done], self.norm[done])
                done += 1
            lines.append(x.amax(dim=3))
            x = F.max_pool2d(x, pool)
        return lines

    @staticmethod
    def _unit(x: Tensor, convolution: nn.Module, norm: nn.Module) -> Tensor:
        return F.leaky_relu(norm(convolution(x)), LEAK)


def _encoder() -> list[nn.Module]:
    layers: list[nn.Module] = []
    inputs = 1
    for outputs, size, count in ENCODER:
        for _ in range(count):
            layers.append(nn.Conv2d(inputs, outputs, size, padding=size // 2))
            inputs = outputs
    return layers


def _decoder() -> list[nn.Module]:
    layers: list[nn.Module] = []
    inputs = ENCODER[-1][0]
    for level, (beside, _, _) in zip(DECODER, reversed(ENCODER[:-1]), strict=True):
        inputs += beside
        for outputs, size in level:
            layers.append(nn.Conv1d(inputs, outputs, size, padding=size // 2))
            inputs = outputs
    return layers
