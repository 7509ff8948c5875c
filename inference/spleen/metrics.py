"""How well one mask agrees with another: overlap, surface distance in mm, volume in mm³."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from inference.spleen.slicing import Spacing

itk: Final[Any] = sitk  # its functions carry no types

Mask = NDArray[np.bool_]

PERCENT: Final = 95


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One mask against the truth. None: not defined, as one of the two is empty."""

    dice: float | None  # twice the common volume by the sum of both
    jaccard: float | None  # the common volume by that of either
    sensitivity: float | None  # share of the truth that is found
    specificity: float | None  # share of the rest of the image that is left alone
    hausdorff_95_mm: float | None  # the larger of the two ways' 95th percentiles of surface distance
    volume_mm3: float  # of the mask
    true_volume_mm3: float
    volume_difference_mm3: float  # predicted less true


def agreement(predicted: Mask, truth: Mask, spacing_mm: Spacing, voxel_mm3: float) -> Agreement:
    """Hold a mask against the truth.

    Args:
        predicted: (z, y, x).
        truth: of the same shape.
        spacing_mm: between voxels along z, y, x.
        voxel_mm3: of one voxel; less than the product of the spacings where the gantry was tilted.
    """
    both = int((predicted & truth).sum())
    ours, theirs = int(predicted.sum()), int(truth.sum())
    neither = truth.size - ours - theirs + both
    return Agreement(
        dice=_share(2 * both, ours + theirs),
        jaccard=_share(both, ours + theirs - both),
        sensitivity=_share(both, theirs),
        specificity=_share(neither, truth.size - theirs),
        hausdorff_95_mm=hausdorff_mm(predicted, truth, spacing_mm, PERCENT),
        volume_mm3=ours * voxel_mm3,
        true_volume_mm3=theirs * voxel_mm3,
        volume_difference_mm3=(ours - theirs) * voxel_mm3,
    )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def hausdorff_mm(one: Mask, other: Mask, spacing_mm: Spacing, percent: float) -> float | None:
    """The larger of two percentiles: of the distances from each surface voxel of one to the other's surface.

    A surface voxel is one of the mask with a face to what is not in it. Distances are between centres.
    None: a mask is empty.
    """
    if not (one.any() and other.any()):
        return None
    inside = _box(one | other)
    surfaces = [_surface(np.pad(mask[inside], 1)) for mask in (one, other)]
    away = [_distance_mm(surface, spacing_mm) for surface in surfaces]
    ways = (away[1][surfaces[0]], away[0][surfaces[1]])
    return max(float(np.percentile(distances, percent)) for distances in ways)


def _box(mask: Mask) -> tuple[slice, ...]:
    """The smallest box that holds a mask."""
    places = np.nonzero(mask)
    return tuple(slice(int(p.min()), int(p.max()) + 1) for p in places)


def _surface(mask: Mask) -> Mask:
    inner = mask.copy()
    for axis in range(3):
        for way in (1, -1):
            inner &= np.roll(mask, way, axis)
    return mask & ~inner


def _distance_mm(surface: Mask, spacing_mm: Spacing) -> NDArray[np.float32]:
    image = itk.GetImageFromArray(surface.astype(np.uint8))
    image.SetSpacing(list(spacing_mm[::-1]))
    far = itk.SignedMaurerDistanceMap(
        image, insideIsPositive=False, squaredDistance=False, useImageSpacing=True
    )
    return np.abs(np.asarray(itk.GetArrayFromImage(far), np.float32))
