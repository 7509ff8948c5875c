"""Where the header and the pixels cannot both be right."""

from __future__ import annotations

import re
from typing import Final

from inference.bodypart import UNDETERMINED
from inference.findings import Axis, BodyPartFinding, Disagreement, Region

_PELVIS, _ABDOMEN, _CHEST = frozenset({Region.PELVIS}), frozenset({Region.ABDOMEN}), frozenset({Region.CHEST})
_NECK, _HEAD, _LEGS = frozenset({Region.NECK}), frozenset({Region.HEAD}), frozenset({Region.LEGS})

TERM_REGIONS: Final[dict[str, frozenset[Region]]] = {
    "ABDOMEN": _ABDOMEN,
    "ABD": _ABDOMEN,
    "LIVER": _ABDOMEN,
    "PANCREAS": _ABDOMEN,
    "KIDNEY": _ABDOMEN,
    "SPLEEN": _ABDOMEN,
    "STOMACH": _ABDOMEN,
    "ADRENAL": _ABDOMEN,
    "GALLBLADDER": _ABDOMEN,
    "COLON": _ABDOMEN | _PELVIS,
    "ABDOMENPELVIS": _ABDOMEN | _PELVIS,
    "LSPINE": _ABDOMEN | _PELVIS,
    "TLSPINE": _CHEST | _ABDOMEN,
    "TSPINE": _CHEST,
    "CTSPINE": _NECK | _CHEST,
    "CSPINE": _NECK,
    "SSPINE": _PELVIS,
    "SACRUM": _PELVIS,
    "LSSPINE": _ABDOMEN | _PELVIS,
    "PELVIS": _PELVIS,
    "PROSTATE": _PELVIS,
    "BLADDER": _PELVIS,
    "UTERUS": _PELVIS,
    "OVARY": _PELVIS,
    "RECTUM": _PELVIS,
    "HIP": _PELVIS | _LEGS,
    "LEG": _LEGS,
    "THIGH": _LEGS,
    "KNEE": _LEGS,
    "ANKLE": _LEGS,
    "FOOT": _LEGS,
    "CHEST": _CHEST,
    "THORAX": _CHEST,
    "LUNG": _CHEST,
    "HEART": _CHEST,
    "BREAST": _CHEST,
    "MEDIASTINUM": _CHEST,
    "ESOPHAGUS": _CHEST | _NECK,
    "CHESTABDOMEN": _CHEST | _ABDOMEN,
    "CHESTABDPELVIS": _CHEST | _ABDOMEN | _PELVIS,
    "CHABDPELV": _CHEST | _ABDOMEN | _PELVIS,
    "CAP": _CHEST | _ABDOMEN | _PELVIS,
    "NECK": _NECK,
    "THYROID": _NECK,
    "LARYNX": _NECK,
    "NECKCHEST": _NECK | _CHEST,
    "NECKCHESTABDOMEN": _NECK | _CHEST | _ABDOMEN,
    "NECKCHESTABDPELV": _NECK | _CHEST | _ABDOMEN | _PELVIS,
    "HEADNECK": _HEAD | _NECK,
    "HEAD": _HEAD,
    "BRAIN": _HEAD,
    "SKULL": _HEAD,
    "ORBIT": _HEAD,
    "SINUS": _HEAD,
    "FACE": _HEAD,
    "JAW": _HEAD | _NECK,
    "IAC": _HEAD,
}
"""Body Part Examined (0018,0015), letters alone, to the regions that it names (PS3.16 Annex L and custom).

A term that is not here (EXTREMITY, WHOLEBODY, free text) is vague and contradicts nothing."""


def named_regions(body_part_examined: str | None) -> frozenset[Region]:
    """The regions that the header's term means; none where it is blank or vague."""
    letters = re.sub(r"[^A-Z]", "", (body_part_examined or "").upper())
    return TERM_REGIONS.get(letters, frozenset())


def disagreements(
    body_part_examined: str | None,
    body_part: BodyPartFinding,
    axis_header: Axis,
    axis_pixels: Axis,
) -> tuple[Disagreement, ...]:
    """Header values that the pixels contradict.

    Args:
        body_part_examined: (0018,0015), as it stands.
        body_part: as found.
        axis_header: by Image Orientation (Patient).
        axis_pixels: as found; UNDETERMINED contradicts nothing.

    Returns:
        One for each attribute. A term contradicts when none of its regions has a slice in the volume.
    """
    found = []
    named = named_regions(body_part_examined)
    seen = {extent.region for extent in body_part.regions}
    if named and body_part.value != UNDETERMINED and not named & seen:
        header = body_part_examined or ""
        found.append(Disagreement(attribute="BodyPartExamined", header=header, pixels=body_part.value))
    if axis_pixels not in (axis_header, Axis.UNDETERMINED):
        found.append(
            Disagreement(attribute="ImageOrientationPatient", header=axis_header, pixels=axis_pixels)
        )
    return tuple(found)
