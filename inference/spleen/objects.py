"""The spleen as DICOM: a SEG (PS3.3 A.51), and a report with its volume (PS3.16 TID 1500, TID 1411)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import highdicom as hd
import numpy as np
from highdicom import sr
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from inference.results import codes as shared
from inference.results.content import comment
from inference.results.equipment import complete, series_attributes, source_header
from inference.results.grid import Grid, placed
from inference.results.identity import dimension_organization_uid, tracking_uid
from inference.results.observer import device_observer
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs
from inference.results.segment_description import segment_description
from inference.results.source import source_images
from inference.spleen import codes
from inference.spleen.finding import CUT_OFF, EXPERIMENTAL, SpleenFinding

OUTPUT: Final = "spleen"
"""Tracking identifier of the segment and of its measurements."""

SEG_NAME, SR_NAME = "spleen-seg", "spleen-sr"
"""Of the files, and in the UIDs."""

SEG_SERIES_NUMBER: Final = 9921
SR_SERIES_NUMBER: Final = 9922
SERIES_DESCRIPTION: Final = f"{PRODUCT} spleen, experimental - not for diagnosis"
CONTENT_DESCRIPTION: Final = f"Spleen, EXPERIMENTAL. {NOT_FOR_DIAGNOSIS}"
CONTENT_LABEL: Final = "CTNODE_SPLEEN"
STATEMENT: Final = f"{NOT_FOR_DIAGNOSIS}. {EXPERIMENTAL}. Not reviewed by a person."
SEGMENT: Final = 1


@dataclass(frozen=True, kw_only=True)
class SpleenObjects:
    """Both objects of one volume."""

    seg: Dataset
    report: Dataset  # refers to `seg`


def spleen_objects(inputs: Inputs, finding: SpleenFinding) -> SpleenObjects:
    """Both objects; the same arguments give the same bytes.

    Args:
        inputs: whose findings name the spleen network as their model.
        finding: of the volume of inputs.
    """
    seg = _segmentation(inputs, finding)
    return SpleenObjects(seg=seg, report=_report(inputs, finding, seg))


def obstacle(inputs: Inputs) -> str | None:
    """Why a volume has no such objects; None where it may have them."""
    geometry = inputs.volume.geometry
    if not geometry.frame_of_reference_uid:
        return "Frame of Reference UID (0020,0052) is absent: a segmentation has no place in the patient"
    several = [image for image in inputs.evidence if int(image.get("NumberOfFrames") or 1) > 1]
    if several and len(inputs.evidence) > 1:
        return f"the volume lies in {len(several)} multi-frame instances: its SEG is not built yet"
    return None


def _segmentation(inputs: Inputs, finding: SpleenFinding) -> Dataset:
    geometry = inputs.volume.geometry
    whole = Grid(factor=1, rows=slice(0, geometry.rows), columns=slice(0, geometry.columns))
    dataset = hd.seg.Segmentation(
        source_images=source_images(inputs),
        pixel_array=finding.mask.astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(inputs)],
        content_description=CONTENT_DESCRIPTION,
        content_label=CONTENT_LABEL,
        omit_empty_frames=True,
        **placed(inputs, whole),
        **series_attributes(inputs, SEG_NAME, SEG_SERIES_NUMBER, SERIES_DESCRIPTION),
    )
    complete(dataset, inputs)
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = dimension_organization_uid(inputs, SEG_NAME)
    return dataset


def _segment(inputs: Inputs) -> hd.seg.SegmentDescription:
    return segment_description(
        inputs,
        SEGMENT,
        output=OUTPUT,
        label="Spleen (experimental)",
        category=shared.ANATOMICAL_STRUCTURE,
        type=codes.SPLEEN,
    )


def _report(inputs: Inputs, finding: SpleenFinding, seg: Dataset) -> Dataset:
    report = sr.MeasurementReport(
        observation_context=sr.ObservationContext(observer_device_context=device_observer(inputs)),
        procedure_reported=shared.CT_PROCEDURE,
        imaging_measurements=[_group(inputs, finding, seg)],
    )
    children = report[0].ContentSequence
    for text in (STATEMENT, *([CUT_OFF] if finding.cut_off else [])):
        children.insert(len(children) - 1, comment(text))
    dataset = sr.Comprehensive3DSR(
        evidence=[*(source_header(image) for image in inputs.evidence), seg],
        content=report[0],
        is_complete=True,
        is_final=False,
        is_verified=False,
        **series_attributes(inputs, SR_NAME, SR_SERIES_NUMBER, SERIES_DESCRIPTION),
    )
    complete(dataset, inputs)
    return dataset


def _group(
    inputs: Inputs, finding: SpleenFinding, seg: Dataset
) -> sr.VolumetricROIMeasurementsAndQualitativeEvaluations:
    """TID 1411: what is measured of the segment."""
    model = inputs.findings.model
    return sr.VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=sr.TrackingIdentifier(uid=tracking_uid(inputs.volume, OUTPUT), identifier=OUTPUT),
        referenced_segment=sr.ReferencedSegment(
            sop_class_uid=seg.SOPClassUID,
            sop_instance_uid=seg.SOPInstanceUID,
            segment_number=SEGMENT,
            source_series=sr.SourceSeriesForSegmentation(str(inputs.evidence[0].SeriesInstanceUID)),
        ),
        algorithm_id=sr.AlgorithmIdentification(
            name=model.name,
            version=model.version,
            parameters=[f"weights SHA-256: {model.sha256}", *inputs.provenance.algorithm_parameters],
            family=shared.ARTIFICIAL_INTELLIGENCE,
            manufacturer=PRODUCT,
        ),
        finding_type=codes.SPLEEN,
        finding_sites=[sr.FindingSite(codes.SPLEEN)],
        measurements=[
            _number(codes.VOLUME, finding.volume_mm3, codes.CUBIC_MM),
            _number(codes.ATTENUATION, finding.mean_hu, codes.HOUNSFIELD_UNIT, derivation=codes.MEAN),
        ],
    )


def _number(name: Code, value: float, unit: Code, derivation: Code | None = None) -> sr.Measurement:
    """A NUM to one decimal; the decimal string is exact, so no Floating Point Value (PS3.3 C.18.1)."""
    item = sr.Measurement(name=name, value=round(value, 1), unit=unit, derivation=derivation)
    del item[0].MeasuredValueSequence[0].FloatingPointValue
    return item
