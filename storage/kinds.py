"""The kinds of result objects that the node writes."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from pydicom.uid import (
    UID,
    Comprehensive3DSRStorage,
    EncapsulatedPDFStorage,
    GrayscaleSoftcopyPresentationStateStorage,
    KeyObjectSelectionDocumentStorage,
    SecondaryCaptureImageStorage,
    SegmentationStorage,
)


class Kind(StrEnum):
    """What a result object is; the value stands in the ledger, in lower case in the configuration."""

    SR = "SR"  # the report: every finding and measurement (TID 1500)
    SEG = "SEG"  # regions and level slices as binary segments
    LABELMAP = "LABELMAP"  # the same regions as a label map, for destinations that ask for it
    KO = "KO"  # key object selection: the slices of T12 and L3
    SC = "SC"  # secondary capture: a picture that a person reads
    GSPS = "GSPS"  # presentation state: the levels' names on their slices
    PDF = "PDF"  # the picture and the findings as an encapsulated PDF


SOP_CLASSES: Final[dict[Kind, UID]] = {
    Kind.SR: Comprehensive3DSRStorage,
    Kind.SEG: SegmentationStorage,
    Kind.LABELMAP: UID("1.2.840.10008.5.1.4.1.1.66.7"),  # Label Map Segmentation Storage: not in pydicom yet
    Kind.KO: KeyObjectSelectionDocumentStorage,
    Kind.SC: SecondaryCaptureImageStorage,
    Kind.GSPS: GrayscaleSoftcopyPresentationStateStorage,
    Kind.PDF: EncapsulatedPDFStorage,
}
"""Kind -> SOP Class UID (PS3.4 B.5)."""

DEFAULT_KINDS: Final = (Kind.SR, Kind.SEG)
"""What a destination gets that asks for nothing else."""
