"""Landmarks that need no reader: from label maps, and from the air in the lungs."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

BODY_FRACTION: Final = 0.3
"""The front 0.3 of a labelled vertebra is its body: within 2 mm of the readers where both exist."""

LUNG_HU: Final = (-960, -500)
"""Air and tissue mixed: lung, not the air around the patient."""

LUNG_OFFSET_MM: Final = (20.0, 80.0)
"""Distance of a lung's apex from the body's middle: beyond the trachea, within the shoulders."""

LUNG_AREA_MM2: Final = 150.0
"""Less than this is not a lung."""

SHOULDERS_MM: Final = 300.0
"""A slice this wide holds shoulders."""

MASK_HU: Final = -1000
"""Outside the body mask of the open-kbp volumes."""

NECK_AREA_MM2: Final = 4000.0
"""Less than this is a sliver of mask, such as the spinal canal alone."""


def vertebral_bodies(
    labels: NDArray[np.uint8], names: dict[str, str], z_mm: NDArray[np.float64]
) -> list[tuple[str, float]]:
    """(T12, z mm) and its kin: the centre of each labelled vertebral body that is wholly in the field.

    Args:
        labels: (k, j, i), rows towards the back.
        names: label number, as text, to name such as vertebrae_T12.
        z_mm: (k,), increasing.
    """
    found = []
    for number, name in names.items():
        level = name.removeprefix("vertebrae_")
        where = np.argwhere(labels == int(number)) if level != name else np.empty((0, 3), int)
        if not len(where) or where[:, 0].min() == 0 or where[:, 0].max() == len(z_mm) - 1:
            continue
        front = where[:, 1].min() + BODY_FRACTION * np.ptp(where[:, 1])
        found.append((level, float(z_mm[where[where[:, 1] <= front, 0]].mean())))
    return found


def lung_apex_mm(
    hu: NDArray[np.int16], z_mm: NDArray[np.float64], pixel_mm: NDArray[np.float64]
) -> float | None:
    """z of the highest slice with lung, in a masked volume from the shoulders upwards; None where not seen.

    Args:
        hu: (k, j, i), MASK_HU outside the body.
        z_mm: (k,), increasing.
        pixel_mm: row and column spacing.
    """
    body = hu != MASK_HU
    columns = np.arange(hu.shape[2])
    middle = np.median(np.flatnonzero(body.any(axis=(0, 1))))
    offset = np.abs(columns - middle) * pixel_mm[1]
    beside = (offset > LUNG_OFFSET_MM[0]) & (offset < LUNG_OFFSET_MM[1])
    air = (hu > LUNG_HU[0]) & (hu < LUNG_HU[1])
    core = air.copy()
    core[:, 1:-1] &= air[:, :-2] & air[:, 2:]
    core[:, :, 1:-1] &= air[:, :, :-2] & air[:, :, 2:]
    lung = (core & beside).sum(axis=(1, 2)) * np.prod(pixel_mm) > LUNG_AREA_MM2
    wide = body.any(axis=1).sum(axis=1) * pixel_mm[1] > SHOULDERS_MM
    start = np.flatnonzero(lung & wide)
    if not len(start):
        return None
    end = start[0] + int(np.argmin(np.append(lung[start[0] :], False)))
    return float(z_mm[end - 1])


def whole_slices(hu: NDArray[np.int16], pixel_mm: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which slices of a masked volume hold a neck or head and not a sliver of mask; shape (k,)."""
    return np.asarray((hu != MASK_HU).sum(axis=(1, 2)) * np.prod(pixel_mm) > NECK_AREA_MM2)
