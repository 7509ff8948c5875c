"""The findings on paper: Encapsulated PDF (PS3.3 A.45.1) of the chart and of everything that is said.

Burned In Annotation (0028,0301) is NO: neither the patient nor a date is in the document (PS3.3 C.24.2).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import highdicom as hd
from highdicom.base import SOPClass
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import EncapsulatedPDFStorage, ExplicitVRLittleEndian

from inference.results.derivation import (
    WORKSTATION,
    coded,
    image_references,
    predecessor_documents,
    replaced_by,
)
from inference.results.document import document
from inference.results.equipment import complete, series_attributes, source_header
from inference.results.flagged import flagged_slices
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs, LeftOut
from inference.results.statements import image_names_of
from storage.kinds import Kind

KIND: Final = Kind.PDF
SERIES_NUMBER: Final = 9907
SERIES_DESCRIPTION: Final = f"{PRODUCT} CT findings as PDF - not for diagnosis"
TITLE: Final = f"CT findings. {NOT_FOR_DIAGNOSIS}"
TITLE_CODE: Final = Code("126000", "DCM", "Imaging Measurement Report")  # CID 7021, as the report's
MEDIA_TYPE: Final = "application/pdf"


class _Document(SOPClass):
    """An encapsulated document in the source's study."""

    def __init__(
        self, source: Dataset, contributing_equipment: Sequence[hd.ContributingEquipment], **series: Any
    ) -> None:
        super().__init__(
            study_instance_uid=source.StudyInstanceUID,
            sop_class_uid=EncapsulatedPDFStorage,
            modality="DOC",
            transfer_syntax_uid=ExplicitVRLittleEndian,
            patient_id=source.PatientID,
            patient_birth_date=source.PatientBirthDate,
            accession_number=source.AccessionNumber,
            study_id=source.StudyID,
            study_date=source.StudyDate,
            study_time=source.StudyTime,
            referring_physician_name=source.get("ReferringPhysicianName"),
            **series,
        )
        self._add_contributing_equipment(contributing_equipment, source)


def build_pdf(inputs: Inputs) -> Dataset | LeftOut:
    """One document; it says so where the volume has no picture.

    Raises:
        InvalidResult: a level names a slice that the volume does not have.
    """
    flagged_slices(inputs)  # raises
    names = image_names_of(inputs.evidence, inputs.volume)
    content = document(inputs.volume, inputs.findings, inputs.provenance, names)
    source = source_header(inputs.evidence[0])
    dataset = _Document(source, **series_attributes(inputs, KIND, SERIES_NUMBER, SERIES_DESCRIPTION))
    complete(dataset, inputs)
    _describe(dataset, inputs, source)
    dataset.MIMETypeOfEncapsulatedDocument = MEDIA_TYPE
    dataset.EncapsulatedDocumentLength = len(content)
    dataset.EncapsulatedDocument = content + b"\0" * (len(content) % 2)  # PS3.5 6.2: OB has an even length
    return dataset


def _describe(dataset: Dataset, inputs: Inputs, source: Dataset) -> None:
    """The Encapsulated Document Module (PS3.3 C.24.2) but for the document itself."""
    # when the data of the document began: the series', where it says so
    dataset.AcquisitionDateTime = source.get("AcquisitionDateTime") or None
    dataset.ConversionType = WORKSTATION
    dataset.BurnedInAnnotation = "NO"
    dataset.VerificationFlag = "UNVERIFIED"
    dataset.DocumentTitle = TITLE
    dataset.ConceptNameCodeSequence = [coded(TITLE_CODE)]
    dataset.SourceInstanceSequence = image_references(inputs)
    replaced = replaced_by(inputs, KIND)
    if replaced:
        dataset.PredecessorDocumentsSequence = predecessor_documents(replaced)
