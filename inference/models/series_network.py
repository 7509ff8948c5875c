"""The networks of a whole series: what plane it lies in, whether it shows a body, whether it is enhanced."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from inference.models.series_architecture import STANDARD, SeriesArchitecture
from inference.series_input import VIEW_SLICES

AXES: Final = 4
"""Axial, coronal, sagittal, oblique: in the order of `inference.models.series.AXIS_ORDER`."""

VIEW_WINDOWS: Final = ((-1000.0, 400.0), (-150.0, 350.0))
CONTRAST_WINDOWS: Final = ((-50.0, 250.0), (-800.0, 1000.0))
"""HU ranges that are mapped to -1..1, one for each channel of the stem."""


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut; halves the image."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )
        self.shortcut = nn.Sequential(
            nn.AvgPool2d(2, ceil_mode=True),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            nn.BatchNorm2d(outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(n, inputs, h, w) to (n, outputs, h / 2, w / 2)."""
        return torch.relu(self.body(x) + self.shortcut(x))


class Encoder(nn.Module):
    """An image in HU to what is in it, and the most of it anywhere: means and maxima of the last stage."""

    def __init__(self, channels: tuple[int, ...], windows: tuple[tuple[float, float], ...]) -> None:
        super().__init__()
        self.windows = windows
        stem = nn.Conv2d(len(windows), channels[0], 3, 2, 1, bias=False)
        self.stem = nn.Sequential(stem, nn.BatchNorm2d(channels[0]), nn.ReLU())
        self.stages = nn.Sequential(*map(Residual, channels[:-1], channels[1:]))
        self.features = 2 * channels[-1]

    def forward(self, hu: Tensor) -> Tensor:
        """(n, h, w) HU to (n, features)."""
        images = [((hu - low) * (2 / (high - low)) - 1).clamp(-1, 1) for low, high in self.windows]
        y = self.stages(self.stem(torch.stack(images, 1)))
        return torch.cat([y.mean(dim=(2, 3)), y.amax(dim=(2, 3))], 1)


class ViewNetwork(nn.Module):
    """Views of a series to its plane and to whether it is a body; the order of the slices does not matter."""

    def __init__(self, architecture: SeriesArchitecture = STANDARD) -> None:
        super().__init__()
        self.encoder = Encoder(architecture.view, VIEW_WINDOWS)
        self.norm = nn.BatchNorm1d(3 * self.encoder.features)
        self.axis = nn.Linear(3 * self.encoder.features, AXES)
        self.body = nn.Linear(3 * self.encoder.features, 1)

    def forward(self, views: Tensor) -> tuple[Tensor, Tensor]:
        """(n, VIEWS, h, w) HU to logits of the axes (n, AXES) and of a body (n,)."""
        each = self.encoder(views.flatten(0, 1)).unflatten(0, views.shape[:2])
        slices, projections = each[:, :VIEW_SLICES], each[:, VIEW_SLICES:]
        pooled = torch.cat([slices.mean(1), slices.amax(1), projections.mean(1)], 1)
        pooled = self.norm(pooled.float())
        return self.axis(pooled), self.body(pooled)[:, 0]


class ContrastNetwork(nn.Module):
    """Axial slices to one logit: each slice says what it thinks and how much it matters."""

    def __init__(self, architecture: SeriesArchitecture = STANDARD) -> None:
        super().__init__()
        self.encoder = Encoder(architecture.contrast, CONTRAST_WINDOWS)
        self.norm = nn.BatchNorm1d(self.encoder.features)
        self.logit = nn.Linear(self.encoder.features, 1)
        self.weight = nn.Linear(self.encoder.features, 1)

    def forward(self, slices: Tensor) -> Tensor:
        """(n, slices, h, w) HU to (n,)."""
        each = self.norm(self.encoder(slices.flatten(0, 1)).float())
        weight = torch.softmax(self.weight(each)[:, 0].unflatten(0, slices.shape[:2]), 1)
        said = self.logit(each)[:, 0].unflatten(0, slices.shape[:2])
        return torch.as_tensor((weight * said).sum(1))
