"""What lies beside the organs: arms, a table, metal."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.training.synthesis.fields import Field
from inference.training.synthesis.labels import NUMBER
from inference.training.synthesis.landmarks import Point
from inference.training.synthesis.plan import Grid

METAL_HU: Final = 3000.0
ARM_GAP_MM: Final = 12.0
HIP_MM: Final = 130.0
"""Length of a hip's prosthesis."""


def body_edges(hu: Field, grid: Grid) -> tuple[float, float, float]:
    """Lowest x, highest x and highest y (back) of the body, mm; of the middle of the volume's slices."""
    body = (hu > -300).mean(axis=0) > 0.25
    columns, rows = np.flatnonzero(body.any(axis=0)), np.flatnonzero(body.any(axis=1))
    if not len(columns):
        return 0.0, 0.0, 0.0
    return grid.x_mm[columns[0]], grid.x_mm[columns[-1]], grid.y_mm[rows[-1]]


def add_table(hu: Field, grid: Grid, back_mm: float, rng: np.random.Generator) -> None:
    """A curved or flat table behind the patient, in air only; in place."""
    x, y = np.asarray(grid.x_mm), np.asarray(grid.y_mm)
    half = rng.uniform(190, 230)
    sag = rng.uniform(0, 60) * (1 - np.clip(np.abs(x) / half, 0, 1) ** 2) if rng.random() < 0.6 else 0 * x
    top = back_mm + rng.uniform(2, 18) - sag.max() * 0.5 + sag
    thick = rng.uniform(15, 45)
    down = y[:, None] - top[None, :]
    inside = (down > 0) & (down < thick) & (np.abs(x) < half)[None, :]
    shell = inside & ((down < 4) | (down > thick - 4))
    table = np.where(shell, rng.uniform(-250, 50), rng.uniform(-980, -850))
    air = hu[:, inside] < -800
    hu[:, inside] = np.where(air, table[inside].astype(np.float32), hu[:, inside])


def add_arms(
    hu: Field,
    grid: Grid,
    edges: tuple[float, float, float],
    z_mm: tuple[float, float],
    rng: np.random.Generator,
) -> None:
    """Arms at the sides, from shoulder to wrist, in air only; in place.

    Args:
        hu: (k, j, i).
        grid: of hu.
        edges: see body_edges.
        z_mm: of the wrists and of the shoulders.
        rng: of sizes and posture.
    """
    bone, shell, muscle = rng.uniform(150, 300), rng.uniform(700, 1400), rng.normal(50, 6)
    thick, lean = rng.uniform(32, 52), rng.uniform(0.55, 0.8)
    z = np.asarray(grid.z_mm)
    along = (z - z_mm[0]) / (z_mm[1] - z_mm[0])
    back = edges[2] - rng.uniform(50, 130)
    for side in (0, 1):
        sign = 1 if side else -1
        out = edges[side] + sign * (thick * 0.9 + ARM_GAP_MM * rng.uniform(0, 1.5))
        for k in np.flatnonzero((along > 0) & (along < 1)):
            upper = along[k] > 0.48
            radius = thick * (lean + (1 - lean) * along[k]) * (1 - 0.25 * max(0.12 - along[k], 0) / 0.12)
            x = out - sign * 35 * max(along[k] - 0.75, 0) / 0.25 + sign * 10 * np.sin(3 * along[k])
            y = back - 60 * max(0.48 - along[k], 0)
            bones = [(0.0, 0.0, 12.0)] if upper else [(-11.0, 6.0, 7.5), (11.0, -4.0, 7.5)]
            _limb(hu[k], grid, (x, y, radius), bones, (muscle, shell, bone))


def _limb(
    image: Field,
    grid: Grid,
    skin: tuple[float, float, float],
    bones: list[tuple[float, float, float]],
    tissue: tuple[float, float, float],
) -> None:
    x, y, radius = skin
    columns, rows = _window(grid.x_mm, x, radius), _window(grid.y_mm, y, radius)
    part = image[rows, columns]
    if not part.size:
        return
    dx = np.asarray(grid.x_mm[columns])[None, :] - x
    dy = np.asarray(grid.y_mm[rows])[:, None] - y
    far = np.hypot(dx, dy)
    arm = np.where(far > radius - 7, -100.0, tissue[0])
    for bx, by, size in bones:
        away = np.hypot(dx - bx, dy - by)
        arm = np.where(away < size, np.where(away < size - 4, tissue[2], tissue[1]), arm)
    air = (part < -700) & (far < radius)
    part[air] = arm[air]


def _window(positions: tuple[float, ...], centre: float, reach: float) -> slice:
    inside = np.flatnonzero(np.abs(np.asarray(positions) - centre) < reach)
    return slice(int(inside[0]), int(inside[-1]) + 1) if len(inside) else slice(0, 0)


def add_metal(
    hu: Field, labels: NDArray[np.uint8], grid: Grid, bodies: dict[str, Point], rng: np.random.Generator
) -> None:
    """A hip's prosthesis or screws in neighbouring vertebrae, with streaks in their slices; in place."""
    hips = [NUMBER[f"femur_{s}"] for s in ("left", "right")]
    if rng.random() < 0.5 and (labels == hips[0]).any():
        metal = _prosthesis(labels == hips[rng.integers(2)], grid)
    else:
        metal = _screws(grid, bodies, rng)
    where = np.nonzero(metal)
    if not len(where[0]):
        return
    hu[where] = METAL_HU
    for k in np.unique(where[0]):
        in_slice = where[0] == k
        _star(hu[k], where[1][in_slice].mean(), where[2][in_slice].mean(), float(in_slice.sum()), rng)


def _prosthesis(femur: NDArray[np.bool_], grid: Grid) -> NDArray[np.bool_]:
    """The upper end of a femur."""
    found = np.flatnonzero(femur.any(axis=(1, 2)))
    if len(found):
        femur[: max(found[-1] - round(HIP_MM / grid.fine_mm), 0)] = False
    return femur


def _screws(grid: Grid, bodies: dict[str, Point], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Two rods of metal from back to front in each of two to four neighbours."""
    metal = np.zeros(grid.shape, bool)
    names = [n for n in bodies if n[:1] in ("T", "L") and grid.z_mm[0] < bodies[n][2] < grid.z_mm[-1]]
    if not names:
        return metal
    first = rng.integers(len(names))
    x, y, z = (np.asarray(p) for p in (grid.x_mm, grid.y_mm, grid.z_mm))
    for name in names[first : first + rng.integers(2, 5)]:
        bx, by, bz = bodies[name]
        for side in (-1, 1):
            rod_x = np.abs(x[None, :] - (bx + side * (10 + 0.25 * (y[:, None] - by)))) < 3.2
            plane = rod_x & ((y > by - 8) & (y < by + 45))[:, None]
            metal[np.abs(z - bz) < 3.5] |= plane
    return metal


def _star(image: Field, row: float, column: float, size: float, rng: np.random.Generator) -> None:
    """Bright and dark rays from a point."""
    dy = np.arange(image.shape[0])[:, None] - row
    dx = np.arange(image.shape[1])[None, :] - column
    angle, far = np.arctan2(dy, dx), np.hypot(dy, dx) + 4
    rays = sum(np.cos(n * angle + rng.uniform(0, 6.3)) for n in (2, 5, 9, 14))
    image += (rays * min(size, 60.0) * rng.uniform(8, 25) / far * (image > -900)).astype(np.float32)
