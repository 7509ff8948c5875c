"""A volume seen from the front and from the left side, in the patient's millimetres.

Voxels are averaged along the volume's own axis that lies nearest to the line of sight, then put in place: a
pixel of a view lies where its voxels do. So flips, uneven spacing and a tilted gantry change nothing but the
look, and an oblique volume is made axial first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.axial import resampled
from inference.axis import from_geometry
from inference.findings import Axis
from inference.results.picture.grid import BACK, HEAD, LEFT, Grid, axial_grid, grid_of, patient_axes
from inference.results.picture.projection import Floats, View
from inference.volume import Volume

AIR_HU: Final = -1000
METAL_HU: Final = 1500
"""Denser is metal, and all the same."""

BONE_HU: Final = 150
"""Trabecular bone and denser."""

TISSUE_HU: Final = -300

BONE_WEIGHT: Final = 2.0
"""How much more bone adds than its HU: mean attenuation alone hides a spine behind the whole body."""

SLAB_MM: Final = 40.0
"""Thickness of the sagittal view: about one vertebra."""

SLAB_LEAST: Final = 0.5
"""A slab with less than this share of the fullest one's tissue shows nothing, as at a rail of the table."""

COARSE: Final = 4
"""Every so many voxels are looked at to find the middle."""

CHUNK_SLICES: Final = 32
"""Slices held as float at a time."""

BODY_SHARE: Final = 0.06
"""Columns with less than this share of the densest one's attenuation are cropped."""

MARGIN_MM: Final = 8.0
"""Left around the body."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """Both projections of a volume."""

    coronal: View
    sagittal: View
    line_is_slice: bool  # a line of the views is a slice of the volume: an axial one


def views_of(volume: Volume) -> Views | None:
    """Both views; None of a volume with no thickness, which has none."""
    g = volume.geometry
    oblique = from_geometry(g) is Axis.OBLIQUE
    made = resampled(volume) if oblique else None
    if made is not None:
        voxels, grid = made.voxels, axial_grid(made.geometry, made.z_mm)
    else:
        corners = np.asarray([s.position_mm for s in g.slices], dtype=float)
        voxels, grid = volume.voxels, grid_of(g, corners, (len(g.slices), g.rows, g.columns))
    if (oblique and made is None) or not np.linalg.norm(grid.direction_mm(0)) > 0:
        return None
    axes = patient_axes(grid)
    whole = slice(None)
    return Views(
        coronal=_view(voxels, grid, axes, along=BACK, across=LEFT, inside=whole, depth_mm=None),
        sagittal=_sagittal(voxels, grid, axes),
        line_is_slice=not oblique and axes[HEAD] == 0,
    )


def _sagittal(voxels: NDArray[np.int16], grid: Grid, axes: tuple[int, int, int]) -> View:
    size_mm = float(np.linalg.norm(grid.direction_mm(axes[LEFT])))
    inside = _slab(voxels, axes[LEFT], size_mm)
    depth_mm = None if inside == slice(None) else (inside.stop - inside.start) * size_mm
    return _view(voxels, grid, axes, along=LEFT, across=BACK, inside=inside, depth_mm=depth_mm)


def _slab(voxels: NDArray[np.int16], axis: int, size_mm: float) -> slice:
    """The voxels about the middle of the bone, where there is tissue; else all of them."""
    # of the axis itself every voxel counts, for the coronal series' few slices may be the ones across it
    few = voxels[tuple(slice(None) if a == axis else slice(None, None, COARSE) for a in range(3))]
    others = tuple(a for a in range(3) if a != axis)
    bone, tissue = ((few > hu).sum(axis=others, dtype=np.float64) for hu in (BONE_HU, TISSUE_HU))
    if not bone.sum() > 0:
        return slice(None)
    centre = int(np.searchsorted(bone.cumsum(), bone.sum() / 2))
    reach = max(round(SLAB_MM / size_mm / 2), 0)
    width = 2 * reach + 1
    if width >= len(tissue):
        return slice(None)
    sums = np.convolve(tissue, np.ones(width), mode="same")
    if sums[centre] < SLAB_LEAST * sums.max():
        return slice(None)
    return slice(max(centre - reach, 0), min(centre + reach + 1, len(tissue)))


def _view(
    voxels: NDArray[np.int16],
    grid: Grid,
    axes: tuple[int, int, int],
    *,
    along: int,
    across: int,
    inside: slice,
    depth_mm: float | None,
) -> View:
    """A view along one of the patient's axes; `inside` is of the array axis nearest to it."""
    image = _mean(voxels, axes[along], inside)  # its axes are in the array's order
    line_axis, column_axis = axes[HEAD], axes[across]
    image = image.T if line_axis > column_axis else image
    plane = [across, HEAD]
    middle = grid.middle_mm(line_axis)[:, plane]
    step = grid.direction_mm(column_axis)[plane]
    first, last = _body(image)
    ends = (np.asarray([first - 0.5, last + 0.5]) - (image.shape[1] - 1) / 2) * step[0]
    centre = float(middle[:, 0].mean())
    across_mm = (centre + float(ends.min()) - MARGIN_MM, centre + float(ends.max()) + MARGIN_MM)
    view = View(
        attenuation=image,
        middle_mm=middle,
        step_mm=step,
        across_mm=across_mm,
        up_mm=(0.0, 0.0),
        depth_mm=depth_mm,
    )
    up = view.lines_up_mm(np.asarray(across_mm))[[0, -1]]
    half = abs(float(middle[-1, 1] - middle[0, 1])) / max(len(middle) - 1, 1) / 2
    return replace(view, up_mm=(float(up.min()) - half, float(up.max()) + half))


def _mean(voxels: NDArray[np.int16], axis: int, inside: slice) -> Floats:
    """(a, b): the mean attenuation along an array axis, bone emphasised."""
    chosen = voxels[tuple(inside if a == axis else slice(None) for a in range(3))]
    chunks = (chosen[n : n + CHUNK_SLICES] for n in range(0, len(chosen), CHUNK_SLICES))
    if axis:
        lines = [_attenuation(chunk).mean(axis=axis, dtype=np.float32) for chunk in chunks]
        return np.concatenate(lines)
    total = np.sum([_attenuation(c).sum(axis=0, dtype=np.float64) for c in chunks], axis=0)
    return np.asarray(total / len(chosen), dtype=np.float32)


def _attenuation(voxels: NDArray[np.int16]) -> Floats:
    hu = np.clip(voxels, AIR_HU, METAL_HU).astype(np.float32)
    return np.asarray(hu - AIR_HU + BONE_WEIGHT * np.maximum(hu - BONE_HU, 0), dtype=np.float32)


def _body(image: Floats) -> tuple[int, int]:
    """The first and the last column that holds more than air; all of them where none does."""
    profile = image.mean(axis=0)
    held = np.flatnonzero(profile > BODY_SHARE * profile.max())
    return (int(held[0]), int(held[-1])) if len(held) else (0, image.shape[1] - 1)
