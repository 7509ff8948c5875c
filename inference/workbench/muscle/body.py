"""The body and its vertebra in one slice of 1 mm pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from inference.results.body import body_mask
from inference.workbench.muscle.standard import Hu, Mask

itk: Final[Any] = sitk  # its functions carry no types

TABLE_MM: Final = 4
"""A strip thinner than twice this is table or cloth, not body."""

SKIN_MM: Final = 4
"""Beneath the surface: skin, which has the density of muscle."""

BONE_HU: Final = 150.0

MARROW_HU: Final = 95.0
"""Of smoothed HU: cortex blurred into marrow. Muscle stays below it with contrast medium too."""

RING_MM: Final = 5
"""A gap in the cortex narrower than twice this is closed: where the basivertebral veins leave."""

MARROW_MM: Final = 1.5
"""Standard deviation of the smoothing."""

CORD_HU: Final = 55.0
"""A hole in bone that is less dense holds cord and fat, no marrow."""

MIDDLE_MM: Final = 55.0
"""To either side of the body's middle: where the vertebra is looked for."""

RADIUS_MM: Final = (11.0, 32.0)
"""Of the largest circle within a lumbar vertebral body; an aorta has 8 to 12, but lies before it."""


@dataclass(frozen=True, kw_only=True)
class Vertebra:
    """The vertebral body, as the largest circle within it."""

    y_mm: float  # of its centre, on the grid
    x_mm: float
    radius_mm: float  # half its depth, about

    @property
    def half_width_mm(self) -> float:
        """A lumbar body is a fifth to a half wider than deep."""
        return 1.2 * self.radius_mm


def body_of(hu: Hu) -> Mask:
    """The body without table, holes filled."""
    mask = body_mask(opened(hu > -300, TABLE_MM).astype(np.float32)[np.newaxis] * 2000 - 1000)[0]
    return np.asarray(mask, np.bool_)


def within(body: Mask, mm: float) -> Mask:
    """What lies deeper than this beneath the surface."""
    return depth(body) > mm


def vertebra_of(hu: Hu, body: Mask) -> Vertebra | None:
    """The thickest bone in the middle of the body; None where there is none of a vertebra's size."""
    columns = np.flatnonzero(body.any(0))
    if not columns.size:
        return None
    middle = float(np.median(np.nonzero(body)[1]))
    near = np.abs(np.arange(hu.shape[1]) - middle) <= MIDDLE_MM
    smooth = smoothed(hu, MARROW_MM)
    marrow = (smooth > MARROW_HU) | (hu > BONE_HU)
    solid = _without_canal(closed(marrow & body & near[None, :], RING_MM), smooth)
    deep = np.where(_behind(body)[:, None], depth(solid), 0)
    y, x = np.unravel_index(int(deep.argmax()), deep.shape)
    radius = float(deep[y, x])
    if not RADIUS_MM[0] <= radius <= RADIUS_MM[1]:
        return None
    return Vertebra(y_mm=float(y), x_mm=float(x), radius_mm=radius)


def _without_canal(bone: Mask, smooth: Hu) -> Mask:
    """Bone with its holes filled, but for those that hold cord or fat."""
    pieces = itk.GetArrayFromImage(itk.ConnectedComponent(_image(filled(bone) & ~bone)))
    count = int(pieces.max()) + 1
    total = np.bincount(pieces.ravel(), weights=smooth.ravel(), minlength=count)
    mean = total / np.maximum(np.bincount(pieces.ravel(), minlength=count), 1)
    return np.asarray(bone | ((pieces > 0) & (mean[pieces] >= CORD_HU)), np.bool_)


def _behind(body: Mask) -> NDArray[np.bool_]:
    """Rows in the hind two thirds of the body."""
    rows = np.flatnonzero(body.any(1))
    return np.asarray(np.arange(body.shape[0]) >= rows[0] + (rows[-1] - rows[0]) / 3)


def smoothed(hu: Hu, sd_mm: float) -> Hu:
    """Gaussian."""
    return np.asarray(itk.GetArrayFromImage(itk.DiscreteGaussian(itk.GetImageFromArray(hu), sd_mm**2)))


def opened(mask: Mask, mm: int) -> Mask:
    """Without what is thinner than twice mm."""
    return _binary(itk.BinaryMorphologicalOpening, mask, mm)


def closed(mask: Mask, mm: int) -> Mask:
    """With gaps narrower than twice mm filled."""
    return _binary(itk.BinaryMorphologicalClosing, mask, mm)


def filled(mask: Mask) -> Mask:
    """Holes filled."""
    return np.asarray(itk.GetArrayFromImage(itk.BinaryFillhole(_image(mask))), np.bool_)


def depth(mask: Mask) -> NDArray[np.float32]:
    """Distance of what is inside from the outside, mm; 0 outside."""
    padded = np.pad(mask, 1)
    inside = itk.SignedMaurerDistanceMap(_image(padded), insideIsPositive=True, squaredDistance=False)
    return np.asarray(np.maximum(itk.GetArrayFromImage(inside)[1:-1, 1:-1], 0), np.float32)


def distance_from(mask: Mask) -> NDArray[np.float32]:
    """Of every pixel from the nearest one in the mask, in pixels; 0 within it."""
    outside = itk.SignedMaurerDistanceMap(_image(mask), insideIsPositive=False, squaredDistance=False)
    return np.asarray(np.maximum(itk.GetArrayFromImage(outside), 0), np.float32)


def connected(mask: Mask, seeds: Mask) -> Mask:
    """The pieces of a mask that hold a seed."""
    pieces = itk.GetArrayFromImage(itk.ConnectedComponent(_image(mask)))
    kept = np.unique(pieces[seeds & mask])
    return np.isin(pieces, kept[kept > 0])


def _binary(operation: Any, mask: Mask, mm: int) -> Mask:
    return np.asarray(itk.GetArrayFromImage(operation(_image(mask), [mm, mm], itk.sitkBall)), np.bool_)


def _image(mask: Mask) -> Any:
    return itk.GetImageFromArray(mask.astype(np.uint8))
