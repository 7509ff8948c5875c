"""The picture: Secondary Capture Image (PS3.3 A.8.1), one RGB image that any viewer shows.

Burned In Annotation (0028,0301) is NO: the attribute asks for text that identifies the patient and the date
(PS3.3 C.7.6.1), and none of that is drawn. Patient Orientation (0020,0020), type 2C, is empty: two views of
two orientations stand side by side with their sides named, and a viewer's letters would contradict one.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Final

import highdicom as hd
from highdicom.sc import SCImage
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from inference.results.derivation import (
    REPLACES,
    WORKSTATION,
    copy_body_part,
    image_references,
    purposeful,
    reference_to,
    referenced_series,
    replaced_by,
)
from inference.results.equipment import complete, series_attributes, source_header
from inference.results.flagged import flagged_slices
from inference.results.picture import picture
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs, LeftOut
from inference.results.statements import image_names_of
from storage.kinds import Kind

KIND: Final = Kind.SC
SERIES_NUMBER: Final = 9905
SERIES_DESCRIPTION: Final = f"{PRODUCT} CT summary picture - not for diagnosis"
DERIVATION: Final = (
    f"Summary of findings over coronal and sagittal projections of one CT volume. {NOT_FOR_DIAGNOSIS}."
)
NO_PROJECTION: Final = "the volume is one plane without thickness: it has no projections"
"""Why there is no picture."""


def build_sc(inputs: Inputs) -> Dataset | LeftOut:
    """One picture; LeftOut where the volume has no thickness.

    Raises:
        InvalidResult: a level names a slice that the volume does not have.
    """
    flagged_slices(inputs)  # raises
    names = image_names_of(inputs.evidence, inputs.volume)
    pixels = picture(inputs.volume, inputs.findings, inputs.provenance, names)
    if pixels is None:
        return LeftOut(kind=KIND, reason=NO_PROJECTION)
    dataset = SCImage.from_ref_dataset(
        ref_dataset=_study_header(inputs),
        pixel_array=pixels,
        photometric_interpretation=hd.PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=hd.CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "F"),  # of the coronal view; emptied below
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **series_attributes(inputs, KIND, SERIES_NUMBER, SERIES_DESCRIPTION),
    )
    complete(dataset, inputs)
    _finish(dataset, inputs)
    return dataset


def _study_header(inputs: Inputs) -> Dataset:
    """Without the physician's name: highdicom quotes one that it dislikes in a warning."""
    header = source_header(inputs.evidence[0])
    header.ReferringPhysicianName = None
    return header


def _finish(dataset: Dataset, inputs: Inputs) -> None:
    """Write what highdicom does not, or not so."""
    replaced = replaced_by(inputs, KIND)
    dataset.ReferringPhysicianName = deepcopy(inputs.evidence[0].get("ReferringPhysicianName"))
    dataset.PatientOrientation = None
    dataset.ConversionType = WORKSTATION
    dataset.BurnedInAnnotation = "NO"
    dataset.DateOfSecondaryCapture = dataset.InstanceCreationDate
    dataset.TimeOfSecondaryCapture = dataset.InstanceCreationTime
    dataset.DerivationDescription = " ".join([DERIVATION, *([REPLACES] if replaced else [])])
    dataset.SourceImageSequence = purposeful(image_references(inputs))
    if replaced:
        dataset.ReferencedImageSequence = [reference_to(each) for each in replaced]
    dataset.ReferencedSeriesSequence = referenced_series(inputs, replaced)
    copy_body_part(dataset, inputs)
