"""Findings of a volume as a model might give them, for tests of what is written from them."""

from __future__ import annotations

from inference.findings import (
    Axis,
    AxisFinding,
    BodyPartFinding,
    ClassGuess,
    Contrast,
    ContrastFinding,
    Disagreement,
    Findings,
    LevelFinding,
    ModelIdentity,
    Presence,
    Region,
    RegionExtent,
    SliceScore,
)
from inference.series import ReadVolume
from storage.geometry.verdicts import Check, noted, repaired


def findings_of(read: ReadVolume) -> Findings:
    """T12 found in the middle slice, L3 outside; scores rise by slice."""
    geometry = read.volume.geometry
    z_mm = geometry.z_mm
    middle = len(z_mm) // 2
    return Findings(
        axis=AxisFinding(value=Axis.AXIAL, confidence=0.99, from_header=Axis.AXIAL, from_pixels=Axis.AXIAL),
        body_part=BodyPartFinding(
            value="ABDOMEN",
            confidence=0.8,
            regions=(
                RegionExtent(
                    region=Region.ABDOMEN,
                    start_mm=float(z_mm[0]),
                    end_mm=float(z_mm[-1]),
                    first_slice=0,
                    last_slice=len(z_mm) - 1,
                ),
            ),
            classes=(
                ClassGuess(name="Abdomen", probability=0.75),
                ClassGuess(name="Abdomen-pelvis", probability=0.15),
            ),
        ),
        contrast=ContrastFinding(value=Contrast.YES, confidence=0.7, probability=0.85),
        slice_scores=tuple(
            SliceScore(
                sop_instance_uid=s.sop_instance_uid, z_mm=float(z), raw=30.0 + k, score=31.0 + k, sd=1.0 + k
            )
            for k, (s, z) in enumerate(zip(geometry.slices, z_mm, strict=True))
        ),
        t12=LevelFinding(
            presence=Presence.FOUND,
            z_mm=float(z_mm[middle]),
            slice_index=middle,
            sop_instance_uid=geometry.slices[middle].sop_instance_uid,
            confidence=0.6,
            interval_mm=(float(z_mm[0]), float(z_mm[-1])),
            warnings=("13 ribs are likely",),
        ),
        l3=LevelFinding(presence=Presence.NOT_IN_FIELD, confidence=0.0, reason="below the lowest slice"),
        disagreements=(Disagreement(attribute="BodyPartExamined", header="CHEST", pixels="ABDOMEN"),),
        agreements=("ImageOrientationPatient",),
        curve_warnings=("scores run backwards",),
        model=ModelIdentity(name="score", version="1", sha256="ab" * 32),
        checks=(repaired(Check.SPACING, "resampled"), noted(Check.SCALE, "scores run backwards")),
    )
