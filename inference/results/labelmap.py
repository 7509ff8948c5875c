"""The label map: Label Map Segmentation (PS3.3 A.51) of the body regions and of the level slices.

What the binary segmentation draws, with one label for each voxel, where that one lets segments overlap:

* a level slice is the level's, whatever region it lies in;
* a voxel in several regions is the one's in which it lies deepest, farthest from both of its ends: two that
  overlap meet in the middle. Ties are the lower one's.

Segments keep the tracking UIDs of the report and of the binary segmentation. Depth is counted in slices; in
slices that are not axial, in the patient's z.

Pixel data are 8 bits each and are not compressed, for every peer that takes the class takes them so. Hence
the grid is cut to the body, and coarser than that of the binary segmentation where slices are many.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import highdicom as hd
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from inference.results.body import block_means, body_mask
from inference.results.equipment import complete, series_attributes
from inference.results.grid import Grid, heights_mm, name_dimensions, placed
from inference.results.predecessors import name_replaced
from inference.results.records import NOT_FOR_DIAGNOSIS, PRODUCT, Inputs, LeftOut
from inference.results.seg import NO_BODY, obstacle, reduction
from inference.results.segments import Segment, segments_of
from inference.results.source import source_images
from storage.kinds import Kind

KIND: Final = Kind.LABELMAP
SERIES_NUMBER: Final = 9903
SERIES_DESCRIPTION: Final = f"{PRODUCT} CT regions, label map - not for diagnosis"
CONTENT_DESCRIPTION: Final = f"CT regions and levels. {NOT_FOR_DIAGNOSIS}"
CONTENT_LABEL: Final = "CTNODE_LABELS"

MAX_BYTES: Final = 2_300_000
"""Of pixel data, a byte each: with 1 kB for each frame's place and source, 600 slices stay below 3 MB."""


def build_labelmap(inputs: Inputs) -> Dataset | LeftOut:
    """One label for each region and each level that has a slice; LeftOut where there is nothing to draw.

    Raises:
        InvalidResult: a region or a level lies outside the volume.
    """
    reason = obstacle(inputs)
    if reason is not None:
        return LeftOut(kind=KIND, reason=reason)
    body, grid = _body(inputs)
    labels = np.zeros(0) if grid is None else _labels(inputs, body, grid)
    drawn = [number for number in np.unique(labels).tolist() if number]
    if grid is None or not drawn:
        return LeftOut(kind=KIND, reason=NO_BODY)
    segments = segments_of(inputs)
    numbered = np.searchsorted(drawn, labels, side="right").astype(np.uint8)
    dataset = _segmentation(inputs, grid, numbered, [segments[number - 1] for number in drawn])
    _pad(dataset)
    complete(dataset, inputs)
    name_replaced(dataset, inputs.predecessors, KIND)
    name_dimensions(dataset, inputs, KIND)
    return dataset


def _pad(dataset: Dataset) -> None:
    """End an odd number of bytes with the zero that OB asks for (PS3.5 6.2): highdicom writes a "0"."""
    count = dataset.Rows * dataset.Columns * int(dataset.NumberOfFrames)
    if count % 2:
        dataset.PixelData = dataset.PixelData[:count] + b"\0"


def _body(inputs: Inputs) -> tuple[NDArray[np.bool_], Grid | None]:
    """The body (k, j, i) on the finest grid that fits into MAX_BYTES, cut to it; None where there is none."""
    factor = reduction(inputs)
    while True:
        body = body_mask(block_means(inputs.volume.voxels, factor))
        rows, columns = (_extent(np.asarray(body.any(axis=(0, axis)))) for axis in (2, 1))
        cut = body[:, rows, columns]
        if not cut.size:
            return cut, None
        if cut.size <= MAX_BYTES:
            return cut, Grid(factor=factor, rows=rows, columns=columns)
        factor = max(factor + 1, math.floor(factor * math.sqrt(cut.size / MAX_BYTES)))


def _extent(occupied: NDArray[np.bool_]) -> slice:
    places = np.flatnonzero(occupied)
    return slice(int(places[0]), int(places[-1]) + 1) if places.size else slice(0, 0)


def _labels(inputs: Inputs, body: NDArray[np.bool_], grid: Grid) -> NDArray[np.uint8]:
    """Labels (k, j, i): the place of each block's segment in `segments_of`, from 1; 0 outside all."""
    segments = segments_of(inputs)
    regions = [n for n, s in enumerate(segments) if s.anatomy is None]
    labels = np.where(body, _deepest(inputs, [segments[n] for n in regions], grid), 0).astype(np.uint8)
    for n, segment in enumerate(segments, start=1):
        if segment.anatomy is not None:
            inside = slice(segment.first_slice, segment.last_slice + 1)
            labels[inside][body[inside]] = n
    return labels


def _deepest(inputs: Inputs, regions: Sequence[Segment], grid: Grid) -> NDArray[np.int64]:
    """The number, from 1, of the region in which a place lies deepest; 0 where it lies in none.

    Of axial slices (k, 1, 1): a slice is one region's. Of others (k, j, i).
    """
    by_height = any(region.z_mm is not None for region in regions)
    at = (
        heights_mm(inputs, grid)
        if by_height
        else np.arange(len(inputs.volume.geometry.slices))[:, None, None]
    )
    best, deepest = np.full(at.shape, -1.0), np.zeros(at.shape, dtype=np.int64)
    for number, region in enumerate(regions, start=1):
        first, last = region.z_mm or (region.first_slice, region.last_slice)
        depth = np.minimum(at - first, last - at)
        deeper = (depth >= 0) & (depth > best)
        best, deepest = np.where(deeper, depth, best), np.where(deeper, number, deepest)
    return deepest


def _segmentation(
    inputs: Inputs, grid: Grid, labels: NDArray[np.uint8], drawn: Sequence[Segment]
) -> hd.seg.Segmentation:
    return hd.seg.Segmentation(
        source_images=source_images(inputs),
        pixel_array=labels,
        segmentation_type=hd.seg.SegmentationTypeValues.LABELMAP,
        segment_descriptions=[s.description(inputs, n) for n, s in enumerate(drawn, start=1)],
        content_description=CONTENT_DESCRIPTION,
        content_label=CONTENT_LABEL,
        omit_empty_frames=True,
        **placed(inputs, grid),
        **series_attributes(inputs, KIND, SERIES_NUMBER, SERIES_DESCRIPTION),
    )
