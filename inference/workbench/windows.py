"""Windows by name, and HU to grey by the linear function of PS3.3 C.11.2.1.2.1. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Window:
    """Window Center (0028,1050) and Window Width (0028,1051)."""

    centre_hu: float
    width_hu: float  # more than 1


class Preset(StrEnum):
    """What a window is made to show."""

    BRAIN = "brain"
    SUBDURAL = "subdural"
    SOFT = "soft"
    MEDIASTINUM = "mediastinum"
    ABDOMEN = "abdomen"
    LIVER = "liver"
    LUNG = "lung"
    BONE = "bone"
    SPINE = "spine"
    ANGIO = "angio"
    WHOLE = "whole"


PRESETS: Final = {
    Preset.BRAIN: Window(40, 80),
    Preset.SUBDURAL: Window(75, 215),
    Preset.SOFT: Window(40, 400),
    Preset.MEDIASTINUM: Window(50, 350),
    Preset.ABDOMEN: Window(50, 400),
    Preset.LIVER: Window(80, 150),
    Preset.LUNG: Window(-600, 1500),
    Preset.BONE: Window(400, 1800),
    Preset.SPINE: Window(250, 1000),
    Preset.ANGIO: Window(300, 600),
    Preset.WHOLE: Window(0, 3000),
}
"""Usual values; readers differ by taste."""


def windowed(hu: NDArray[Any], window: Window) -> NDArray[np.uint8]:
    """Grey values 0..255 of HU, any shape."""
    span = window.width_hu - 1
    share = (hu.astype(np.float32) - (window.centre_hu - 0.5)) / span + 0.5
    return np.asarray(np.rint(np.clip(share, 0, 1) * 255), np.uint8)
