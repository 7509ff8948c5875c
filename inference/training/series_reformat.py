"""Reformats of an axial volume: any plane, field, spacing and slab, mirrored and turned."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from inference.findings import Axis
from inference.training.series_data import stacked
from inference.volume import Geometry

WOBBLE_DEG: Final = 5.0
"""Sd of the rotations of a plane that still has its anatomical name."""

GANTRY_DEG: Final = 30.0
GANTRY_CHANCE: Final = 0.2
"""Axial slices tilted about the left-right axis, as gantries are."""

OBLIQUE_DEG: Final = (27.0, 50.0)
"""The least angle to an anatomical plane, drawn between these."""

TILT_ALIKE_DEG: Final = (12.0, 38.0)
"""An oblique plane whose normal is within the first of the sagittal plane and within the second of
the patient's z looks like a tilted gantry: not made."""

PIXEL_MM: Final = 3.0
FIELD_MM: Final = (130.0, 420.0)
SPACING_MM: Final = (1.5, 9.0)
SLICES: Final = (4, 44)
SLAB_CHANCE: Final = 0.25
SLAB_MM: Final = (6.0, 25.0)
SLAB_SAMPLES: Final = 4
LEAST_BODY: Final = 0.12
"""Of the voxels, above BODY_HU: with less, another field is drawn."""
BODY_HU: Final = -300
TRIES: Final = 6

PLANES: Final = (Axis.AXIAL, Axis.CORONAL, Axis.SAGITTAL, Axis.OBLIQUE)
PLANE_CHANCES: Final = (0.34, 0.21, 0.21, 0.24)


@dataclass(frozen=True, kw_only=True)
class Source:
    """A volume ready to be cut."""

    values: torch.Tensor  # (1, 1, k, j, i) float, HU + 1000, so that what lies outside is air
    size_mm: NDArray[np.float64]  # extent along k, j, i

    @classmethod
    def of(cls, voxels: NDArray[np.int16], geometry: Geometry) -> Source:
        """Of an axial volume with rows to the back and columns to the left."""
        values = torch.from_numpy(voxels.astype(np.float32)).clamp(-1000, 2000) + 1000
        spacing = np.asarray([geometry.spacing_mm, *geometry.pixel_spacing_mm])
        return cls(values=values[None, None], size_mm=spacing * voxels.shape)


@dataclass(frozen=True, kw_only=True)
class Reformat:
    """One series cut from a volume."""

    axis: Axis
    voxels: NDArray[np.int16]  # (k, j, i), HU
    geometry: Geometry  # spacings and directions; the place is not the patient's


def reformat(source: Source, rng: np.random.Generator, axis: Axis | None = None) -> Reformat:
    """Cut a random series; of the axis given, or of a random one."""
    axis = axis or PLANES[int(rng.choice(4, p=PLANE_CHANCES))]
    made = _cut(source, axis, rng)
    for _ in range(TRIES):
        if (made.voxels > BODY_HU).mean() >= LEAST_BODY:
            break
        made = _cut(source, axis, rng)
    return made


def _cut(source: Source, axis: Axis, rng: np.random.Generator) -> Reformat:
    frame = _frame(axis, rng)
    extent = np.abs(frame) @ source.size_mm  # along slices, rows, columns
    field = np.minimum(rng.uniform(*FIELD_MM, 2), extent[1:] * rng.uniform(0.6, 1.05, 2))
    spacing = float(np.exp(rng.uniform(*np.log(SPACING_MM))))
    count = int(np.clip(extent[0] * rng.uniform(0.3, 1.0) / spacing, SLICES[0], SLICES[1]))
    slab = rng.uniform(*SLAB_MM) if rng.random() < SLAB_CHANCE else 0.0
    shape = (count, *(np.maximum(field / PIXEL_MM, 16).astype(int)))
    room = np.maximum(extent - np.asarray([count * spacing, *field]), 0) / 2
    middle = frame.T @ (rng.uniform(-0.8, 0.8, 3) * room)
    offsets = np.linspace(-0.5, 0.5, SLAB_SAMPLES) * slab if slab else np.zeros(1)
    layers = [_sampled(source, frame, middle + frame[0] * o, shape, spacing) for o in offsets]
    voxels = torch.stack(layers).mean(0).numpy().astype(np.int16)
    geometry = stacked(
        shape,
        np.arange(count) * spacing,
        np.full(2, PIXEL_MM),
        tuple(frame[[2, 1]][:, ::-1].ravel().tolist()),
    )
    return Reformat(axis=axis, voxels=voxels, geometry=geometry)


def _sampled(
    source: Source, frame: NDArray[np.float64], middle: NDArray[np.float64], shape: tuple[int, ...], mm: float
) -> torch.Tensor:
    steps = [(np.arange(n) - (n - 1) / 2) * d for n, d in zip(shape, (mm, PIXEL_MM, PIXEL_MM), strict=True)]
    k, j, i = (torch.from_numpy(np.outer(s, f)).float() for s, f in zip(steps, frame, strict=True))
    points = k[:, None, None] + j[None, :, None] + i[None, None, :] + torch.from_numpy(middle).float()
    grid = (points * 2 / torch.from_numpy(source.size_mm).float()).flip(-1)
    return functional.grid_sample(source.values, grid[None], align_corners=False)[0, 0] - 1000


def _frame(axis: Axis, rng: np.random.Generator) -> NDArray[np.float64]:
    """Directions of slices, rows and columns in source (k, j, i) order; a mirror image half of the time."""
    normal = _normal(axis, rng)
    helper = np.eye(3)[int(np.argsort(np.abs(normal))[rng.integers(2)])]
    down = helper - normal * (helper @ normal)
    down /= np.linalg.norm(down)
    turn = math.radians(rng.normal(0, WOBBLE_DEG)) + rng.integers(4) * math.pi / 2
    across = np.cross(normal, down)
    first = math.cos(turn) * down + math.sin(turn) * across
    second = np.cross(normal, first) * rng.choice([-1, 1])
    return np.stack([normal * rng.choice([-1, 1]), first, second])


def _normal(axis: Axis, rng: np.random.Generator) -> NDArray[np.float64]:
    """In (k, j, i): z, y, x."""
    if axis is not Axis.OBLIQUE:
        wobble = rng.normal(0, math.radians(WOBBLE_DEG), 3).clip(-0.25, 0.25)
        if axis is Axis.AXIAL and rng.random() < GANTRY_CHANCE:
            wobble[1] = math.tan(math.radians(rng.uniform(-GANTRY_DEG, GANTRY_DEG)))
        place = PLANES.index(axis)
        wobble[place] = 1.0
        return np.asarray(wobble / np.linalg.norm(wobble))
    while True:
        normal = rng.normal(size=3)
        normal /= np.linalg.norm(normal)
        angles = np.degrees(np.arccos(np.abs(normal)))
        alike = angles[0] < TILT_ALIKE_DEG[1] and abs(90 - angles[2]) < TILT_ALIKE_DEG[0]
        if OBLIQUE_DEG[0] <= angles.min() <= OBLIQUE_DEG[1] and not alike:
            return np.asarray(normal)
