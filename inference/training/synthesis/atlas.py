"""The label maps of the data folder on one grid, with the landmarks that are read from them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from inference.training.folds import SAME_PATIENT, fold_of
from inference.training.synthesis.labels import BONES, NUMBER, number_of
from inference.training.synthesis.landmarks import Point, landmark_points, vertebral_points
from inference.training.synthesis.outline import DEPTH_RANGE_MM, depth_mm

Voxel = TypeVar("Voxel", np.uint8, np.int8, np.int16)
"""What a resampled volume holds: the same type as before."""

VOXEL_MM: Final = 2.5
"""Every atlas is kept on an isotropic grid."""

MARGIN_MM: Final = 75.0
"""Room around the organs for fat, in plane."""

FAT_MM: Final = 10
"""Under the skin of a body whose skin is known."""

SKIN_GAIN: Final = 3
"""And such a body is this much less thickened by fat than the others."""


@dataclass(frozen=True, kw_only=True)
class Atlas:
    """A labelled body on a grid of VOXEL_MM: k to the head, j to the back, i to the patient's left."""

    identifier: str  # file stem, or stems joined by "+" from head to tail
    patients: tuple[str, ...]  # whose bodies it shows
    labels: NDArray[np.uint8]  # (k, j, i), numbers of labels.NAMES
    depth_mm: NDArray[np.int8]  # (k, j, i), from the edge of the core; negative inside
    hu: NDArray[np.int16] | None  # (k, j, i), where there is a CT
    bodies: dict[str, Point]  # vertebral level to its body's centre, (x, y, z) mm from the first voxel
    points: dict[str, Point]  # the other landmarks

    def usable_in(self, fold: int) -> bool:
        """Whether the network that is measured on this fold's patients may see this atlas."""
        return all(fold_of(patient) != fold for patient in self.patients)


def read_atlas(path: Path) -> Atlas:
    """One label map of labelled/, resampled; its landmarks that are wholly in the field."""
    names = json.loads(path.with_suffix("").with_suffix(".labels.json").read_text(encoding="utf-8"))
    table = np.zeros(256, np.uint8)
    for number, name in names.items():
        table[int(number)] = number_of(name)
    with np.load(path) as file:
        row, column = (float(x) for x in file["pixel_mm"])
        spacing = (row, column, float(np.diff(file["z_mm"]).mean()))
        labels = _on_grid(table[file["labels"]], spacing, sitk.sitkNearestNeighbor, 0)
        hu = _on_grid(file["hu"], spacing, sitk.sitkLinear, -1000) if "hu" in file.files else None
    return make_atlas(
        identifier=path.stem,
        patients=(SAME_PATIENT.get(path.stem, path.stem),),
        labels=labels,
        hu=None if hu is None else np.clip(hu, -1000, None),
    )


def make_atlas(
    *,
    identifier: str,
    patients: tuple[str, ...],
    labels: NDArray[np.uint8],
    hu: NDArray[np.int16] | None = None,
    inside: NDArray[np.bool_] | None = None,
    bodies: dict[str, Point] | None = None,
) -> Atlas:
    """An atlas of a label map on the grid of VOXEL_MM.

    Args:
        identifier: see Atlas.
        patients: see Atlas.
        labels: (k, j, i).
        hu: (k, j, i), where there is a CT.
        inside: (k, j, i), the body where its skin is known; the core is guessed from the labels by default.
        bodies: vertebral body centres; read from the labels by default.
    """
    depth = depth_mm(labels > 0, VOXEL_MM) if inside is None else _of_skin(depth_mm(inside, VOXEL_MM, 0.0))
    return Atlas(
        identifier=identifier,
        patients=patients,
        labels=labels,
        depth_mm=depth,
        hu=hu,
        bodies=vertebral_points(labels, VOXEL_MM) if bodies is None else bodies,
        points=landmark_points(labels, VOXEL_MM),
    )


def _of_skin(depth: NDArray[np.int8]) -> NDArray[np.int8]:
    """Depth from a core of a body whose skin is known: fat thickens it a third as much as others."""
    outside = np.maximum(depth.astype(np.int16) + FAT_MM, 0) * SKIN_GAIN
    return np.clip(np.where(outside > 0, outside, depth + FAT_MM), *DEPTH_RANGE_MM).astype(np.int8)


def _on_grid(
    values: NDArray[Voxel], spacing: tuple[float, float, float], interpolator: int, outside: int
) -> NDArray[Voxel]:
    """Resampled to VOXEL_MM with MARGIN_MM around in plane; spacing is (row, column, slice)."""
    row, column, slice_ = spacing
    image = sitk.GetImageFromArray(values)
    image.SetSpacing([column, row, slice_])
    extent = [n * s for n, s in zip(image.GetSize(), image.GetSpacing(), strict=True)]
    margin = int(MARGIN_MM / VOXEL_MM)
    size = [int(e / VOXEL_MM) for e in extent]
    resampled = sitk.Resample(
        image,
        [size[0] + 2 * margin, size[1] + 2 * margin, size[2]],
        sitk.Transform(),
        interpolator,
        [-margin * VOXEL_MM, -margin * VOXEL_MM, 0.0],
        [VOXEL_MM] * 3,
        [1, 0, 0, 0, 1, 0, 0, 0, 1],
        outside,
    )
    return np.asarray(sitk.GetArrayFromImage(resampled), values.dtype)


def is_bone(labels: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Which voxels are bone."""
    table = np.zeros(256, bool)
    table[list(BONES)] = True
    return table[labels]


def where_label(labels: NDArray[np.uint8], name: str) -> NDArray[np.intp]:
    """Indices (n, 3) of a structure's voxels."""
    return np.argwhere(labels == NUMBER[name])
