"""Area and attenuation of skeletal muscle in the slice of L3. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from inference.findings import Contrast, Findings
from inference.volume import Volume
from inference.workbench.muscle import doubts
from inference.workbench.muscle.body import Vertebra
from inference.workbench.muscle.records import EXPERIMENTAL, MuscleFinding, MuscleState, undetermined
from inference.workbench.muscle.standard import Hu, Mask, Way, coarse, fine, way_of
from inference.workbench.muscle.zones import MUSCLE_HU, Zones, zones_of
from storage.geometry.stack import slice_centres_z_mm
from storage.header import Header

HALF_SLAB_MM: Final = 2.4
"""Slices whose centres are as near as this to that of L3 are averaged: thin ones are too noisy to count."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Which pixels were counted, rows to the patient's back, columns to the left."""

    hu: Hu  # (y, x)
    parts: dict[str, Mask]  # "wall", "psoas", "back": (y, x), no pixel in two of them
    body: Mask  # (y, x)
    vertebra: Vertebra  # in mm of the same axes
    way: Way  # how the slice's own array lies

    @property
    def mask(self) -> Mask:
        """All of them."""
        return np.asarray(np.logical_or.reduce(list(self.parts.values())))

    def cut(self) -> doubts.Cut:
        """Where the image ends within the body."""
        return doubts.cut_of(self.body, self.hu, self.mask, (self.way.x_mm + self.way.y_mm) / 2)


@dataclass(frozen=True, kw_only=True)
class Measured:
    """The finding, and the picture's pixels where there is one."""

    finding: MuscleFinding
    counted: Counted | None = None


def measure(volume: Volume, findings: Findings, header: Header) -> Measured:
    """The muscle of a volume, or why it is undetermined.

    Args:
        volume: of any orientation.
        findings: of it.
        header: of its first slice.
    """
    doubt = doubts.doubt_of_level(findings.l3) or doubts.doubt_of_hu(findings, header)
    index, way = findings.l3.slice_index, way_of(volume)
    if doubt or index is None or way is None:
        return Measured(finding=undetermined(doubt or "the slices are not axial"))
    spacing = volume.geometry.spacing_mm
    if spacing > doubts.SPACING_MOST_MM:
        return Measured(
            finding=undetermined(f"slices are {spacing:g} mm apart: L3's middle may lie between them")
        )
    hu, averaged = slab(volume, index)
    counted = count(np.asarray(way.standard(hu)), way)
    if isinstance(counted, str):
        return Measured(finding=undetermined(counted))
    finding = _finding(counted)
    if not doubts.AREA_CM2[0] <= (finding.area_cm2 or 0) <= doubts.AREA_CM2[1]:
        return Measured(finding=undetermined(f"{finding.area_cm2:.0f} cm² cannot be the muscle of an adult"))
    return Measured(finding=_placed(finding, counted, volume, findings, header, averaged), counted=counted)


def slab(volume: Volume, index: int) -> tuple[Hu, int]:
    """The mean of the slices about one, (j, i), and how many they are."""
    z_mm = slice_centres_z_mm(volume.geometry)
    near = np.abs(z_mm - z_mm[index]) <= HALF_SLAB_MM
    return np.asarray(volume.voxels[near].mean(0, dtype=np.float32)), int(near.sum())


def count(hu: Hu, way: Way) -> Counted | str:
    """The pixels of muscle in a slice; in words, why they cannot be told.

    hu: (y, x), rows to the back, columns to the left.
    """
    grid = fine(hu, way)
    zones = zones_of(grid)
    if isinstance(zones, str):
        return zones
    counted = Counted(
        hu=hu,
        parts=_parts(zones, hu, way),
        body=coarse(zones.body, hu.shape, way),
        vertebra=zones.vertebra,
        way=way,
    )
    if doubt := doubts.doubt_of_field(counted.cut()):
        return doubt
    if zones.curves.seen < doubts.SEEN_LEAST:
        return f"the abdominal wall is seen in {100 * zones.curves.seen:.0f} % of the directions only"
    return counted


def _parts(zones: Zones, hu: Hu, way: Way) -> dict[str, Mask]:
    low, high = MUSCLE_HU
    dense = (hu >= low) & (hu <= high)
    drawn = {"wall": zones.wall, "psoas": zones.psoas, "back": zones.back}
    return {name: coarse(zone, hu.shape, way) & dense for name, zone in drawn.items()}


def _finding(counted: Counted) -> MuscleFinding:
    pixel_cm2 = counted.way.x_mm * counted.way.y_mm / 100
    hu = counted.hu[counted.mask].astype(np.float64)
    area = {name: round(float(part.sum() * pixel_cm2), 2) for name, part in counted.parts.items()}
    return MuscleFinding(
        state=MuscleState.MEASURED,
        area_cm2=round(float(hu.size * pixel_cm2), 2),
        mean_hu=round(float(hu.mean()), 1) if hu.size else None,
        sd_hu=round(float(hu.std()), 1) if hu.size else None,
        wall_cm2=area["wall"],
        psoas_cm2=area["psoas"],
        back_cm2=area["back"],
    )


def _placed(
    finding: MuscleFinding,
    counted: Counted,
    volume: Volume,
    findings: Findings,
    header: Header,
    averaged: int,
) -> MuscleFinding:
    """With the slice, and what a reader should know."""
    geometry, level = volume.geometry, findings.l3
    warnings = [EXPERIMENTAL, *level.warnings, *filter(None, [doubts.remark_of_field(counted.cut())])]
    if findings.contrast.value is not Contrast.NO:
        warnings.append(
            f"intravenous contrast medium: {findings.contrast.value}; it raises the attenuation of muscle"
        )
    if header.slice_thickness_mm is None:
        warnings.append("Slice Thickness (0018,0050) is absent")
    return replace(
        finding,
        slice_index=level.slice_index,
        sop_instance_uid=level.sop_instance_uid,
        z_mm=float(slice_centres_z_mm(geometry)[level.slice_index or 0]),
        slice_thickness_mm=header.slice_thickness_mm,
        spacing_mm=geometry.spacing_mm,
        averaged_slices=averaged,
        l3_confidence=level.confidence,
        l3_interval_mm=level.interval_mm,
        warnings=tuple(warnings),
    )


def with_height(finding: MuscleFinding, height_m: float | None, remark: str) -> MuscleFinding:
    """The same with the skeletal muscle index, where a height is known."""
    if finding.state is not MuscleState.MEASURED or finding.area_cm2 is None:
        return finding
    if height_m is None:
        return replace(finding, warnings=(*finding.warnings, remark))
    index = round(finding.area_cm2 / height_m**2, 2)
    return replace(finding, height_m=height_m, index_cm2_per_m2=index)
