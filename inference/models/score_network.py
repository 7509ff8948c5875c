"""The network that reads projections: each row of a volume gets a score, its sd, and a guess at the vertebra.

Two views go through a convolutional stack each, which halves the width and keeps the rows; what is left of a
row's width is pooled, and dilated convolutions along z let each row see some 180 mm up and down.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.projection import CELLS, FRONTAL, SAGITTAL
from inference.spine import VERTEBRAE

CHANNELS: Final = (16, 24, 40, 64)
"""Of the four stages of a view; each halves the width."""

WIDTH: Final = 96
"""Channels of a row."""

DILATIONS: Final = (1, 2, 4, 8, 16, 24, 1)
"""Of the convolutions along z."""

DROPOUT: Final = 0.1

UNITS_PER_OUTPUT: Final = 10.0
"""Score units to one unit of the network's output."""

MIDDLE_SCORE: Final = 50.0
"""The score at output 0."""

LEAST_SCALE: Final = 0.3
"""Score units: the network is never surer of a row."""


class Halving(nn.Module):
    """3x3 convolution that halves the width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, 3, stride=(1, 2), padding=1, bias=False)
        self.n = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, rows, w) to (n, outputs, rows, w / 2)."""
        return torch.relu(self.n(self.c(x)))


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.a = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.na = nn.BatchNorm2d(channels)
        self.b = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.nb = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, rows, w), kept."""
        return torch.relu(x + self.nb(self.b(torch.relu(self.na(self.a(x))))))


class View(nn.Module):
    """One projection to features of its rows."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        a, b, c, d = CHANNELS
        self.l = nn.Sequential(
            Halving(inputs, a),
            Halving(a, b),
            Residual(b),
            Halving(b, c),
            Residual(c),
            Halving(c, d),
            Residual(d),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, rows, w) to (n, 2 * CHANNELS[-1], rows): mean and highest value over the width."""
        y = self.l(x)
        return torch.cat([y.mean(3), y.amax(3)], 1)


class Along(nn.Module):
    """A dilated convolution along z with a shortcut."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.a = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation, bias=False)
        self.na = nn.BatchNorm1d(channels)
        self.b = nn.Conv1d(channels, channels, 1, bias=False)
        self.nb = nn.BatchNorm1d(channels)
        self.d = nn.Dropout(DROPOUT)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, rows), kept."""
        return torch.relu(x + self.d(self.nb(self.b(torch.relu(self.na(self.a(x)))))))


class ScoreNetwork(nn.Module):
    """Views of a volume to what is said of its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.f, self.s = View(FRONTAL + 1), View(SAGITTAL + 1)
        self.j = nn.Sequential(
            nn.Conv1d(4 * CHANNELS[-1], WIDTH, 1, bias=False),
            nn.BatchNorm1d(WIDTH),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
        )
        self.t = nn.Sequential(*(Along(WIDTH, d) for d in DILATIONS))
        self.o = nn.Conv1d(WIDTH, 3 + len(VERTEBRAE), 1)

    def forward(self, views: Tensor, valid: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Read rows.

        Args:
            views: (n, FRONTAL, rows, CELLS + SAGITTAL_CELLS), of `inference.projection.views`.
            valid: (n, rows): 1 where there is a row, 0 where it only fills up the batch.

        Returns:
            Score (n, rows); its Laplace scale (n, rows), score units; logit that a vertebral body's centre
            is here (n, rows); logit that it is that of each of VERTEBRAE (n, 25, rows).
        """
        there = valid[:, None, :, None]
        x = views * there - (1 - there)
        x = torch.cat([x, there.expand(-1, 1, -1, x.shape[3])], 1)
        rows = torch.cat([self.f(x[..., :CELLS]), self.s(x[..., CELLS:])], 1)
        y = self.o(self.t(self.j(rows) * valid[:, None])).float()
        scale = functional.softplus(y[:, 1]) + LEAST_SCALE
        return MIDDLE_SCORE + UNITS_PER_OUTPUT * y[:, 0], scale, y[:, 2], y[:, 3:]
