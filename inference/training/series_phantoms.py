"""Things that are no body: air, noise, tables, bottles, fruit, cylinders with inserts, senseless heaps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from inference.training.series_reformat import Source

SIDE: Final = 80
VOXEL_MM: Final = 3.5
Field = NDArray[np.float32]

_AXIS: Final = ((np.arange(SIDE) - (SIDE - 1) / 2) * VOXEL_MM).astype(np.float32)
Z, Y, X = np.meshgrid(_AXIS, _AXIS, _AXIS, indexing="ij")


def phantom(family: str, rng: np.random.Generator) -> Source:
    """One thing of a family of FAMILIES, with its noise."""
    hu = np.full((SIDE,) * 3, -1000, np.float32)
    FAMILIES[family](hu, rng)
    if family != "table" and rng.random() < 0.3:
        _table(hu, rng)
    hu += rng.normal(0, rng.choice([0, 5, 15, 40]), hu.shape).astype(np.float32)
    values = torch.from_numpy(hu).clamp(-1000, 2000) + 1000
    return Source(values=values[None, None], size_mm=np.full(3, SIDE * VOXEL_MM))


def _turned(rng: np.random.Generator, tumble: float = 1.0) -> tuple[Field, Field, Field]:
    """Coordinates of a thing that lies somewhere near the middle, turned."""
    rotation, _ = np.linalg.qr(np.eye(3) + tumble * rng.normal(size=(3, 3)))
    place = rng.uniform(-25, 25, 3)
    z, y, x = Z - place[0], Y - place[1], X - place[2]
    a, b, c = (np.asarray(r[0] * z + r[1] * y + r[2] * x, np.float32) for r in rotation)
    return a, b, c


def _smooth(rng: np.random.Generator, scale: int) -> Field:
    """A smooth random field of about unit sd."""
    coarse = torch.from_numpy(rng.normal(size=(1, 1, *(max(SIDE // scale, 2),) * 3)).astype(np.float32))
    made = functional.interpolate(coarse, size=(SIDE,) * 3, mode="trilinear")[0, 0].numpy()
    return np.asarray(made / made.std(), np.float32)


def _air(hu: Field, rng: np.random.Generator) -> None:
    hu += rng.uniform(0, 60)


def _table(hu: Field, rng: np.random.Generator) -> None:
    height, bend = rng.uniform(60, 130), rng.uniform(0, 0.003)
    gap = Y - height + bend * X**2
    hu[np.abs(gap) < rng.uniform(3, 8)] = rng.uniform(-300, 200)
    hu[(gap > 4) & (gap < rng.uniform(10, 40))] = rng.uniform(-980, -700)


def _noise(hu: Field, rng: np.random.Generator) -> None:
    hu[:] = rng.uniform(-900, 300) + rng.uniform(20, 500) * _smooth(rng, int(rng.integers(1, 30)))


def _cylinder(hu: Field, rng: np.random.Generator) -> None:
    a, b, c = _turned(rng, rng.choice([0.0, 0.05, 1.0]))
    radius, half = rng.uniform(45, 130), rng.uniform(40, 160)
    across = np.hypot(b, c)
    inside = (across < radius) & (np.abs(a) < half)
    hu[inside] = rng.choice([0.0, 120.0, 40.0, -90.0, 60.0]) + rng.normal(0, 10)
    if rng.random() < 0.5:
        hu[inside & (across > radius - rng.uniform(4, 12))] = rng.uniform(60, 250)
    for _ in range(rng.integers(0, 14)):
        at, place = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.85) * radius
        near = np.hypot(b - place * np.cos(at), c - place * np.sin(at)) < rng.uniform(3, 18)
        module = np.abs(a - rng.uniform(-half, half)) < rng.uniform(15, 2 * half)
        hu[inside & near & module] = rng.choice([-1000, -800, -200, -100, 40, 120, 240, 340, 900, 1200])


def _fruit(hu: Field, rng: np.random.Generator) -> None:
    for _ in range(int(rng.choice([1, 1, 2, 4]))):
        a, b, c = _turned(rng)
        away = rng.uniform(-60, 60, 3)
        size = rng.uniform(28, 110) * rng.uniform(0.75, 1.3, 3)
        depth = np.sqrt(
            ((a - away[0]) / size[0]) ** 2 + ((b - away[1]) / size[1]) ** 2 + ((c - away[2]) / size[2]) ** 2
        )
        depth = depth + rng.uniform(0, 0.06) * _smooth(rng, 12)
        hu[depth < 1] = rng.uniform(-200, 60)  # rind
        hu[depth < rng.uniform(0.75, 0.97)] = rng.uniform(-120, 90)  # flesh
        flesh = depth < 0.75
        if rng.random() < 0.6:
            wedge = np.cos(np.arctan2(b - away[1], c - away[2]) * rng.integers(4, 12))
            hu[flesh & (wedge > 0.85)] += rng.uniform(-150, 60)
        hu[flesh] += (rng.uniform(0, 40) * _smooth(rng, int(rng.integers(2, 8))))[flesh]
        core = depth < rng.uniform(0, 0.5)
        hu[core] = rng.choice([-950.0, -300.0, 0.0, 60.0, 150.0, 300.0])
        for _ in range(rng.integers(0, 12)):
            seed = away + rng.normal(0, 0.3, 3) * size
            hu[(a - seed[0]) ** 2 + (b - seed[1]) ** 2 + (c - seed[2]) ** 2 < rng.uniform(3, 9) ** 2] = (
                rng.uniform(-100, 350)
            )


def _bottle(hu: Field, rng: np.random.Generator) -> None:
    for _ in range(int(rng.choice([1, 1, 3, 6]))):
        a, b, c = _turned(rng, rng.choice([0.05, 1.0]))
        b, c = b - rng.uniform(-70, 70), c - rng.uniform(-70, 70)
        radius, half = rng.uniform(18, 75), rng.uniform(50, 140)
        shoulder = np.clip((half - a) / 60, 0.3, 1) if rng.random() < 0.7 else 1.0
        across = np.hypot(b, c) / shoulder
        inside = (across < radius) & (np.abs(a) < half)
        hu[inside] = rng.uniform(-50, 200)  # wall
        hold = (across < radius - 4) & (np.abs(a) < half - 4)
        hu[hold] = np.where(Y[hold] > rng.uniform(-60, 40), rng.uniform(-100, 250), -1000)


def _boxes(hu: Field, rng: np.random.Generator) -> None:
    for _ in range(rng.integers(1, 14)):
        a, b, c = _turned(rng, rng.choice([0.0, 1.0]))
        away, half = rng.uniform(-90, 90, 3), np.exp(rng.uniform(1.5, 4.5, 3))
        inside = (
            (np.abs(a - away[0]) < half[0])
            & (np.abs(b - away[1]) < half[1])
            & (np.abs(c - away[2]) < half[2])
        )
        hu[inside] = rng.choice([rng.uniform(-950, 300), rng.uniform(300, 2000)])


def _heap(hu: Field, rng: np.random.Generator) -> None:
    """Ellipsoids of a body's CT numbers that make no body."""
    a, b, c = _turned(rng)
    outer = rng.uniform(60, 130, 3)
    whole = (a / outer[0]) ** 2 + (b / outer[1]) ** 2 + (c / outer[2]) ** 2 < 1
    hu[whole] = rng.choice([-100.0, 0.0, 45.0])
    for _ in range(rng.integers(2, 12)):
        away, size = rng.uniform(-0.7, 0.7, 3) * outer, np.exp(rng.uniform(1.6, 3.9, 3))
        inside = ((a - away[0]) / size[0]) ** 2 + ((b - away[1]) / size[1]) ** 2 + (
            (c - away[2]) / size[2]
        ) ** 2 < 1
        hu[inside & whole] = rng.choice([-950, -800, -100, 20, 45, 60, 200, 700]) + rng.normal(0, 10)


FAMILIES: Final[dict[str, Callable[[Field, np.random.Generator], None]]] = {
    "air": _air,
    "table": _table,
    "noise": _noise,
    "cylinder": _cylinder,
    "fruit": _fruit,
    "bottle": _bottle,
    "boxes": _boxes,
    "heap": _heap,
}
"""By what it is."""

WEIGHTS: Final = {
    "air": 1,
    "table": 2,
    "noise": 2,
    "cylinder": 5,
    "fruit": 5,
    "bottle": 3,
    "boxes": 2,
    "heap": 4,
}
"""How often each is drawn."""
