"""The real series beside the repository, headers as they came, pixels painted with the phantom.

Real pixels hide a misplaced slice: neighbours look alike. Painted by each file's own header, every voxel says
where it belongs; geometry, order, vendors and transfer of the headers stay real. Three series came with their
pixels zeroed anyhow. What is no classic slice, a scout or a multi-frame, keeps its pixels.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread
from pydicom.dataset import Dataset

from tests.edges.phantom import CORNERS, MARGIN, Points, Truth, body_hu, centres, chosen, set_hu

SERIES = {
    "abd-crlm-1006-ce": "Abdomen, 51 slices at 5 mm.",
    "abdpel-tcga-bc-a10w-ce": "Abdomen and pelvis, 60 slices at 8 mm.",
    "dup-icometrix-d": "Bolus monitoring: one position four times.",
    "gap-icometrix-b": "Four slices of a head at 5 mm, one missing.",
    "head-qa-ge-tilt": "Head with tilted gantry, 14 slices at 4 mm and 14 at 7 mm.",
    "mf-dcmqi-liver-crop": "Two Legacy Converted Enhanced CT images of three frames.",
    "mip-acrin013-cor": "Coronal reformat of a trunk, 40 slices.",
    "mip-acrin013-sag": "Sagittal reformat of a trunk, 53 slices.",
    "scout-taichi": "Frontal and lateral scout.",
    "spine-taichi-ax": "Eleven oblique stacks of a spine and two reference images in one series.",
    "spine-taichi-sag": "Sagittal reformat of a spine, 38 slices and a reference image.",
    "tilt-icometrix-a": "Four slices of a tilted gantry.",
    "tilt-icometrix-c": "Four slices of a tilted gantry, one missing.",
}
"""Archive in ../shared/data/dicom -> what its files are."""

LEAST = 3
"""Slices that make a volume."""

AIR, AIR_HU = MARGIN - 1, (-1000, -600)
"""A rim of so many pixels about every slice reads like air: without any, HU are taken for stored values."""


Found = tuple[Any, Points, NDArray[np.float64]]
"""What a slice belongs to, places in it, their HU; the first four places are its corners."""


def painted(folder: Path) -> tuple[Truth, ...]:
    """Paint the classic slices in a folder in place; one truth for each volume that is in them.

    Slices belong together that agree in series, plane, thickness and matrix; fewer than LEAST positions are
    no volume. The phantom's middle is that of the series, and there is air around each slice.
    """
    groups: dict[Any, list[tuple[Points, NDArray[np.float64]]]] = defaultdict(list)
    files = {path: dcmread(path) for path in sorted(folder.iterdir())}
    classic = [centres(ds).mean(axis=(0, 1)) for ds in files.values() if "NumberOfFrames" not in ds]
    middle = np.mean(classic, axis=0) if classic else np.zeros(3)
    for n, (path, ds) in enumerate(files.items()):
        for key, points, hu in _frames(ds) if "NumberOfFrames" in ds else _painted(ds, path, n, middle):
            groups[key].append((points, hu))
    return tuple(_truth(group) for group in groups.values() if _positions(group) >= LEAST)


def _positions(group: list[tuple[Points, NDArray[np.float64]]]) -> int:
    return len({tuple(points[0].round(3)) for points, _ in group})


def _truth(group: list[tuple[Points, NDArray[np.float64]]]) -> Truth:
    return Truth(
        points_mm=np.concatenate([points[4:] for points, _ in group]),
        hu=np.concatenate([hu[4:] for _, hu in group]),
        corners_mm=np.concatenate([points[:4] for points, _ in group]),
    )


def _painted(ds: Dataset, path: Path, n: int, middle: Points) -> list[Found]:
    """One classic slice, painted in its file."""
    if "LOCALIZER" in ds.ImageType:
        return []
    plane = tuple(round(float(c), 3) for c in ds.ImageOrientationPatient)
    place = centres(ds)
    hu = body_hu(place - middle)
    edge = np.ones(hu.shape, bool)
    edge[AIR:-AIR, AIR:-AIR] = False
    hu[edge] = AIR_HU[0] + np.arange(edge.sum()) % (AIR_HU[1] - AIR_HU[0])
    set_hu(ds, hu, dtype="<i2", bits_stored=16)
    for keyword in ("SmallestImagePixelValue", "LargestImagePixelValue", "PixelPaddingValue"):
        if keyword in ds:  # their VR follows the sign of the pixels
            delattr(ds, keyword)
    ds.save_as(path)
    points = np.concatenate([place[CORNERS], place[chosen(ds, n)]])
    return [
        ((ds.SeriesInstanceUID, plane, ds.get("SliceThickness"), ds.Rows), points, body_hu(points - middle))
    ]


def _frames(ds: Dataset) -> list[Found]:
    """Each frame of a multi-frame image, with the HU of its own pixels."""
    shared, stored = ds.SharedFunctionalGroupsSequence[0], ds.pixel_array
    found: list[Found] = []
    for n, own in enumerate(ds.PerFrameFunctionalGroupsSequence):
        flat = Dataset()
        flat.Rows, flat.Columns = ds.Rows, ds.Columns
        for groups in (shared, own):
            for macro in ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence",
                          "PixelValueTransformationSequence"):  # fmt: skip
                flat.update(groups[macro][0] if macro in groups else {})
        rows, columns = (np.concatenate(pair) for pair in zip(CORNERS, chosen(flat, n), strict=True))
        hu = stored[n, rows, columns] * float(flat.RescaleSlope) + float(flat.RescaleIntercept)
        found.append((ds.SeriesInstanceUID, centres(flat)[rows, columns], hu))
    return found
