"""What is said of a volume, in words: shared by the picture and the PDF. No patient data is in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom.datadict import dictionary_description, tag_for_keyword
from pydicom.dataset import Dataset

from inference.findings import Axis, Contrast, Disagreement, Findings, LevelFinding, Presence
from inference.quality import SCALE_DOUBTS
from inference.results.content import is_multiframe_image
from inference.results.records import PRODUCT, Provenance
from inference.series_class import decided
from inference.volume import Geometry, Volume
from storage.geometry.verdicts import Check

UNDETERMINED: Final = "undetermined"

UNREVIEWED: Final = "Written by an algorithm from the pixels of one CT series; not reviewed by a person."

NO_CONTRADICTION: Final = "No contradiction was found."

SIDES_TOLD: Final = frozenset({"ImageOrientationPatient", "PatientPosition"})
"""Attributes of which a contradiction is one of directions."""

SIDES_DOUBTED: Final = frozenset({Check.SYMMETRY, Check.PLANE})
"""Checks by which the body contradicts the directions in the header."""

REVERSED: Final = SCALE_DOUBTS[0]
"""How a curve's warning begins that falls towards the head."""

SHOWN_OF_DIGEST: Final = 12

CERTAIN: Final = 0.995
"""Shown as ">99 %": nothing here is certain."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One finding."""

    name: str  # what is told of
    value: str  # in one or two words
    confidence: str  # "91 %", or '' where there is none
    remark: str = ""  # the place, the reason, the next best


@dataclass(frozen=True, kw_only=True)
class Statements:
    """Everything that is said."""

    title: str
    subtitle: str  # slices and spacing
    findings: tuple[Statement, ...]  # as a radiologist reads them
    contradictions: tuple[str, ...]  # what the header says, what the pixels say
    agreement: str  # what the pixels bear out of the header, or that nothing contradicts it
    doubts: tuple[str, ...]  # what to know before trusting the rest
    origin: tuple[str, ...]  # software, model, revision


def statements_of(
    volume: Volume, findings: Findings, provenance: Provenance, image_names: Sequence[str] = ()
) -> Statements:
    """Put the findings in words.

    Args:
        volume: that the findings are of.
        findings: of the volume.
        provenance: of the results.
        image_names: of each slice, in slice order (`image_names_of`); empty where they are not known.
    """
    return Statements(
        title=f"CT findings: {_title(findings.body_part.value)}",
        subtitle=_extent(volume.geometry, volume.number),
        findings=tuple(_findings(volume, findings, image_names)),
        contradictions=tuple(_contradiction(each) for each in findings.disagreements),
        agreement=_agreement(findings),
        doubts=tuple(dict.fromkeys(readable(each) for each in _doubts(findings))),
        origin=_origin(findings, provenance),
    )


def image_names_of(evidence: Sequence[Dataset], volume: Volume) -> tuple[str, ...]:
    """What a reader who scrolls calls each slice: by Instance Number (0020,0013), or by Frame Number."""
    images = {str(image.SOPInstanceUID): image for image in evidence}
    slices = enumerate(volume.geometry.slices, start=1)
    return tuple(_image_name(images[s.sop_instance_uid], s.frame, n) for n, s in slices)


def place_of(level: LevelFinding, image_names: Sequence[str]) -> str:
    """The image of a level, as a reader who scrolls finds it; else its height."""
    index = level.slice_index
    if index is None:
        return "" if level.z_mm is None else f"z {level.z_mm:z.0f} mm"
    return image_names[index] if index < len(image_names) else f"slice {index + 1}"


def percent(probability: float) -> str:
    """A probability for a reader; never 100 %."""
    if probability >= CERTAIN:
        return ">99 %"
    return "<1 %" if 0 < probability < 1 - CERTAIN else f"{100 * probability:.0f} %"


def readable(text: str) -> str:
    """What the fonts hold: other characters of a header are escaped."""
    plain = text.encode("ascii", "backslashreplace").decode("ascii")
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in plain)


def sides_doubted(findings: Findings) -> bool:
    """Whether left and right, or head and feet, are as the header says and the body contradicts it."""
    contradicted = any(each.attribute in SIDES_TOLD for each in findings.disagreements)
    reversed_ = any(each.startswith(REVERSED) for each in findings.curve_warnings)
    return contradicted or reversed_ or any(each.check in SIDES_DOUBTED for each in findings.checks)


def _title(body_part: str) -> str:
    known = body_part != UNDETERMINED
    return readable(body_part.lower()) if known else "body part undetermined"


