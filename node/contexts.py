"""What we negotiate: abstract syntaxes (SOP classes) and transfer syntaxes."""

from __future__ import annotations

from typing import Final

from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)
from pynetdicom.presentation import AllStoragePresentationContexts, PresentationContext, build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
    Verification,
)

APPLICATION_CONTEXT: Final = "1.2.840.10008.3.1.1.1"
"""DICOM Application Context Name (PS3.7 A.2.1): the only one there is."""

UNCOMPRESSED: Final[tuple[UID, ...]] = (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
)
COMPRESSED: Final[tuple[UID, ...]] = (
    JPEGLosslessSV1,
    JPEGLossless,
    JPEGLSLossless,
    JPEGLSNearLossless,
    JPEG2000Lossless,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    HTJ2K,
    RLELossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
)
STORAGE_TRANSFER_SYNTAXES: Final[tuple[UID, ...]] = UNCOMPRESSED + COMPRESSED
"""Every transfer syntax is stored as it comes: bit-exact, never re-encoded."""

STORAGE_SOP_CLASSES: Final[tuple[UID, ...]] = tuple(
    sorted(UID(str(context.abstract_syntax)) for context in AllStoragePresentationContexts)
)
"""Every storage SOP class of the standard (PS3.4 B.5), of images or not."""


WORKFLOW_SOP_CLASSES: Final[tuple[UID, ...]] = (
    Verification,
    ModalityPerformedProcedureStep,
    StorageCommitmentPushModel,
)
"""What we provide beside storage (PS3.4 A, F.7 and J.3)."""
WORKFLOW_TRANSFER_SYNTAXES: Final[tuple[UID, ...]] = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)


REPORTING_SOP_CLASSES: Final[tuple[UID, ...]] = (Verification, StorageCommitmentPushModel)
"""What a peer may ask for that may not send, but reports what it commits to."""


def reporting_contexts() -> list[PresentationContext]:
    """What we accept of such a peer."""
    return [build_context(uid, list(WORKFLOW_TRANSFER_SYNTAXES)) for uid in REPORTING_SOP_CLASSES]


def accepted_contexts() -> list[PresentationContext]:
    """What we accept as SCP: the workflow SOP classes; every storage SOP class in every transfer syntax."""
    workflow = [build_context(uid, list(WORKFLOW_TRANSFER_SYNTAXES)) for uid in WORKFLOW_SOP_CLASSES]
    storage = [build_context(uid, list(STORAGE_TRANSFER_SYNTAXES)) for uid in STORAGE_SOP_CLASSES]
    return [*workflow, *storage]
