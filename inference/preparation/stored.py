"""A volume as it is stored in a data set: coarse enough for the networks, in patient coordinates.

`hu` (k, j, i) int16 in increasing position along the normal, whose largest part points to the patient's left,
back or head; `z_mm` (k,): patient z of axial slices, else the position along the normal; `pixel_mm` (2,):
between rows, between columns; `iop` (6,); `source_index` (k,): the first slice that each was made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, radians
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.axial import resampled
from inference.axis import from_geometry
from inference.findings import Axis
from inference.volume import Volume
from storage.errors import Refused
from storage.geometry.stack import slice_centres_z_mm

PIXEL_MM: Final = 2.5
"""Pixels are averaged to blocks of at most so much a side."""

SLICE_MM: Final = 1.5
"""Slices are averaged to at most so much."""

UPRIGHT_DEG: Final = 1.0
"""An axial stack that leans more (a gantry's tilt) is resampled."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """What is written as .npz."""

    axis: Axis  # plane of the slices
    hu: NDArray[np.int16]
    z_mm: NDArray[np.float64]
    pixel_mm: NDArray[np.float64]
    iop: NDArray[np.float64]
    source_index: NDArray[np.int64]

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """Of the .npz file."""
        return {
            "hu": self.hu,
            "z_mm": self.z_mm,
            "pixel_mm": self.pixel_mm,
            "iop": self.iop,
            "source_index": self.source_index,
        }


def stored(volume: Volume) -> Stored:
    """The volume, averaged.

    Raises:
        Refused: a leaning stack of one slice, which cannot be resampled.
    """
    g = volume.geometry
    axis = from_geometry(g)
    if axis is Axis.AXIAL and abs(g.normal[2]) < cos(radians(UPRIGHT_DEG)):
        return _upright(volume)
    positions = np.asarray([s.position_mm for s in g.slices])
    along = slice_centres_z_mm(g) if axis is Axis.AXIAL else positions @ np.asarray(g.normal)
    iop = np.asarray([*g.row_direction, *g.column_direction], float)
    hu, source = volume.voxels, np.arange(len(along))
    dominant = int(np.abs(g.normal).argmax())
    if g.normal[dominant] < 0:  # mirrored in name only: columns are counted from the other side
        iop, hu = np.concatenate([-iop[:3], iop[3:]]), hu[..., ::-1]
        along = along if axis is Axis.AXIAL else -along
    order = np.argsort(along, kind="stable")
    return _averaged(axis, hu[order], along[order], np.asarray(g.pixel_spacing_mm), iop, source[order])


def _upright(volume: Volume) -> Stored:
    made = resampled(volume)
    if made is None:
        raise Refused("a single slice of a tilted gantry")
    own = slice_centres_z_mm(volume.geometry)
    nearest = np.abs(own - made.z_mm[:, None]).argmin(axis=1)
    iop = np.asarray([*made.geometry.row_direction, *made.geometry.column_direction], float)
    pixel_mm = np.asarray(made.geometry.pixel_spacing_mm)
    order = np.argsort(made.z_mm)
    return _averaged(Axis.AXIAL, made.voxels[order], made.z_mm[order], pixel_mm, iop, nearest[order])


def _averaged(
    axis: Axis,
    hu: NDArray[np.int16],
    along_mm: NDArray[np.float64],
    pixel_mm: NDArray[np.float64],
    iop: NDArray[np.float64],
    source: NDArray[np.int64],
) -> Stored:
    step = float(np.median(np.diff(along_mm))) if len(along_mm) > 1 else SLICE_MM
    group = max(1, int(SLICE_MM / step + 1e-6)) if step > 0 else 1
    rows, columns = (max(1, int(PIXEL_MM / mm + 1e-6)) for mm in pixel_mm)
    starts = range(0, len(hu), group)
    return Stored(
        axis=axis,
        hu=np.stack([_block(hu[s : s + group], rows, columns) for s in starts]),
        z_mm=np.asarray([along_mm[s : s + group].mean() for s in starts]),
        pixel_mm=pixel_mm * (rows, columns),
        iop=iop,
        source_index=source[::group],
    )


def _block(slices: NDArray[np.int16], rows: int, columns: int) -> NDArray[np.int16]:
    """(j, i): the mean of slices, over blocks of pixels; what does not fill a block is left out."""
    mean = slices.mean(axis=0, dtype=np.float32)
    j, i = mean.shape[0] // rows, mean.shape[1] // columns
    blocks = mean[: j * rows, : i * columns].reshape(j, rows, i, columns).mean(axis=(1, 3))
    return np.asarray(np.rint(blocks), np.int16)
