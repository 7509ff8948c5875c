"""Where in a slice through a lumbar vertebra skeletal muscle is looked for: a stated rule of geometry.

Three zones, on pixels of 1 mm:
wall - before and beside the cavity: between the two curves of `wall`.
psoas - beside the vertebral body: no further aside than PSOAS_MM, no further forward than its front.
back - behind the vertebral body and within 45 degrees of straight back from the middle of the cavity.

Of psoas and back, only what hangs together with muscle that lies against the vertebra counts: a kidney in its
fat does not. Skin, bone with its marrow and the spinal canal count nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.workbench.muscle.body import (
    BONE_HU,
    SKIN_MM,
    Vertebra,
    body_of,
    connected,
    filled,
    opened,
    smoothed,
    vertebra_of,
    within,
)
from inference.workbench.muscle.standard import Hu, Mask
from inference.workbench.muscle.wall import Wall, between, is_back, wall_of

MUSCLE_HU: Final = (-29.0, 150.0)
"""Both included: the range of the literature (Mitsiopoulos 1998, Prado 2008)."""

NOISE_MM: Final = 1.2
"""Standard deviation of the smoothing before zones are drawn; what counts is decided on raw pixels."""

PSOAS_MM: Final = 45.0
"""Aside of the vertebral body's edge."""

FRONT_MM: Final = 4.0
"""The psoas reaches so far before the front of the inscribed circle."""

NECK_MM: Final = 1
"""A bridge thinner than twice this joins nothing."""

CANAL_MM: Final = (11.0, 13.0)
"""Half depth and half width of the spinal canal, behind the vertebral body."""

EDGE_MM: Final = 6.0
"""So far within the vertebra's width a psoas may lie against it."""

SEED_MM: Final = 14.0
"""Muscle so near to the vertebra's edge is psoas or back."""


@dataclass(frozen=True, kw_only=True)
class Zones:
    """Of one slice, (y, x) in pixels of 1 mm."""

    body: Mask
    vertebra: Vertebra
    middle: tuple[float, float]  # y, x of the cavity's middle
    curves: Wall
    wall: Mask
    psoas: Mask
    back: Mask

    @property
    def all(self) -> Mask:
        """Where muscle counts."""
        return self.wall | self.psoas | self.back


def zones_of(hu: Hu) -> Zones | str:
    """The zones of a slice, (y, x) in pixels of 1 mm; in words, why there are none."""
    body = body_of(hu)
    vertebra = vertebra_of(hu, body)
    if vertebra is None:
        return "no vertebral body is found in the slice"
    inner = within(body, SKIN_MM)
    smooth = smoothed(hu, NOISE_MM)
    low, high = MUSCLE_HU
    soft = (smooth >= low) & (smooth <= high) & inner & ~_bone(hu, body, vertebra)
    middle = _middle(body, vertebra)
    curves = wall_of(soft.astype(np.float32), inner, middle)
    if curves is None:
        return "the abdominal wall is not found in every direction"
    wall = between(curves, hu.shape, middle) & inner & ~_bone(hu, body, vertebra)
    psoas, back = _deep(soft, wall, vertebra, middle)
    return Zones(
        body=body,
        vertebra=vertebra,
        middle=middle,
        curves=curves,
        wall=wall,
        psoas=psoas & ~wall,
        back=back & ~wall,
    )


def _bone(hu: Hu, body: Mask, vertebra: Vertebra) -> Mask:
    """Bone with its marrow, the vertebral body and the canal behind it."""
    y, x = np.indices(hu.shape)
    down, aside = y - vertebra.y_mm, x - vertebra.x_mm
    solid = (down / vertebra.radius_mm) ** 2 + (aside / vertebra.half_width_mm) ** 2 <= 0.85
    depth, width = CANAL_MM
    behind = down - vertebra.radius_mm - depth + 2
    canal = (behind / depth) ** 2 + (aside / width) ** 2 <= 1
    return filled((hu > BONE_HU) & body) | solid | canal


def _middle(body: Mask, vertebra: Vertebra) -> tuple[float, float]:
    """Halfway between the vertebra's front and the belly's skin, before the vertebra."""
    rows = np.flatnonzero(body[:, round(vertebra.x_mm)])
    front = vertebra.y_mm - vertebra.radius_mm
    return (float(rows[0]) + front) / 2, vertebra.x_mm


def _deep(soft: Mask, wall: Mask, vertebra: Vertebra, middle: tuple[float, float]) -> tuple[Mask, Mask]:
    """Psoas and back, each of the pieces that touch the vertebra's surroundings."""
    y, x = np.indices(soft.shape)
    down, aside = y - vertebra.y_mm, np.abs(x - vertebra.x_mm) - vertebra.half_width_mm
    rear = vertebra.radius_mm
    beside = (
        (down >= -rear - FRONT_MM) & (down < rear) & (np.abs(aside - PSOAS_MM / 2) <= PSOAS_MM / 2 + EDGE_MM)
    )
    behind = (down >= rear) & is_back(soft.shape, middle)
    thick = opened(soft & (beside | behind), NECK_MM)
    near = (down >= -rear / 2) & (aside > 0) & (aside <= SEED_MM)
    kept = connected(thick | (wall & soft), (near & thick) | wall)
    grown = kept | (soft & _near(kept) & (beside | behind))
    return grown & beside, grown & behind


def _near(mask: Mask) -> Mask:
    """With what the opening took off its edge."""
    return np.asarray(~within(~mask, NECK_MM))
