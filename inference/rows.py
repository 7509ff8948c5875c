"""What the worker found, as rows of the ledger."""

from __future__ import annotations

from inference import report
from inference.bodypart import UNDETERMINED
from inference.findings import Findings
from inference.report import Seconds
from inference.results.identity import volume_digest
from inference.series import ReadVolume, RefusedVolume
from inference.series_class import decided
from storage.records import FindingRow, Series, VolumeRow


def refused_row(volume: RefusedVolume, read_s: float, series: Series) -> VolumeRow:
    """The row of a volume that is not analysed, with its reason."""
    return VolumeRow(
        series_instance_uid=series.series_instance_uid,
        revision=series.revision,
        number=volume.number,
        eligible=False,
        reason=volume.reason,
        slices=volume.slices,
        digest=None,
        report=report.plain(report.refused(volume, Seconds(read=read_s, infer=0.0))),
    )


def volume_row(series: Series, read: ReadVolume, written: report.Report) -> VolumeRow:
    """The row of an analysed volume, with its report."""
    return VolumeRow(
        series_instance_uid=series.series_instance_uid,
        revision=series.revision,
        number=read.volume.number,
        eligible=True,
        reason=None,
        slices=len(read.volume.geometry.slices),
        digest=volume_digest(read.volume),
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
    )
