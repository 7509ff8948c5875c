"""A slice through a lumbar vertebra, drawn from ellipses: what of it is muscle is known exactly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

AIR, FAT, SKIN, MUSCLE, ORGAN, BONE, CORD = -1000, -100, 10, 55, 38, 260, 25
FINER = 4
"""Each pixel is the mean of so many by so many."""

Ellipse = tuple[float, float, float, float]
"""Centre x and y, half width and half depth, mm; x to the left, y to the back, 0 in the image's middle."""

OUTER: Ellipse = (0, 0, 145, 95)
CAVITY: Ellipse = (0, -8, 128, 80)
PSOAS: tuple[Ellipse, ...] = ((44, 30, 16, 19), (-44, 30, 16, 19))
BACK: tuple[Ellipse, ...] = ((32, 70, 28, 20), (-32, 70, 28, 20))
KIDNEYS: tuple[Ellipse, ...] = ((88, 18, 22, 26), (-88, 18, 22, 26))
BOWEL: tuple[Ellipse, ...] = ((-108, -20, 18, 26), (20, -55, 30, 20), (70, -40, 25, 18))
VERTEBRA: tuple[Ellipse, ...] = ((0, 30, 23, 17), (0, 76, 4, 16), (14, 54, 5, 5), (-14, 54, 5, 5))
CANAL: Ellipse = (0, 55, 10, 8)


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A slice, rows to the back, columns to the left."""

    hu: NDArray[np.float32]  # (y, x)
    muscle: NDArray[np.float64]  # (y, x), the share of each pixel
    pixel_mm: float

    @property
    def area_cm2(self) -> float:
        return float(self.muscle.sum() * self.pixel_mm**2 / 100)


def drawn(
    *,
    side_mm: float = 380,
    pixel_mm: float = 0.8,
    noise_hu: float = 10,
    scale: float = 1.0,
    muscle_hu: float = MUSCLE,
) -> Drawn:
    """The slice; scale: of everything but the image."""
    count = round(side_mm / pixel_mm)
    place = ((np.arange(count * FINER) + 0.5) / FINER - count / 2) * pixel_mm / scale
    y, x = place[:, None], place[None, :]
    hu = np.full((len(place), len(place)), float(AIR))
    muscle = np.zeros(hu.shape, bool)

    def paint(ellipses: tuple[Ellipse, ...], value: float) -> None:
        for cx, cy, a, b in ellipses:
            inside = ((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 <= 1
            hu[inside], muscle[inside] = value, value == muscle_hu

    paint(((0, 0, 172, 122),), SKIN)
    paint(((0, 0, 170, 120),), FAT)
    paint((OUTER,), muscle_hu)
    paint((CAVITY,), FAT)
    paint((*KIDNEYS, *BOWEL), ORGAN)
    paint((*PSOAS, *BACK), muscle_hu)
    paint(VERTEBRA, BONE)
    paint((CANAL,), CORD)
    noise = np.random.default_rng(1).normal(0, noise_hu, (count, count))
    return Drawn(
        hu=(_means(hu, count) + noise).astype(np.float32),
        muscle=_means(muscle * 1.0, count),
        pixel_mm=pixel_mm,
    )


def _means(values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    return values.reshape(count, FINER, count, FINER).mean((1, 3))
