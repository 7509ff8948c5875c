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


def grey(values: NDArray[np.float32], window: Window) -> NDArray[np.uint8]:
    """0 for black to 255 for white, linear in between."""
    low = window.centre - window.width / 2
    scaled = (values - low) * (255.0 / window.width)
    shown: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return shown
