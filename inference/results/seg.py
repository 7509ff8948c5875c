"""The segmentation: BINARY SEG (PS3.3 A.51) of the body regions and of the level slices.

The masks have a coarser grid than the images: blocks of n x n pixels, n chosen so that a side has at most
MAX_SIDE_PX.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from inference.results.body import block_means, body_mask
from inference.results.content import is_multiframe_image
from inference.results.equipment import complete, series_attributes
from inference.results.grid import Grid, heights_mm, name_dimensions, placed
from inference.results.predecessors import name_replaced
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs, LeftOut
from inference.results.segments import Segment, segments_of
from inference.results.source import source_images
from storage.kinds import Kind

KIND: Final = Kind.SEG
SERIES_NUMBER: Final = 9902
SERIES_DESCRIPTION: Final = f"{PRODUCT} CT regions - not for diagnosis"
CONTENT_DESCRIPTION: Final = f"CT regions and levels. {NOT_FOR_DIAGNOSIS}"
CONTENT_LABEL: Final = "CTNODE_REGIONS"
MAX_SIDE_PX: Final = 128


NO_BODY: Final = "no body is seen in the slices of the regions and levels"


def build_seg(inputs: Inputs) -> Dataset | LeftOut:
    """One segment for each region and each level that has a slice; LeftOut where there is nothing to draw.

    Raises:
        InvalidResult: a region or a level lies outside the volume.
    """
    reason = obstacle(inputs)
    if reason is not None:
        return LeftOut(kind=KIND, reason=reason)
    factor = reduction(inputs)
    body = body_mask(block_means(inputs.volume.voxels, factor))
    grid = Grid(factor=factor, rows=slice(0, body.shape[1]), columns=slice(0, body.shape[2]))
    masks = {segment: mask for segment, mask in _masks(inputs, body, grid) if mask.any()}
    if not masks:
        return LeftOut(kind=KIND, reason=NO_BODY)
    dataset = _segmentation(inputs, grid, masks)
    complete(dataset, inputs)
    name_replaced(dataset, inputs.predecessors, KIND)
    name_dimensions(dataset, inputs, KIND)
    return dataset


def reduction(inputs: Inputs) -> int:
    """How many pixels of the image make one side of a block of the mask."""
    geometry = inputs.volume.geometry
    return max(1, math.ceil(max(geometry.rows, geometry.columns) / MAX_SIDE_PX))


def obstacle(inputs: Inputs) -> str | None:
    """Why a volume has no segmentation of any kind; None where it may have one."""
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


def _masks(
    inputs: Inputs, body: NDArray[np.bool_], grid: Grid
) -> Iterator[tuple[Segment, NDArray[np.bool_]]]:
    """The body (k, j, i) within each segment."""
    segments = segments_of(inputs)
    z_mm = None if all(s.z_mm is None for s in segments) else heights_mm(inputs, grid)
    for segment in segments:
        mask = np.zeros_like(body)
        inside = slice(segment.first_slice, segment.last_slice + 1)
        mask[inside] = body[inside]
        if segment.z_mm is not None and z_mm is not None:
            lowest, highest = segment.z_mm
            mask &= (z_mm >= lowest) & (z_mm <= highest)
        yield segment, mask


def _segmentation(inputs: Inputs, grid: Grid, masks: dict[Segment, NDArray[np.bool_]]) -> hd.seg.Segmentation:
    return hd.seg.Segmentation(
        source_images=source_images(inputs),
        pixel_array=np.stack(list(masks.values()), axis=-1).astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=[s.description(inputs, n) for n, s in enumerate(masks, start=1)],
        content_description=CONTENT_DESCRIPTION,
        content_label=CONTENT_LABEL,
        omit_empty_frames=True,
        **placed(inputs, grid),
        **series_attributes(inputs, KIND, SERIES_NUMBER, SERIES_DESCRIPTION),
    )