def _image_name(image: Dataset, frame: int, place: int) -> str:
    if is_multiframe_image(image):
        return f"frame {frame}"
    number = image.get("InstanceNumber")
    return f"slice {place}" if number is None else f"image {int(number)}"


def _extent(geometry: Geometry, number: int) -> str:
    apart = f"{geometry.spacing_mm:.3g} mm apart" + ("" if geometry.regular else " on average")
    return f"volume {number} of the series: {len(geometry.slices)} slices, {apart}"


def _findings(volume: Volume, findings: Findings, image_names: Sequence[str]) -> Iterator[Statement]:
    part, plane, contrast = findings.body_part, findings.axis, findings.contrast
    yield _statement("Body part", part.value, part.confidence, known=part.value != UNDETERMINED)
    yield _series_class(findings)
    pixels = "do not tell" if plane.from_pixels is Axis.UNDETERMINED else f"say {plane.from_pixels}"
    yield _statement(
        "Axis",
        plane.value,
        plane.confidence,
        known=plane.value is not Axis.UNDETERMINED,
        remark=f"the header says {plane.from_header}, the pixels {pixels}",
    )
    yield _statement(
        "IV contrast",
        contrast.value,
        contrast.confidence,
        known=contrast.value is not Contrast.UNDETERMINED,
        remark=readable(contrast.reason),
    )
    for name, level in (("T12", findings.t12), ("L3", findings.l3)):
        yield _level(name, level, len(volume.geometry.slices), image_names)


def _statement(name: str, value: str, confidence: float, *, known: bool, remark: str = "") -> Statement:
    """A value without confidence where it is not known: how sure one is of not knowing misleads."""
    return Statement(
        name=name,
        value=readable(value) if known else UNDETERMINED,
        confidence=percent(confidence) if known else "",
        remark=remark,
    )


def _series_class(findings: Findings) -> Statement:
    classes = findings.body_part.classes
    best = decided(classes)
    if best is None:
        likely = ", ".join(f"{readable(c.name)} {percent(c.probability)}" for c in classes[:2])
        remark = f"likeliest: {likely}" if likely else ""
        return Statement(name="Series class", value=UNDETERMINED, confidence="", remark=remark)
    others = [c for c in classes if c is not best]
    remark = f"next: {readable(others[0].name)} {percent(others[0].probability)}" if others else ""
    return Statement(
        name="Series class", value=readable(best.name), confidence=percent(best.probability), remark=remark
    )


def _level(name: str, level: LevelFinding, slices: int, image_names: Sequence[str]) -> Statement:
    if level.presence is not Presence.FOUND:
        return Statement(name=name, value=level.presence, confidence="", remark=readable(level.reason))
    place = place_of(level, image_names)
    return Statement(
        name=name,
        value=place or "found",
        confidence=percent(level.confidence),
        remark="; ".join(_where(level, slices, named=not place.startswith("slice"))),
    )


def _where(level: LevelFinding, slices: int, *, named: bool) -> Iterator[str]:
    if level.slice_index is not None and named:
        yield f"slice {level.slice_index + 1} of {slices} by position"
    if level.interval_mm is not None:
        low, high = level.interval_mm
        yield f"{percent(level.confidence)} for z {low:z.0f} to {high:z.0f} mm"
    if level.reason:
        yield readable(level.reason)


def _contradiction(found: Disagreement) -> str:
    said, seen = readable(found.header), readable(found.pixels)
    return f"{_attribute(found.attribute)}: the header says {said}, the pixels say {seen}"


def _agreement(findings: Findings) -> str:
    borne_out = ", ".join(_attribute(keyword) for keyword in findings.agreements)
    if borne_out:
        return f"Borne out by the pixels: {borne_out}"
    return "" if findings.disagreements else NO_CONTRADICTION


def _attribute(keyword: str) -> str:
    """The name that the standard gives it."""
    return str(dictionary_description(keyword)) if tag_for_keyword(keyword) is not None else readable(keyword)


def _doubts(findings: Findings) -> Iterator[str]:
    for name, level in (("T12", findings.t12), ("L3", findings.l3)):
        yield from (f"{name}: {warning}" for warning in level.warnings)
    yield from findings.curve_warnings
    told = set(findings.curve_warnings)
    yield from (
        f"{each.check}, {each.outcome}: {each.detail}" for each in findings.checks if each.detail not in told
    )


def _origin(findings: Findings, provenance: Provenance) -> tuple[str, ...]:
    model = findings.model
    digest = model.sha256[:SHOWN_OF_DIGEST]
    return (
        f"{PRODUCT} {readable(provenance.software_version)}",
        f"model {readable(model.name)} {readable(model.version)}, weights SHA-256 {digest}",
        f"revision {provenance.revision}",
    )
