"""The segmentation: BINARY SEG (PS3.3 A.51) of the body regions and of the level slices.

The masks have a coarser grid than the images: blocks of n x n pixels, n chosen so that a side has at most
MAX_SIDE_PX. The planes are the images' planes. The first block's centre lies (n - 1) / 2 pixels from the
first pixel's centre, so positions in the patient stay exact and an edge is off by at most half a block.
"""

from __future__ import annotations

import math
from typing import Any, Final

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from inference.results.body import block_means, body_mask, point_mm
from inference.results.content import is_multiframe_image
from inference.results.equipment import complete, series_attributes
from inference.results.identity import dimension_organization_uid
from inference.results.predecessors import name_replaced
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs, LeftOut
from inference.results.segments import Segment, segments_of
from inference.results.source import source_images

KIND: Final = "SEG"
SERIES_NUMBER: Final = 9902
SERIES_DESCRIPTION: Final = f"{PRODUCT} CT regions - not for diagnosis"
CONTENT_DESCRIPTION: Final = f"CT regions and levels. {NOT_FOR_DIAGNOSIS}"
CONTENT_LABEL: Final = "CTNODE_REGIONS"
MAX_SIDE_PX: Final = 128


def build_seg(inputs: Inputs) -> Dataset | LeftOut:
    """One segment for each region and each level that has a slice; LeftOut where there is nothing to draw.

    Raises:
        InvalidResult: a region or a level lies outside the volume.
    """
    reason = _obstacle(inputs)
    if reason is not None:
        return LeftOut(kind=KIND, reason=reason)
    factor = reduction(inputs)
    body = body_mask(block_means(inputs.volume.voxels, factor))
    drawn = [s for s in segments_of(inputs) if body[s.first_slice : s.last_slice + 1].any()]
    if not drawn:
        return LeftOut(kind=KIND, reason="no body is seen in the slices of the regions and levels")
    dataset = _segmentation(inputs, factor, _masks(body, drawn), drawn)
    complete(dataset, inputs)
    name_replaced(dataset, inputs.predecessors, KIND)
    _name_dimensions(dataset, dimension_organization_uid(inputs, KIND))
    return dataset


def reduction(inputs: Inputs) -> int:
    """How many pixels of the image make one side of a block of the mask."""
    geometry = inputs.volume.geometry
    return max(1, math.ceil(max(geometry.rows, geometry.columns) / MAX_SIDE_PX))


def _obstacle(inputs: Inputs) -> str | None:
    geometry = inputs.volume.geometry
    if not geometry.frame_of_reference_uid:
        return "Frame of Reference UID (0020,0052) is absent: a segmentation has no place in the patient"
    if not segments_of(inputs):
        return "no region and no level slice was found"
    several = sum(is_multiframe_image(image) for image in inputs.evidence)
    if several and len(inputs.evidence) > 1:
        return f"the volume lies in {several} multi-frame instances: its SEG is not built yet"
    if not geometry.spacing_mm > 0:
        return f"spacing between slices is {geometry.spacing_mm} mm: the thickness of a segment is not known"
    return None


def _masks(body: NDArray[np.bool_], drawn: list[Segment]) -> NDArray[np.uint8]:
    """Masks (k, j, i, segment) of 0 and 1: the body within the slices of each segment."""
    masks = np.zeros((*body.shape, len(drawn)), dtype=np.uint8)
    for number, segment in enumerate(drawn):
        inside = slice(segment.first_slice, segment.last_slice + 1)
        masks[inside, :, :, number] = body[inside]
    return masks


def _segmentation(
    inputs: Inputs, factor: int, masks: NDArray[np.uint8], drawn: list[Segment]
) -> hd.seg.Segmentation:
    geometry = inputs.volume.geometry
    offset_px = (factor - 1) / 2
    return hd.seg.Segmentation(
        source_images=source_images(inputs),
        pixel_array=masks,
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[s.description(inputs, n) for n, s in enumerate(drawn, start=1)],
        content_description=CONTENT_DESCRIPTION,
        content_label=CONTENT_LABEL,
        pixel_measures=_pixel_measures(inputs, factor),
        plane_orientation=hd.PlaneOrientationSequence(
            hd.CoordinateSystemNames.PATIENT, (*geometry.row_direction, *geometry.column_direction)
        ),
        plane_positions=[
            hd.PlanePositionSequence(
                hd.CoordinateSystemNames.PATIENT, point_mm(geometry, s, offset_px, offset_px)
            )
            for s in geometry.slices
        ],
        omit_empty_frames=True,
        **series_attributes(inputs, KIND, SERIES_NUMBER, SERIES_DESCRIPTION),
    )


def _pixel_measures(inputs: Inputs, factor: int) -> hd.PixelMeasuresSequence:
    geometry = inputs.volume.geometry
    between_rows, between_columns = geometry.pixel_spacing_mm
    return hd.PixelMeasuresSequence(
        pixel_spacing=(between_rows * factor, between_columns * factor),
        slice_thickness=geometry.spacing_mm,
        spacing_between_slices=geometry.spacing_mm,
    )


def _name_dimensions(dataset: Dataset, uid: str) -> None:
    """Replace the random Dimension Organization UID of highdicom: a repeat must be equal."""
    items: list[Any] = [*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence]
    for item in items:
        item.DimensionOrganizationUID = uid
