"""From the synthetic patient to the atlas: where a point of the new body lies in the old one."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.training.synthesis.landmarks import Point

Points = NDArray[np.float64]
"""(..., 3): x, y, z mm."""


@dataclass(frozen=True, kw_only=True)
class Wave:
    """One smooth displacement of amplitude * sin(vector . p + phase)."""

    amplitude_mm: tuple[float, float, float]
    vector: tuple[float, float, float]  # radian/mm
    phase: float


@dataclass(frozen=True, kw_only=True)
class Warp:
    """Bends an atlas. The new patient's origin is on the atlas's axis, at about its first slice."""

    axis_mm: tuple[float, float]  # x, y of the atlas that become 0, 0
    z_new: tuple[float, ...]  # knots of the scale along z, increasing
    z_atlas: tuple[float, ...]  # the same knots in the atlas
    scale: tuple[float, float]  # of x and y: new / atlas
    side_sway: tuple[Wave, ...]  # of z alone: the spine to the side
    turn_rad: tuple[float, float, float]  # about x, y (as shears of z) and z
    tilt_rad: float  # of the gantry, about x
    waves: tuple[Wave, ...]

    def to_atlas(self, points: Points) -> Points:
        """Points of the synthetic volume in mm of the atlas; shapes (..., 3)."""
        x, y, z = points[..., 0], points[..., 1], points[..., 2]
        about_x, about_y, about_z = self.turn_rad
        z = z + (math.tan(self.tilt_rad) + about_x) * y + about_y * x
        cos, sin = math.cos(about_z), math.sin(about_z)
        x, y = cos * x + sin * y, cos * y - sin * x
        for wave in self.side_sway:
            swing = np.sin(wave.vector[2] * z + wave.phase)
            x, y = x - wave.amplitude_mm[0] * swing, y - wave.amplitude_mm[1] * swing
        moved = np.stack([x, y, z], axis=-1)
        for wave in self.waves:
            swing = np.sin(moved @ np.asarray(wave.vector) + wave.phase)
            moved = moved + swing[..., None] * np.asarray(wave.amplitude_mm)
        x, y = moved[..., 0] / self.scale[0], moved[..., 1] / self.scale[1]
        z = _along(moved[..., 2], np.asarray(self.z_new), np.asarray(self.z_atlas))
        return np.stack([x + self.axis_mm[0], y + self.axis_mm[1], z], axis=-1)

    def height_mm(self, z_mm: float) -> float:
        """The new patient's z of a height in the atlas, on the axis, before posture."""
        return float(_along(np.asarray(z_mm), np.asarray(self.z_atlas), np.asarray(self.z_new)))

    def from_atlas(self, point: Point) -> Point:
        """The inverse for one point, by fixed-point iteration; within 0.01 mm."""
        wanted = np.asarray(point)
        slope = np.asarray([*self.scale, 1.0])
        guess = np.asarray([0.0, 0.0, self.height_mm(point[2])])
        for _ in range(60):
            error = wanted - self.to_atlas(guess)
            if np.abs(error).max() < 0.01:
                break
            guess = guess + 0.8 * error * slope
        return float(guess[0]), float(guess[1]), float(guess[2])


def _along(
    z: NDArray[np.float64], knots: NDArray[np.float64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Linear between knots, and beyond the ends by the end pieces."""
    low = (values[1] - values[0]) / (knots[1] - knots[0])
    high = (values[-1] - values[-2]) / (knots[-1] - knots[-2])
    inside = np.interp(z, knots, values)
    return np.asarray(inside + np.minimum(z - knots[0], 0) * low + np.maximum(z - knots[-1], 0) * high)
