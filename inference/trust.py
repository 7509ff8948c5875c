"""What a volume must show before its slice scores are believed. Pure.

On a field of view smaller than any that the network learnt from, or on no body at all, it still gives a
number; these checks say that the number means nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.acquisition import HEAD_AXIS, field_of_view_mm, head_axis
from inference.field_edge import body_at_edge
from inference.findings import Axis
from inference.models.series import SeriesLook
from inference.plane import axis_of
from inference.volume import Geometry, Volume

FIELD_MM: Final = 110.0
"""A narrower field of view was not learnt from: spines are reconstructed at 120 mm and more."""

COUNTED_MM: Final = 150.0
"""A narrower axial field does not show enough to count by: in crops of 120 mm about the spines of held-out
patients one level in three was named wrong."""

WHOLE_MM: Final = 260.0
"""A narrower field is cut out of the body, or a slab: ribs and hips are outside."""

CUT_MM: Final = 330.0
CUT_EDGE: Final = 0.2
"""So is one narrower than CUT_MM with more than this share of its edge in the body."""

SACRUM_LEAST: Final = 0.5
"""Probability that S1 lies in the field. In fields cut out of held-out patients (round ones of 220 to 300 mm,
160 mm about the spine, slabs of 60 to 120 mm) 0 of 78 levels were wrong with S1 in the field, and 20 of 100
without it: where ribs are not seen whole, the count from below is the only one."""

TISSUE_HU: Final = -300
"""Denser is body, or table."""

BODY_SHARE: Final = 0.02
"""Of all voxels: a limb in a wide field has more."""

STRIDE: Final = 4
"""Every so many rows and columns are looked at."""


BODY_LEAST: Final = 0.5
"""Probability of a human body below which nothing is believed."""


def doubts(volume: Volume, look: SeriesLook) -> tuple[str, ...]:
    """Why the scores of a volume say nothing; empty where they may be believed.

    Args:
        volume: of any orientation.
        look: what the series model sees in it.
    """
    return (*_narrow(volume.geometry), *_empty(volume), *_no_body(look))


def _no_body(look: SeriesLook) -> tuple[str, ...]:
    if look.body >= BODY_LEAST:
        return ()
    return (f"the pixels do not look like a human body: probability {look.body:.2f}",)


def uncounted(geometry: Geometry) -> str:
    """Why vertebrae cannot be counted in a field of view that may show all else; empty where they can."""
    width = geometry.columns * geometry.pixel_spacing_mm[1]
    if axis_of(geometry.normal) is not Axis.AXIAL or width >= COUNTED_MM:
        return ""
    return f"vertebrae are not counted in a field of {width:.0f} mm: ribs and pelvis are outside"


def uncounted_from_above(volume: Volume, sacrum: float) -> str:
    """Why a level that was found is not told: a cut field without the vertebra to count from.

    Args:
        volume: of any orientation.
        sacrum: probability that S1 lies in the field.
    """
    width_mm = field_of_view_mm(volume.geometry)
    if sacrum >= SACRUM_LEAST or width_mm >= CUT_MM or not _cut(volume, width_mm):
        return ""
    return f"in a field of {width_mm:.0f} mm vertebrae are counted from the sacrum, which is not in it"


def _cut(volume: Volume, width_mm: float) -> bool:
    if width_mm < WHOLE_MM:
        return True
    return head_axis(volume.geometry) == HEAD_AXIS and body_at_edge(volume.voxels) > CUT_EDGE


def _narrow(geometry: Geometry) -> tuple[str, ...]:
    if axis_of(geometry.normal) is not Axis.AXIAL:
        return ()  # made axial, its cross-section is another; the curve is judged all the same
    height = geometry.rows * geometry.pixel_spacing_mm[0]
    width = geometry.columns * geometry.pixel_spacing_mm[1]
    if min(height, width) >= FIELD_MM:
        return ()
    return (f"field of view {width:.0f} x {height:.0f} mm: less than {FIELD_MM:.0f} mm is too little to see",)


def _empty(volume: Volume) -> tuple[str, ...]:
    share = float(np.mean(volume.voxels[:, ::STRIDE, ::STRIDE] > TISSUE_HU))
    if share >= BODY_SHARE:
        return ()
    return (f"no body in the pixels: {100 * share:.1f} % of them are tissue",)
