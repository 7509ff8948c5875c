"""T12 and L3 from the chain of vertebrae: found, not in the field, or cannot tell, and how far to trust it.

Pure. A level is found only where nearly all of its probability lies in the field and about one place; what
that is worth was measured on patients that neither the networks nor the chain had seen (LevelCalibration).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.chain import Posterior
from inference.findings import LevelFinding, Presence
from inference.spine import VERTEBRAE

NEAR_MM: Final = 12.0
"""Places as near as this to the likeliest are the same vertebra: less than half the least spacing."""

LEVELS: Final = ("T12", "L3")

SACRUM: Final = VERTEBRAE.index("S1")

OUTSIDE_MOST: Final = 0.03
"""A level whose probability inside the field is at most this is not in the field."""

AWAY_SD: Final = 2.0
"""And so many sd of the curve away."""

INSIDE_LEAST: Final = 0.9
"""A level whose probability inside the field is at least this may be found."""

PLACE_LEAST: Final = 0.9
"""So must be the probability of the place alone: otherwise two vertebrae are alike. At 0.7, two of 24 levels
of held-out patients were one vertebra off; at 0.9 none of 21."""

EDGE_MM: Final = 5.0
"""A body's centre nearer to the field's end is not seen whole, and not called found."""


@dataclass(frozen=True, kw_only=True)
class LevelCalibration:
    """How good the answers are, on held-out patients."""

    right_level: float  # share of found levels that were the right vertebra: its 95 % interval's lower end
    half_width_mm: float  # half of the interval that held COVERAGE of the right levels
    coverage: float  # of that interval, 0..1


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a vertebra most likely is."""

    z_mm: float  # mean about the likeliest place
    probability: float  # that it is there, within NEAR_MM
    inside: float  # that it is in the field at all


def place(posterior: Posterior, vertebra: int) -> Place:
    """The likeliest place of a vertebra.

    Args:
        posterior: of a volume.
        vertebra: index in VERTEBRAE.
    """
    p = posterior.probability[vertebra]
    near = np.abs(posterior.z_mm - posterior.z_mm[int(p.argmax())]) <= NEAR_MM
    mass = float(p[near].sum())
    return Place(
        z_mm=float(posterior.z_mm[near] @ p[near] / mass),
        probability=mass,
        inside=float(p[posterior.inside].sum()),
    )


def find_level(
    name: str,
    posterior: Posterior,
    slices_z_mm: NDArray[np.float64],
    sop_instance_uids: tuple[str, ...],
    calibration: LevelCalibration,
    variants: tuple[str, ...] = (),
    sd_mm: float = 0.0,
) -> LevelFinding:
    """What is said of a level.

    Args:
        name: of LEVELS.
        posterior: of the volume.
        slices_z_mm: (k,), patient z of each slice's centre, in slice order; of the rows where the slices are
            not axial.
        sop_instance_uids: of the slices, in slice order; empty where they are not axial, and none is meant.
        calibration: of the model.
        variants: enumeration variants that fit better than the usual spine.
        sd_mm: of the score curve, as a height: a level that is not that far away may be in the field.
    """
    found = place(posterior, VERTEBRAE.index(name))
    if found.inside <= OUTSIDE_MOST:
        return _outside(found, posterior, sd_mm)
    low, high = float(slices_z_mm.min()), float(slices_z_mm.max())
    reason = _doubt(found, low, high)
    if reason:
        return LevelFinding(presence=Presence.CANNOT_TELL, reason=reason)
    nearest = int(np.abs(slices_z_mm - found.z_mm).argmin()) if sop_instance_uids else None
    half = calibration.half_width_mm
    return LevelFinding(
        presence=Presence.FOUND,
        z_mm=found.z_mm,
        slice_index=nearest,
        sop_instance_uid=None if nearest is None else sop_instance_uids[nearest],
        confidence=round(found.probability * calibration.right_level * calibration.coverage, 3),
        interval_mm=(found.z_mm - half, found.z_mm + half),
        warnings=tuple(f"this spine may have {variant}: the name is a convention" for variant in variants),
    )


def doubted(level: LevelFinding, reason: str) -> LevelFinding:
    """A level that was found, but is not told for a reason of the whole volume; any other as it is."""
    if not reason or level.presence is not Presence.FOUND:
        return level
    return LevelFinding(presence=Presence.CANNOT_TELL, reason=reason)


def _doubt(found: Place, low: float, high: float) -> str:
    if found.inside < INSIDE_LEAST:
        return f"in the field with probability {found.inside:.2f} only"
    if not low + EDGE_MM <= found.z_mm <= high - EDGE_MM:
        return f"{max(0.0, min(found.z_mm - low, high - found.z_mm)):.0f} mm from the end of the field"
    if found.probability < PLACE_LEAST:
        return f"two vertebrae are alike: probability {found.probability:.2f} for z {found.z_mm:.0f}"
    return ""


def _outside(found: Place, posterior: Posterior, sd_mm: float) -> LevelFinding:
    field = posterior.z_mm[posterior.inside]
    below = found.z_mm < field[0]
    away_mm = max(float(field[0] - found.z_mm if below else found.z_mm - field[-1]), 0.0)
    reason = f"about {away_mm:.0f} mm {'below' if below else 'above'} the field"
    if away_mm < AWAY_SD * sd_mm:
        reason += f", by a curve that is only sure to {sd_mm:.0f} mm"
        return LevelFinding(presence=Presence.CANNOT_TELL, reason=reason)
    sure = round(1 - found.inside, 3)
    return LevelFinding(presence=Presence.NOT_IN_FIELD, confidence=sure, reason=reason)
