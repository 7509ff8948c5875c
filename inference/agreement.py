"""Where the header and the pixels cannot both be right, and where they are of one mind. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final

from inference import axis
from inference.bodypart import UNDETERMINED
from inference.contrast_header import NONE_NAMED, tells_intravenous
from inference.findings import Axis, Contrast, Disagreement, Findings, Region
from inference.quality import SCALE_DOUBTS
from inference.symmetry import IN_FRONT_SAID, TURNED_SAID
from storage.geometry.verdicts import Check
from storage.header import Header

CONTRAST_SEEN: Final = "contrast medium is seen"
NO_CONTRAST_SEEN: Final = "no contrast medium is seen"
REVERSED: Final = "head and feet exchanged"
IN_FRONT: Final = "front and back exchanged"
"""What the pixels say; in few words, for they are counted."""

REVERSED_SAID: Final = SCALE_DOUBTS[0]
AXIAL_IMAGE: Final = "AXIAL"
PLANES: Final = frozenset({Axis.AXIAL, Axis.CORONAL, Axis.SAGITTAL})

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
    "ABDPELVIS": _ABDOMEN | _PELVIS,
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
    "CHESTABD": _CHEST | _ABDOMEN,
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


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One attribute of the header against the pixels."""

    attribute: str  # DICOM keyword
    header: str  # what the header says
    pixels: str  # what the pixels say
    agrees: bool


def named_regions(body_part_examined: str | None) -> frozenset[Region]:
    """The regions that the header's term means; none where it is blank or vague."""
    letters = re.sub(r"[^A-Z]", "", (body_part_examined or "").upper())
    return TERM_REGIONS.get(letters, frozenset())


def comparisons(header: Header, findings: Findings) -> tuple[Comparison, ...]:
    """Header values that the pixels bear out or contradict, at most one for each attribute.

    An attribute that is blank or vague, and one of which the pixels do not tell, is not compared. Whether
    left and right are exchanged is never told: a mirrored body looks like a body.

    Args:
        header: of any slice of the volume.
        findings: of the volume, with its checks.
    """
    told = (
        _body_part(header, findings),
        _contrast(header, findings),
        _turned(findings),
        _plane(findings),
        _image_type(header, findings),
        _lying(header, findings),
    )
    found: dict[str, Comparison] = {}
    for compared in told:
        if compared is not None:
            found.setdefault(compared.attribute, compared)
    return tuple(found.values())


def told_apart(findings: Findings, header: Header) -> Findings:
    """The findings with what they contradict in the header, and what they bear out."""
    compared = comparisons(header, findings)
    return replace(
        findings,
        disagreements=tuple(
            Disagreement(attribute=c.attribute, header=c.header, pixels=c.pixels)
            for c in compared
            if not c.agrees
        ),
        agreements=tuple(c.attribute for c in compared if c.agrees),
    )


def _body_part(header: Header, findings: Findings) -> Comparison | None:
    """A term contradicts where none of its regions has a slice in the volume."""
    part, term = findings.body_part, header.body_part_examined
    named = named_regions(term)
    if not named or part.value == UNDETERMINED:
        return None
    seen = {extent.region for extent in part.regions}
    return Comparison(
        attribute="BodyPartExamined", header=term or "", pixels=part.value, agrees=bool(named & seen)
    )


def _contrast(header: Header, findings: Findings) -> Comparison | None:
    said = tells_intravenous(header.contrast_bolus_agent, header.contrast_bolus_route)
    seen = findings.contrast.value
    if said is None or seen is Contrast.UNDETERMINED:
        return None
    return Comparison(
        attribute="ContrastBolusAgent",
        header=header.contrast_bolus_agent or NONE_NAMED,
        pixels=CONTRAST_SEEN if seen is Contrast.YES else NO_CONTRAST_SEEN,
        agrees=said is (seen is Contrast.YES),
    )


def _turned(findings: Findings) -> Comparison | None:
    if not _noted(findings, Check.SYMMETRY, TURNED_SAID):
        return None
    said = findings.axis.from_header
    return Comparison(
        attribute="ImageOrientationPatient", header=said, pixels=f"{said}, a quarter turn off", agrees=False
    )


def _plane(findings: Findings) -> Comparison | None:
    """Where the pixels do not tell the plane, or an oblique one, nothing is compared."""
    found = findings.axis
    pixels = found.from_header if axis.borne_out(found) else axis.told_by_pixels(found)
    if pixels is Axis.UNDETERMINED:
        return None
    return Comparison(
        attribute="ImageOrientationPatient",
        header=found.from_header,
        pixels=pixels,
        agrees=pixels is found.from_header,
    )


def _image_type(header: Header, findings: Findings) -> Comparison | None:
    """Value 3 of an axial image is AXIAL (PS3.3 C.8.2.1.1.1); reformats often keep that of their source."""
    seen = findings.axis.from_pixels
    if AXIAL_IMAGE not in header.image_type[2:3] or seen not in PLANES:
        return None
    return Comparison(attribute="ImageType", header=AXIAL_IMAGE, pixels=seen, agrees=seen is Axis.AXIAL)


def _lying(header: Header, findings: Findings) -> Comparison | None:
    """A patient who lay otherwise than was recorded has anatomy that contradicts the patient's axes.

    Wrong positions or orientations alone would look the same: the attribute that a person enters is named,
    Patient Position (0018,5100), and where it is blank the one that is contradicted. That a body lies as
    recorded is not said: only its worst contradictions are seen.
    """
    reversed_ = _noted(findings, Check.SCALE, REVERSED_SAID)
    in_front = _noted(findings, Check.SYMMETRY, IN_FRONT_SAID)
    if not (reversed_ or in_front):
        return None
    seen = [said for said, found in ((REVERSED, reversed_), (IN_FRONT, in_front)) if found]
    return Comparison(
        attribute="PatientPosition"
        if header.patient_position
        else ("ImagePositionPatient" if reversed_ else "ImageOrientationPatient"),
        header=header.patient_position or "z rises to the head, y to the back",
        pixels=", ".join(seen),
        agrees=False,
    )


def _noted(findings: Findings, check: Check, beginning: str) -> bool:
    return any(c.check is check and c.detail.startswith(beginning) for c in findings.checks)
