"""What the worker found, as rows of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from inference import report
from inference.bodypart import UNDETERMINED
from inference.findings import Findings
from inference.lineage import Candidate, Descent
from inference.report import Seconds
from inference.series import ReadVolume, RefusedVolume
from inference.series_class import decided
from storage.geometry.gate import SeriesVerdict
from storage.records import FindingRow, Series, VolumeRow
from storage.revisions import Former

AGREES: Final = "agrees"
DISAGREES: Final = "disagrees"
"""Values of the rows of header attributes."""


def carried_row(former: Former, part: Candidate, series: Series, judged: SeriesVerdict) -> VolumeRow:
    """The row of a volume that did not change: what was said of it holds, under the number it has now."""
    row = former.volume
    gate = row.report.get("gate")
    changed: dict[str, object] = {"volume": part.number}
    if isinstance(gate, dict) and len(judged.parts) > 1:
        changed["gate"] = gate | {"series_verdict": judged.verdict.value}
    return replace(
        row,
        revision=series.revision,
        number=part.number,
        carried_from=row.revision if row.carried_from is None else row.carried_from,
        lineage=former.lineage,
        report=row.report | changed,
    )


def refused_row(volume: RefusedVolume, part: Candidate, read_s: float, series: Series) -> VolumeRow:
    """The row of a volume that is not analysed, with its reason."""
    return VolumeRow(
        series_instance_uid=series.series_instance_uid,
        revision=series.revision,
        number=volume.number,
        eligible=False,
        reason=volume.reason,
        slices=volume.slices,
        digest=None,
        frames=part.frames,
        report=report.plain(report.refused(volume, Seconds(read=read_s, infer=0.0))),
    )


def volume_row(series: Series, read: ReadVolume, descent: Descent, written: report.Report) -> VolumeRow:
    """The row of an analysed volume, with its report."""
    return VolumeRow(
        series_instance_uid=series.series_instance_uid,
        revision=series.revision,
        number=read.volume.number,
        eligible=True,
        reason=None,
        slices=len(read.volume.geometry.slices),
        digest=descent.part.digest,
        lineage=descent.lineage,
        frames=descent.part.frames,
        report=report.plain(written),
    )


def finding_rows(findings: Findings) -> tuple[FindingRow, ...]:
    """One row per finding, for queries."""
    axis, body_part, contrast = findings.axis, findings.body_part, findings.contrast
    guess = decided(body_part.classes)
    return (
        FindingRow(name="axis", value=axis.value, confidence=axis.confidence),
        FindingRow(name="body_part", value=body_part.value, confidence=body_part.confidence),
        FindingRow(
            name="series_class",
            value=UNDETERMINED if guess is None else guess.name,
            confidence=0.0 if guess is None else guess.probability,
        ),
        FindingRow(name="contrast", value=contrast.value, confidence=contrast.confidence),
        FindingRow(name="T12", value=findings.t12.presence, confidence=findings.t12.confidence),
        FindingRow(name="L3", value=findings.l3.presence, confidence=findings.l3.confidence),
        *_header_rows(findings),
    )


def _header_rows(findings: Findings) -> Iterator[FindingRow]:
    """One for each attribute that was held against the pixels, under its keyword: of which to take shares.

    The confidence is that of the finding it was compared with.
    """
    sure = {
        "BodyPartExamined": findings.body_part.confidence,
        "ContrastBolusAgent": findings.contrast.confidence,
    }
    told = {each.attribute: DISAGREES for each in findings.disagreements}
    for attribute, value in (told | dict.fromkeys(findings.agreements, AGREES)).items():
        confidence = sure.get(attribute, findings.axis.confidence)
        yield FindingRow(name=attribute, value=value, confidence=confidence)
