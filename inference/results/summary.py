"""The report in a few sentences, for who reads no further."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from inference.bodypart import UNDETERMINED
from inference.findings import Contrast, LevelFinding, Presence
from inference.results.content import probability_text
from inference.results.flagged import flagged_slices, levels_of
from inference.results.records import Inputs

CONTRASTS: Final = {
    Contrast.YES: "Intravenous contrast medium is seen",
    Contrast.NO: "No intravenous contrast medium is seen",
    Contrast.UNDETERMINED: "Intravenous contrast medium: undetermined",
}


def summary(inputs: Inputs) -> str:
    """Body part, plane, contrast, levels and what the header says otherwise; each with its probability."""
    return " ".join(f"{sentence}." for sentence in _sentences(inputs))


def _sentences(inputs: Inputs) -> Iterator[str]:
    findings = inputs.findings
    part, contrast = findings.body_part, findings.contrast
    known = part.value != UNDETERMINED
    yield f"Body part: {part.value.lower()}" + (_sure(part.confidence) if known else "")
    yield f"Slices: {findings.axis.value}" + _sure(findings.axis.confidence)
    told = contrast.value is not Contrast.UNDETERMINED
    yield CONTRASTS[contrast.value] + (_sure(contrast.confidence) if told else "")
    where = {each.name: each.where for each in flagged_slices(inputs)}
    for name, level in levels_of(inputs).items():
        yield f"{name}: {where.get(name) or _without_slice(level)}" + (
            _sure(level.confidence) if level.presence is Presence.FOUND else ""
        )
    for each in findings.disagreements:
        yield f"The header disagrees: {each.attribute} is {each.header}, the pixels say {each.pixels}"


def _without_slice(level: LevelFinding) -> str:
    found = level.presence is Presence.FOUND and level.z_mm is not None
    return f"at z {level.z_mm:z.1f} mm" if found else str(level.presence)


def _sure(confidence: float) -> str:
    return f" (probability {probability_text(confidence)})"
