"""BodyPartRegression's network (Schuhegger 2021): VGG16 without its classifier, one slice in, one score out.

Names and shapes are those of the published state dict: 29 tensors, 14,976,641 parameters.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

STAGES: Final = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of VGG16's 3x3 convolutions; each stage ends by halving the image."""

FEATURES: Final = 512
"""What the last layer reads."""


class BprNetwork(nn.Module):
    """Scores of slices on the network's own scale, about 0.01 units a mm."""

    def __init__(self) -> None:
        super().__init__()
        self.conv6 = nn.Conv2d(FEATURES, FEATURES, 1)
        self.fc7 = nn.Linear(FEATURES, 1)
        self.model = nn.Sequential(*_features())

    def forward(self, x: Tensor) -> Tensor:
        """(n, 1, h, w) in -1..1, h and w at least 32 (published: 128), to (n, 1)."""
        x = torch.relu(self.conv6(self.model(x)))
        score: Tensor = self.fc7(x.mean(dim=(2, 3)))
        return score


def _features() -> list[nn.Module]:
    layers: list[nn.Module] = []
    inputs = 1
    for stage in STAGES:
        for outputs in stage:
            # the published first layer alone has no bias
            layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=inputs > 1), nn.ReLU(inplace=True)]
            inputs = outputs
        layers.append(nn.MaxPool2d(2, 2))
    return layers
