"""CNNLine's input and answer: the frontal maximum projection at 1 mm, and the row of L3 in it.

The steps are sarcopenia-ai's, with its constants; its mistakes are not: axes are turned by the volume's own
directions, a row's z is exact, and rows of padding are never an answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from inference.findings import Presence
from inference.models.cnnline_network import REDUCTION
from inference.resample import evenly
from inference.volume import Volume

PIXEL_MM: Final = 1.0
"""Of the projection, both ways."""

FRAME: Final = 40 / 512
"""Of the rows and columns of a slice, on each side, are set to 0 HU: 40 of 512, table and arms."""

HU_RANGE: Final = (100.0, 1500.0)
"""Clipped to this; then the image's own lowest value becomes 0 and its highest WHITE."""

WHITE: Final = 255.0
MIDDLE: Final = 128.0
"""Subtracted at last, from the padding too."""

WIDTH: Final = 512
"""Columns of the input: padded on both sides, or cropped about the centre."""

HEIGHTS: Final = (512, 1024)
"""Rows of the input: the first that holds the image, padded at the end; else a multiple of REDUCTION."""

SPLINE_SAMPLES: Final = 4
"""A cubic spline needs so many samples each way; fewer are interpolated linearly."""

THRESHOLD: Final = 0.1
"""Confidence from which L3 is said to be found, as in sarcopenia-ai."""

NO_BONE: Final = f"nothing in the projection is denser than {HU_RANGE[0]:.0f} HU"
OUTSIDE: Final = "the highest confidence lies outside the volume"


@dataclass(frozen=True, kw_only=True)
class Projection:
    """A frontal maximum projection."""

    hu: NDArray[np.float32]  # (rows, columns), PIXEL_MM each; columns run to the patient's left
    z_mm: NDArray[np.float64]  # (rows,), the patient's z of each row


@dataclass(frozen=True, kw_only=True)
class L3Line:
    """What CNNLine says of L3. Not for diagnosis; research software."""

    presence: Presence  # FOUND, or CANNOT_TELL: the network never says that L3 is not in the field
    confidence: float  # highest value of its line, 0..1: not a probability, and not calibrated
    z_mm: float | None = None  # the patient's z of that row
    reason: str = ""  # why it cannot tell


def frontal(volume: Volume, z_mm: NDArray[np.float64]) -> Projection:
    """Project an axial volume from front to back, the highest row first.

    The published code disagrees with itself: its projection starts at the feet for DICOM that runs to the
    head and at the head for most NIfTI; its server counts the found row from the head.

    Args:
        volume: of at least two slices.
        z_mm: (k,), the patient's z of each slice's centre, rising or falling.

    Returns:
        The projection, from the highest slice's z to the lowest's, on the 1 mm grid that starts at the first.
    """
    flat = _maximum(volume) if volume.geometry.regular else evenly(_maximum(volume), z_mm)
    if z_mm[0] < z_mm[-1]:
        flat, z_mm = flat[::-1], z_mm[::-1]
    step_mm = abs(z_mm[-1] - z_mm[0]) / (len(z_mm) - 1)
    hu = _at_one_mm(flat, (step_mm, _across_mm(volume)))
    return Projection(hu=hu, z_mm=z_mm[0] - PIXEL_MM * np.arange(len(hu)))


def _transposed(volume: Volume) -> bool:
    """Whether the columns, not the rows, of a slice run to the left."""
    row = volume.geometry.row_direction
    return abs(row[1]) > abs(row[0])


def _maximum(volume: Volume) -> NDArray[np.int16]:
    """(slices, columns to the left), the frame set to 0."""
    g = volume.geometry
    down, across = round(FRAME * g.rows), round(FRAME * g.columns)
    inner = volume.voxels[:, down : g.rows - down, across : g.columns - across]
    side, leftwards = (down, g.column_direction[0]) if _transposed(volume) else (across, g.row_direction[0])
    flat = np.maximum(inner.max(axis=2 if _transposed(volume) else 1), 0)
    framed = np.pad(flat, ((0, 0), (side, side)))
    return np.asarray(framed if leftwards > 0 else framed[:, ::-1])


def _across_mm(volume: Volume) -> float:
    return volume.geometry.pixel_spacing_mm[0 if _transposed(volume) else 1]


def _at_one_mm(flat: NDArray[np.int16], spacing_mm: tuple[float, float]) -> NDArray[np.float32]:
    """Resampled from the centre of the first sample on; (rows, columns)."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(flat, np.float32))
    image.SetSpacing([spacing_mm[1], spacing_mm[0]])
    size = [int((n - 1) * mm / PIXEL_MM + 1e-6) + 1 for n, mm in zip(flat.shape, spacing_mm, strict=True)]
    spline = min(flat.shape) >= SPLINE_SAMPLES
    made = sitk.Resample(
        image,
        size[::-1],
        sitk.Transform(),
        sitk.sitkBSpline if spline else sitk.sitkLinear,
        [0.0, 0.0],
        [PIXEL_MM, PIXEL_MM],
        [1.0, 0.0, 0.0, 1.0],
    )
    return np.asarray(sitk.GetArrayFromImage(made), np.float32)


def network_input(hu: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """A projection (rows, columns) as CNNLine wants it (height, WIDTH); None where nothing is dense."""
    clipped = np.clip(hu, *HU_RANGE)
    low, high = float(clipped.min()), float(clipped.max())
    if high <= low:
        return None
    grey = WHITE * (clipped - low) / (high - low)
    rows, columns = grey.shape
    if columns > WIDTH:
        first = (columns - WIDTH) // 2
        grey, columns = grey[:, first : first + WIDTH], WIDTH
    spare = WIDTH - columns
    padded = np.pad(grey, ((0, _height(rows) - rows), (spare - spare // 2, spare // 2)))
    return np.asarray(padded - MIDDLE, np.float32)


def _height(rows: int) -> int:
    return next((h for h in HEIGHTS if rows <= h), -(-rows // REDUCTION) * REDUCTION)


def decoded(line: NDArray[np.float64], z_mm: NDArray[np.float64]) -> L3Line:
    """The answer of a line.

    Args:
        line: (height,), confidences 0..1; rows beyond len(z_mm) are padding.
        z_mm: (rows,), the patient's z of each row.
    """
    row = int(np.argmax(line))
    confidence = float(line[row])
    if row >= len(z_mm):
        return L3Line(presence=Presence.CANNOT_TELL, confidence=confidence, reason=OUTSIDE)
    if confidence < THRESHOLD:
        reason = f"the highest confidence is {confidence:.2f}, below {THRESHOLD}"
        return L3Line(presence=Presence.CANNOT_TELL, confidence=confidence, reason=reason)
    return L3Line(presence=Presence.FOUND, confidence=confidence, z_mm=float(z_mm[row]))
