"""The network that reads projections: each row of a volume gets a score, its sd, and a guess at the vertebra.

Two views go through a convolutional stack each, which halves the width and keeps the rows; what is left of a
row's width is pooled, and dilated convolutions along z let each row see some 180 mm up and down. Other sizes,
and a ladder in place of the dilated convolutions, are in `inference.models.score_architecture`.
"""

from __future__ import annotations

from math import prod
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from inference.models.score_architecture import STANDARD, AlongZ, Architecture
from inference.projection import CELLS, FRONTAL, SAGITTAL
from inference.spine import VERTEBRAE

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

    def __init__(self, inputs: int, channels: tuple[int, ...]) -> None:
        super().__init__()
        a, b, c, d = channels
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
        """(n, inputs, rows, w) to (n, 2 * channels[-1], rows): mean and highest value over the width."""
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


class Joined(nn.Module):
    """Fewer rows brought back to many, and joined with what was beside them."""

    def __init__(self, channels: int, rows: int) -> None:
        super().__init__()
        self.rows = rows
        self.c = nn.Conv1d(2 * channels, channels, 1, bias=False)
        self.n = nn.BatchNorm1d(channels)
        self.a = Along(channels, 1)

    def forward(self, x: Tensor, beside: Tensor) -> Tensor:
        """(n, channels, r) and (n, channels, r * rows) to the latter's shape."""
        up = torch.cat([x.repeat_interleave(self.rows, 2), beside], 1)
        return torch.as_tensor(self.a(torch.relu(self.n(self.c(up)))))


class Ladder(nn.Module):
    """Down to fewer rows and up again, as CNNLine does (Kanavati 2018)."""

    def __init__(self, channels: int, rungs: tuple[int, ...]) -> None:
        super().__init__()
        self.rungs = rungs
        self.d = nn.ModuleList(Along(channels, 1) for _ in rungs)
        self.b = Along(channels, 1)
        self.u = nn.ModuleList(Joined(channels, rows) for rows in reversed(rungs))

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, rows), kept; rows are filled up with 0 to a multiple of all rungs together."""
        rows = x.shape[2]
        x = functional.pad(x, (0, -rows % prod(self.rungs)))
        beside = []
        for down, count in zip(self.d, self.rungs, strict=True):
            beside.append(down(x))
            x = functional.max_pool1d(beside[-1], count)
        x = self.b(x)
        for up in self.u:
            x = up(x, beside.pop())
        return x[:, :, :rows]


class ScoreNetwork(nn.Module):
    """Views of a volume to what is said of its rows."""

    def __init__(self, architecture: Architecture = STANDARD) -> None:
        super().__init__()
        self.architecture = architecture
        channels, width = architecture.channels, architecture.width
        self.f, self.s = View(FRONTAL + 1, channels), View(SAGITTAL + 1, channels)
        self.j = nn.Sequential(
            nn.Conv1d(4 * channels[-1], width, 1, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Dropout(DROPOUT),
        )
        self.t = _along_z(architecture)
        self.o = nn.Conv1d(width, 3 + len(VERTEBRAE), 1)

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


def _along_z(architecture: Architecture) -> nn.Module:
    if architecture.along_z is AlongZ.LADDER:
        return Ladder(architecture.width, architecture.reach)
    return nn.Sequential(*(Along(architecture.width, d) for d in architecture.reach))
