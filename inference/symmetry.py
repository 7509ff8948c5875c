"""Whether a body lies in an axial volume as Image Orientation (Patient) says. Pure.

Bodies are nearly mirror-symmetric left to right, and not front to back: bone least of all. And the spine lies
behind the gas of airway, lungs and bowel. Where a trunk, neck or head of an axial volume has it the other way
round by a wide margin, rows and columns are exchanged or turned, or the patient lay otherwise than recorded.
A mirrored left and right cannot be seen like this, and is not looked for.

Nothing is said of narrow fields, of limbs (they hold no gas), or where the evidence is weak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from inference.projection import CELL_MM, Box
from inference.volume import Geometry
from storage.geometry.verdicts import Check, CheckResult, noted

Numbers = NDArray[np.float32]

FIELD_MM: Final = 240.0
"""A narrower field of view may be aimed at one side of the body."""

ROW_STEP: Final = 2
"""Every so many rows of the box are looked at: 6 mm."""

TURNED_SAID: Final = "the body mirrors itself front to back"
IN_FRONT_SAID: Final = "the spine lies"
"""How the details of the two checks begin."""

TISSUE_HU: Final = -300.0
GAS_HU: Final = -400.0
BONE_HU: Final = (150.0, 400.0)
"""No bone, and bone."""

SHELL_CELLS: Final = 2
"""The opening's radius: a table's shell is thinner than twice as much."""

LEAST_GAS: Final = 0.002
"""Of the body's volume: gas enclosed in it. 49 of 52 narrow fields, all but one of limbs, have
less; 177 wide ones have 0.006 or more."""

BAND_CELLS: Final = 5
"""To either side of the mirror, where the spine is: 20 mm."""

LEAST_BONE: Final = 8.0
"""Cells of bone in a row's band that are a bone's middle."""

LEAST_GAS_CELLS: Final = 6
"""Cells of gas in a row that have a middle."""

TURNED: Final = 0.12
"""By so much must the symmetry front to back exceed that left to right. Real fields of FIELD_MM with gas have
it the other way round: by 0.13 or more in one half of the patients (85 volumes), in the other (92) by 0.08
or more but for one with 0.01; half of all by 0.38 or more. Turned, 171 of the 177 are told."""

MOST_OTHER: Final = 0.45
"""Symmetry of the other axis: two legs are symmetric both ways; no trunk or head is more than 0.38 front to
back."""

FRONT_MM: Final = -20.0
"""The median place of the middle bone behind the gas at which it is in front: in real fields that show it in
FRONT_ROWS, it is -9 mm or more (85 volumes) and -5 mm or more (92). Flipped, 115 of the 177 are told, trunks
above all."""

FRONT_ROWS: Final = 30 // ROW_STEP
"""Rows that show gas and spine: 90 mm."""

FRONT_SHARE: Final = 0.25
"""Of those rows, with the bone behind: at most."""


@dataclass(frozen=True, kw_only=True)
class Symmetry:
    """How a body lies on the axes of the patient."""

    left_right: float  # 0..1, overlap of bone with its mirror image
    front_back: float  # the same, mirrored front to back
    gas: float  # enclosed gas as a part of the body
    behind_mm: float | None  # median over rows: the middle bone behind the gas; None where no row shows both
    behind_share: float  # of those rows, with the bone behind
    rows: int  # how many show both


def symmetry_checks(box: Box, geometry: Geometry) -> tuple[CheckResult, ...]:
    """What the body in an axial volume says against its orientation: one check at most.

    Args:
        box: of the volume, on the axes of the patient.
        geometry: of the same volume, axial.
    """
    height = geometry.rows * geometry.pixel_spacing_mm[0]
    width = geometry.columns * geometry.pixel_spacing_mm[1]
    if min(height, width) < FIELD_MM:
        return ()
    seen = symmetry(np.asarray(box.hu[::ROW_STEP].numpy(), np.float32))
    if seen is None or seen.gas < LEAST_GAS:
        return ()
    if said := _turned(seen) or _in_front(seen):
        return (noted(Check.SYMMETRY, said),)
    return ()


def _turned(seen: Symmetry) -> str:
    if seen.front_back - seen.left_right < TURNED or seen.left_right > MOST_OTHER:
        return ""
    return (
        f"{TURNED_SAID} ({seen.front_back:.2f}) and not left to right"
        f" ({seen.left_right:.2f}): ImageOrientationPatient (0020,0037) is a quarter turn off"
    )


def _in_front(seen: Symmetry) -> str:
    weak = seen.behind_mm is None or seen.rows < FRONT_ROWS or seen.left_right <= seen.front_back
    if weak or seen.behind_mm is None or seen.behind_mm > FRONT_MM or seen.behind_share > FRONT_SHARE:
        return ""
    rows, front = seen.rows, round((1 - seen.behind_share) * seen.rows)
    return (
        f"{IN_FRONT_SAID} {-seen.behind_mm:.0f} mm in front of the gas of the body in {front} of {rows} rows:"
        " front and back are exchanged, or the patient lay prone and is recorded supine"
        f" (mirrored left to right {seen.left_right:.2f}, front to back {seen.front_back:.2f})"
    )


def symmetry(hu: Numbers) -> Symmetry | None:
    """How a body lies.

    Args:
        hu: (rows, back, left), HU on cells of CELL_MM.

    Returns:
        None where there is no body, or no bone in it.
    """
    body = _body(hu)
    low, high = BONE_HU
    bone = np.clip((hu - low) / (high - low), 0, 1) * body
    if bone.sum() < LEAST_BONE:
        return None
    left_right, middle = mirrored(bone, 2)
    gas = body & (hu < GAS_HU)
    behind = _behind(bone, gas, middle) * CELL_MM
    return Symmetry(
        left_right=left_right,
        front_back=mirrored(bone, 1)[0],
        gas=float(gas.sum() / body.sum()),
        behind_mm=float(np.median(behind)) if len(behind) else None,
        behind_share=float((behind > 0).mean()) if len(behind) else 0.0,
        rows=len(behind),
    )


def mirrored(image: Numbers, axis: int) -> tuple[float, float]:
    """Overlap of an image with its mirror image along an axis, for the best plane, and where that is.

    Args:
        image: (r, y, x), not negative.
        axis: 1 or 2.

    Returns:
        The correlation, 0..1; the plane's place along the axis, in cells.
    """
    along = np.moveaxis(image, axis, 2)
    spectrum = np.fft.rfft(along, 2 * along.shape[2], axis=2)
    # the convolution of a row with itself at 2c is its product with its mirror image about c
    product = np.fft.irfft((spectrum**2).sum(axis=(0, 1)))
    best = int(product.argmax())
    return float(product[best] / np.square(along, dtype=np.float64).sum()), best / 2


def _behind(bone: Numbers, gas: NDArray[np.bool_], middle: float) -> NDArray[np.float64]:
    """How far the bone about the mirror's plane lies behind the gas, in cells, for each row with both."""
    band = np.abs(np.arange(bone.shape[2]) - middle) <= BAND_CELLS
    spine, air = bone[:, :, band].sum(axis=2, dtype=np.float64), gas.sum(axis=2, dtype=np.float64)
    both = (spine.sum(axis=1) >= LEAST_BONE) & (air.sum(axis=1) >= LEAST_GAS_CELLS)
    y = np.arange(bone.shape[1])
    return np.asarray(
        spine[both] @ y / spine[both].sum(axis=1) - air[both] @ y / air[both].sum(axis=1), np.float64
    )


def _body(hu: Numbers) -> NDArray[np.bool_]:
    """The largest thing of tissue, without the table's shell, its gas filled in."""
    tissue = sitk.GetImageFromArray((hu > TISSUE_HU).astype(np.uint8))
    whole = sitk.BinaryMorphologicalOpening(tissue, [SHELL_CELLS, SHELL_CELLS, 0], sitk.sitkBall)
    largest = sitk.RelabelComponent(sitk.ConnectedComponent(whole)) == 1
    return _enclosed(sitk.GetArrayFromImage(largest).astype(bool))


def _enclosed(tissue: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What has tissue before and behind it and on both sides, in its row of (rows, back, left)."""
    before = np.logical_or.accumulate(tissue, axis=1)
    behind = np.logical_or.accumulate(tissue[:, ::-1], axis=1)[:, ::-1]
    right = np.logical_or.accumulate(tissue, axis=2)
    left = np.logical_or.accumulate(tissue[:, :, ::-1], axis=2)[:, :, ::-1]
    return np.asarray(before & behind & right & left)
