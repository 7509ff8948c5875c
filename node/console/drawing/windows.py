"""Windows: which Hounsfield units are black and which are white (PS3.3 C.11.2.1.2). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Window:
    """Centre and width in HU."""

    centre: float
    width: float


WINDOWS: Final = {
    "soft": Window(centre=40, width=400),
    "lung": Window(centre=-600, width=1500),
    "bone": Window(centre=500, width=1800),
    "brain": Window(centre=40, width=80),
}
"""Preset -> what is shown."""
FULL: Final = "full"
"""A preset too: from the lowest to the highest value of the slice, for scouts and for what is not in HU."""
PRESETS: Final = (*WINDOWS, FULL)


def window_of(preset: str, values: NDArray[np.float32]) -> Window:
    """The window of a preset, for these values."""
    if preset != FULL:
        return WINDOWS[preset]
    low, high = float(values.min()), float(values.max())
    return Window(centre=(low + high) / 2, width=max(1.0, high - low))


def grey(values: NDArray[np.float32], window: Window) -> NDArray[np.uint8]:
    """0 for black to 255 for white, linear in between."""
    low = window.centre - window.width / 2
    scaled = (values - low) * (255.0 / window.width)
    shown: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return shown
