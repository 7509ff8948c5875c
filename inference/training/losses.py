"""The losses of the score network."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor
from torch.nn import functional

from inference.models.network import UNITS_PER_OUTPUT
from inference.training.landmarks import SLOPE_PER_MM

ALPHA: Final = 1.0
"""Of the order loss h, per unit of the network's output (Schuhegger 2021)."""

BETA_PER_MM: Final = 0.01
"""Of the order loss h (Schuhegger 2021)."""

HUBER_UNITS: Final = 5.0
"""Score units at which the supervised loss turns from square to straight. At 20, limbs and heads that are far
off outvote the trunk: its held-out error was then larger."""

LOSS_UNITS: Final = 2.0
"""Score units that count as one unit of loss, beside the order loss."""

SLOPE_TOLERANCE: Final = 0.2
"""Relative difference from SLOPE_PER_MM that the slope prior lets pass."""


def order_loss(score: Tensor, z_mm: Tensor) -> Tensor:
    """Loss h: the order of neighbouring slices, and softly their distance.

    Args:
        score: (volumes, slices), feet first.
        z_mm: the same shape.
    """
    wanted = torch.sigmoid(BETA_PER_MM * z_mm.diff(dim=1))
    given = torch.sigmoid(ALPHA * score.diff(dim=1) / UNITS_PER_OUTPUT)
    return (wanted - given).square().mean()


def slope_loss(score: Tensor, z_mm: Tensor) -> Tensor:
    """How far score differences lie from 0.118 units/mm, beyond a tolerance; shapes as in order_loss."""
    wanted = SLOPE_PER_MM * z_mm.diff(dim=1)
    excess = (score.diff(dim=1) - wanted).abs() - SLOPE_TOLERANCE * wanted
    excess = excess.clamp(min=0)
    return functional.smooth_l1_loss(excess, torch.zeros_like(excess), beta=HUBER_UNITS) / LOSS_UNITS


def landmark_loss(score: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Huber loss of labelled slices, weighted; all (n,)."""
    each = functional.smooth_l1_loss(score, target, reduction="none", beta=HUBER_UNITS) / LOSS_UNITS
    return (each * weight).sum() / weight.sum().clamp(min=1)


def variance_loss(score: Tensor, log_variance: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Gaussian negative log likelihood of the variance alone: the score is not moved by it; all (n,)."""
    error = (score.detach() - target).square()
    each = 0.5 * (log_variance + error * torch.exp(-log_variance))
    return (each * weight).sum() / weight.sum().clamp(min=1)
