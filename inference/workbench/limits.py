"""From where to where along the patient's z: a region, a pair of landmarks, or a structure. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from typing import Final

from inference.findings import Findings, Region
from inference.spine import VERTEBRAE
from inference.workbench.tables import LEVEL_NAMES
from storage.errors import Refused

NO_CALIBRATION: Final = "not calibrated: the chain's own probability"
"""Of every vertebra but those of LEVEL_NAMES: how often it is right was not measured."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """A range of heights."""

    low_mm: float  # patient z
    high_mm: float
    what: str  # in words, for the record
    remarks: tuple[str, ...] = ()  # how far the ends can be trusted, where something is to be said

    def widened(self, margin_mm: float) -> Limits:
        """The same, with so much more at each end, or less where the margin is negative.

        Raises:
            Refused: nothing is left of it, or the margin is no number.
        """
        if not isfinite(margin_mm):
            raise Refused(f"a margin of {margin_mm:g} mm is none")
        more = f", and {margin_mm:g} mm at each end" if margin_mm else ""
        low, high = self.low_mm - margin_mm, self.high_mm + margin_mm
        if low > high:
            long_mm = self.high_mm - self.low_mm
            raise Refused(
                f"{self.what}: {long_mm:.1f} mm, of which a margin of {margin_mm:g} mm leaves nothing"
            )
        return replace(self, low_mm=low, high_mm=high, what=self.what + more)


def of_region(findings: Findings, region: Region) -> Limits:
    """What the volume holds of a region: from its lowest slice to its highest.

    Raises:
        Refused: the volume holds none of it; names those that it holds.
    """
    found = {extent.region: extent for extent in findings.body_part.regions}
    if region not in found:
        here = ", ".join(found) or f"none ({findings.body_part.value})"
        raise Refused(f"region {region} is not in this volume; regions in it: {here}")
    ends = sorted((found[region].start_mm, found[region].end_mm))
    return Limits(low_mm=ends[0], high_mm=ends[1], what=f"region {region}")


def between(places_mm: Mapping[str, float], start: str, end: str, reason: str = "") -> Limits:
    """From one vertebra's centre to another's, in either order; one name for both is that height alone.

    Args:
        places_mm: vertebra -> z of its centre, of those that are found in the volume.
        start: of VERTEBRAE.
        end: of VERTEBRAE.
        reason: why none is found, where it is known.

    Raises:
        Refused: a name is no vertebra that the models know, or is not found here; names those that are.
    """
    for name in (start, end):
        if name not in VERTEBRAE:
            known = ", ".join(VERTEBRAE)
            raise Refused(f"{name} is no landmark that the models know; they know {known}")
        if name not in places_mm:
            here = ", ".join(places_mm) or f"none ({reason or 'no vertebra is sure enough'})"
            raise Refused(f"{name} is not found in this volume; found are {here}")
    low, high = sorted((places_mm[start], places_mm[end]))
    guessed = tuple(
        f"{name} is {NO_CALIBRATION}" for name in dict.fromkeys((start, end)) if name not in LEVEL_NAMES
    )
    return Limits(low_mm=low, high_mm=high, what=f"centre of {start} to centre of {end}", remarks=guessed)
