"""Edges of multi-frame objects: Enhanced, Legacy Converted Enhanced, and multi-frame without places."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.uid import (
    EnhancedCTImageStorage,
    LegacyConvertedEnhancedCTImageStorage,
    MultiFrameGrayscaleWordSecondaryCaptureImageStorage,
)

from tests.edges.phantom import truth_of
from tests.edges.stacks import COUNT, PHASE_HU, Files, stack, uid

PER_IMAGE = (
    "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness", "SliceLocation",
    "RescaleSlope", "RescaleIntercept", "RescaleType", "KVP", "ConvolutionKernel", "AcquisitionNumber",
    "InstanceNumber",
)  # fmt: skip
"""Attributes of a classic image that functional groups hold instead."""

Change = Callable[[int, Dataset], None]


def enhanced() -> Files:
    """One Enhanced CT image of twelve frames, in order.

    Documented: dicom2nifti is_multiframe_dicom; dcm2niix Troubleshooting (enhanced DICOM).
    """
    slices = stack()
    return Files(slices=(_enhanced(slices),), truths=(truth_of(slices),))


def enhanced_frames_shuffled() -> Files:
    """The frames' order has nothing to do with their positions.

    Documented: Horos #543; dcm2niix VERSIONS.md 7-Feb-2017 (not stored in a spatially contiguous order).
    """
    slices = stack()
    return Files(
        slices=(_enhanced([slices[5 * n % COUNT] for n in range(COUNT)]),), truths=(truth_of(slices),)
    )


def enhanced_two_phases() -> Files:
    """Two temporal positions of twelve frames each in one Enhanced CT image.

    Documented: dicom2nifti multiframe_get_stack_count; dcm2niix Troubleshooting (enhanced DICOM).
    """
    one, two = stack(name="a"), stack(name="b", added_hu=PHASE_HU)

    def phase(n: int, groups: Dataset) -> None:
        groups.FrameContentSequence[0].TemporalPositionIndex = 1 + n // COUNT

    truths = (truth_of(one), truth_of(two, added_hu=PHASE_HU))
    return Files(slices=(_enhanced([*one, *two], change=phase),), truths=truths)


def enhanced_slope_by_frame() -> Files:
    """Each frame has a Rescale Intercept of its own in the Pixel Value Transformation Sequence.

    Documented: dcm2niix "varying echo time or intensity scaling"; dicom2nifti apply_scaling.
    """
    slices = stack()
    for n, ds in enumerate(slices):
        stored = np.frombuffer(ds.PixelData, "<u2").astype(int) + 20 * n
        ds.PixelData = stored.astype("<u2").tobytes()
        ds.RescaleIntercept = -1024 - 20 * n
    return Files(slices=(_enhanced(slices),), truths=(truth_of(slices),))


def enhanced_frame_missing() -> Files:
    """An Enhanced CT image whose sixth frame was never written: a gap of 10 mm between frames 5 and 6.

    Documented: dicom2nifti SLICE_INCREMENT_INCONSISTENT (multiframe).
    """
    slices = stack()
    kept = slices[:5] + slices[6:]
    return Files(slices=(_enhanced(kept),), truths=(truth_of(kept),))


def enhanced_tilted() -> Files:
    """An Enhanced CT image of a gantry tilted by 15 degrees.

    Documented: dicom2nifti multiframe_validate_orthogonal.
    """
    slices = stack(step_mm=(0.0, 5.0 * np.tan(np.radians(15.0)), 5.0))
    return Files(slices=(_enhanced(slices),), truths=(truth_of(slices),))


def enhanced_without_places() -> Files:
    """An Enhanced CT image without Plane Position Sequences.

    Documented: dicom2nifti "Unsupported or missing PlanePositionSequence".
    """
    slices = stack()

    def lose(n: int, groups: Dataset) -> None:
        del groups.PlanePositionSequence

    return Files(slices=(_enhanced(slices, change=lose),), truths=(truth_of(slices),))


def enhanced_in_two_instances() -> Files:
    """One stack in two Enhanced CT images (a concatenation): frames 1 to 6 and 7 to 12.

    Documented: PS3.3 C.7.6.16.2.2.4; no support is documented by any of the three.
    """
    slices = stack()
    halves = (_enhanced(slices[:6]), _enhanced(slices[6:], number=2))
    return Files(slices=halves, truths=(truth_of(slices),))


def legacy_converted() -> Files:
    """A Legacy Converted Enhanced CT image of twelve frames.

    Documented: dicom2nifti is_multiframe_dicom (SOP class unknown, functional groups found).
    """
    slices = stack()
    image = _enhanced(slices, sop_class=LegacyConvertedEnhancedCTImageStorage)
    return Files(slices=(image,), truths=(truth_of(slices),))


def multiframe_secondary_capture() -> Files:
    """Twelve frames as Multi-frame Grayscale Word Secondary Capture: no place in the patient.

    Documented: dcm2niix "Bogus spatial matrix (perhaps non-spatial image)".
    """
    slices = stack()
    image = _enhanced(slices, sop_class=MultiFrameGrayscaleWordSecondaryCaptureImageStorage)
    for keyword in (
        "SharedFunctionalGroupsSequence",
        "PerFrameFunctionalGroupsSequence",
        "DimensionOrganizationSequence",
        "DimensionIndexSequence",
    ):
        delattr(image, keyword)
    del image.FrameOfReferenceUID
    image.ImageType = ["DERIVED", "SECONDARY"]
    return Files(slices=(image,), truths=())


def _enhanced(
    slices: Sequence[Dataset], *, sop_class: str = EnhancedCTImageStorage, number: int = 1,
    change: Change = lambda n, groups: None,
) -> Dataset:  # fmt: skip
    """Classic slices as the frames of one instance, in the order given."""
    first = slices[0]
    ds = Dataset()
    ds.file_meta = first.file_meta.copy()
    for element in first:
        if element.keyword not in PER_IMAGE:
            ds.add(element)
    ds.SOPClassUID, ds.SOPInstanceUID, ds.InstanceNumber = sop_class, uid("frames", number, sop_class), number
    ds.SharedFunctionalGroupsSequence = [
        _item(
            PlaneOrientationSequence=[_item(ImageOrientationPatient=list(first.ImageOrientationPatient))],
            PixelMeasuresSequence=[_item(PixelSpacing=list(first.PixelSpacing), SliceThickness=5.0)],
        )
    ]
    heights = sorted({float(classic.ImagePositionPatient[2]) for classic in slices})
    frames = [_frame(heights.index(float(classic.ImagePositionPatient[2])), classic) for classic in slices]
    for n, groups in enumerate(frames):
        change(n, groups)
        content = groups.FrameContentSequence[0]
        content.DimensionIndexValues = [1, content.InStackPositionNumber, content.TemporalPositionIndex]
    _dimensions(ds)
    ds.PerFrameFunctionalGroupsSequence = frames
    ds.NumberOfFrames = len(slices)
    ds.PixelData = b"".join(classic.PixelData for classic in slices)
    ds["PixelData"].VR = "OW"
    return ds


def _dimensions(ds: Dataset) -> None:
    """The Multi-frame Dimension module (PS3.3 C.7.6.17): stack, position in it, temporal position."""
    organization = uid("dimensions")
    ds.DimensionOrganizationSequence = [_item(DimensionOrganizationUID=organization)]
    ds.DimensionIndexSequence = [
        _item(
            DimensionOrganizationUID=organization,
            DimensionIndexPointer=tag_for_keyword(keyword),
            FunctionalGroupPointer=tag_for_keyword("FrameContentSequence"),
        )
        for keyword in ("StackID", "InStackPositionNumber", "TemporalPositionIndex")
    ]


def _frame(n: int, classic: Dataset) -> Dataset:
    """The functional groups of the n-th place in the stack."""
    return _item(
        FrameContentSequence=[
            _item(FrameAcquisitionNumber=1, StackID="1", InStackPositionNumber=n + 1, TemporalPositionIndex=1)
        ],
        PlanePositionSequence=[_item(ImagePositionPatient=list(classic.ImagePositionPatient))],
        PixelValueTransformationSequence=[
            _item(RescaleSlope=1, RescaleIntercept=classic.RescaleIntercept, RescaleType="HU")
        ],
        CTImageFrameTypeSequence=[_item(FrameType=["ORIGINAL", "PRIMARY", "VOLUME", "NONE"])],
    )


def _item(**attributes: Any) -> Dataset:
    item = Dataset()
    for keyword, value in attributes.items():
        setattr(item, keyword, value)
    return item
