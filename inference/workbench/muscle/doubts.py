"""Why the muscle of a volume is not measured. Pure.

An area that is wrong looks like one that is right: what may make it wrong is asked first.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.findings import Findings, LevelFinding, Presence
from inference.pixels import PADDING_HU
from inference.workbench.muscle.body import distance_from
from inference.workbench.muscle.standard import Hu, Mask
from storage.geometry.verdicts import Check
from storage.header import Header

HOUNSFIELD: Final = (None, "", "HU")
"""Of Rescale Type (0028,1054): CT without it is in HU (PS3.3 C.8.2.1)."""

CUT_MM: Final = 20.0
"""Of the body's surface at the end of the image."""

CLEAR_MM: Final = 8.0
"""Where muscle lies at least so far from where the body is cut, skin and fat alone are missing."""

TISSUE_HU: Final = -200.0
"""A pixel above this beside a blank one: the skin's own edge is blurred over two or three."""

SEEN_LEAST: Final = 0.3
"""Of the directions in which both curves of the wall lie at an edge; good slices have 0.5."""

AREA_CM2: Final = (30.0, 350.0)
"""Of adults: what is outside was not muscle, or not all of it."""

SPACING_MOST_MM: Final = 10.0
"""Slices farther apart may miss the vertebra's middle by a third of it."""


def doubt_of_level(level: LevelFinding) -> str:
    """Whether L3 is found in a slice; '' where it is."""
    if level.presence is not Presence.FOUND:
        return f"L3: {level.presence}" + (f", {level.reason}" if level.reason else "")
    if level.slice_index is None:
        return "the slices are not axial"
    return ""


def doubt_of_hu(findings: Findings, header: Header) -> str:
    """Whether pixels are Hounsfield units; '' where they are."""
    if header.rescale_type not in HOUNSFIELD:
        return f"Rescale Type (0028,1054) is {header.rescale_type}, not HU"
    offset = [check.detail for check in findings.checks if check.check is Check.OFFSET]
    return f"pixels may be no HU: {offset[0]}" if offset else ""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Where the image ends within the body."""

    length_mm: float  # of the body at the image's edge, or beside blanked pixels
    to_muscle_mm: float  # from there to the nearest counted pixel; infinite where nothing is cut


def cut_of(body: Mask, hu: Hu, counted: Mask, pixel_mm: float) -> Cut:
    """Where the image ends within the body.

    Args:
        body, hu, counted: (y, x), the slice's own pixels.
        pixel_mm: the mean of their sides.
    """
    edge = np.ones_like(body)
    edge[1:-1, 1:-1] = False
    ends = body & (edge | _beside_blank(hu))
    if not ends.any():
        return Cut(length_mm=0.0, to_muscle_mm=math.inf)
    nearest = float(distance_from(ends)[counted].min()) * pixel_mm if counted.any() else math.inf
    return Cut(length_mm=float(ends.sum()) * pixel_mm, to_muscle_mm=nearest)


def doubt_of_field(cut: Cut) -> str:
    """Whether muscle may be cut off; '' where it is not."""
    if cut.length_mm < CUT_MM or cut.to_muscle_mm >= CLEAR_MM:
        return ""
    return (
        f"the field of view cuts the body over {cut.length_mm:.0f} mm, {cut.to_muscle_mm:.0f} mm from muscle "
        "(or the background was blanked up to the skin)"
    )


def remark_of_field(cut: Cut) -> str:
    """What is said of a body that is cut where no muscle is."""
    if cut.length_mm < CUT_MM:
        return ""
    cut_off = f"the field of view cuts skin and fat over {cut.length_mm:.0f} mm"
    return f"{cut_off}, {cut.to_muscle_mm:.0f} mm from muscle"


def _beside_blank(hu: Hu) -> Mask:
    """Tissue with a blank pixel beside it, and no blurred one between."""
    blank = hu <= PADDING_HU
    beside = np.zeros_like(blank)
    beside[1:] |= blank[:-1]
    beside[:-1] |= blank[1:]
    beside[:, 1:] |= blank[:, :-1]
    beside[:, :-1] |= blank[:, 1:]
    return np.asarray(beside & (hu > TISSUE_HU))
