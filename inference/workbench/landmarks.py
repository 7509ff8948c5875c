"""The vertebrae that the models can place in a volume, each by the same rule as T12 and L3.

T12 and L3 are those of the findings. How often the others are right was not calibrated: their confidence is
the chain's own probability, and says so.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from inference.bodypart import UNDETERMINED
from inference.findings import Findings, LevelFinding, Presence
from inference.levels import LEVELS, LevelCalibration, find_level
from inference.models.bundle import Models
from inference.reading import axial_box, read
from inference.spine import VERTEBRAE
from inference.volume import Volume
from inference.workbench.limits import NO_CALIBRATION


@dataclass(frozen=True, kw_only=True)
class Landmarks:
    """What can be placed."""

    levels: dict[str, LevelFinding]  # of VERTEBRAE, from the head downwards; all of them, found or not
    reason: str  # why none is told; '' where they are

    def found(self) -> dict[str, float]:
        """Vertebra -> z in mm of its centre."""
        told = {n: v.z_mm for n, v in self.levels.items() if v.presence is Presence.FOUND}
        return {name: z for name, z in told.items() if z is not None}


def landmarks(volume: Volume, findings: Findings, models: Models) -> Landmarks:
    """The vertebrae of a volume; none where its levels are not told for a reason of the whole volume."""
    reason = _doubt(findings)
    seen = None if reason else axial_box(volume)
    if seen is None:
        told = reason or "the slices are not axial and cannot be resampled"
        none = LevelFinding(presence=Presence.CANNOT_TELL, reason=told)
        return Landmarks(levels=dict.fromkeys(VERTEBRAE, none), reason=told)
    spine, own = read(seen, models).spine, models.levels.levels
    sure = LevelCalibration(right_level=1.0, half_width_mm=own.half_width_mm, coverage=1.0)
    levels = {name: find_level(name, spine, seen.z_mm, (), sure) for name in VERTEBRAE}
    levels = {name: replace(level, warnings=(NO_CALIBRATION,)) for name, level in levels.items()}
    return Landmarks(levels=levels | {"T12": findings.t12, "L3": findings.l3}, reason="")


def _doubt(findings: Findings) -> str:
    """What keeps every level from being told: the reason that T12 and L3 share."""
    if findings.body_part.value == UNDETERMINED:
        return findings.t12.reason or "the score curve is not credible"
    reasons = {
        level.reason for level in (findings.t12, findings.l3) if level.presence is Presence.CANNOT_TELL
    }
    both = all(level.presence is Presence.CANNOT_TELL for level in (findings.t12, findings.l3))
    return reasons.pop() if both and len(reasons) == 1 and len(LEVELS) > 1 else ""
