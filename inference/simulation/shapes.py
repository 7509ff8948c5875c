"""The solids that the phantom is made of, each with an approximate signed distance to its surface.

Coordinates are the phantom's: x to the patient's left, y to the back, z to the head, mm. Grids are
broadcast as (z, y, x). Distances are negative inside; they are right at the surface and close to it, which
is all that an edge of one pixel needs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.simulation.tissue import Tissue

Grid = NDArray[np.float32]
Point = tuple[float, float, float]

MIN_RADIUS_MM = 0.1  # a solid shrunk away keeps this radius, so that distances stay finite


@dataclass(frozen=True, kw_only=True)
class Box:
    """An axis-aligned bounding box."""

    low: Point  # x, y, z mm
    high: Point  # x, y, z mm


class Solid(Protocol):
    """Anything that can be painted."""

    @property
    def tissue(self) -> Tissue: ...

    @property
    def box(self) -> Box: ...

    def distance(self, z: Grid, y: Grid, x: Grid) -> Grid: ...


class Hollow(Solid, Protocol):
    """A solid that can be drawn in, to make a shell."""

    def shrunk(self, mm: float, tissue: Tissue) -> Solid: ...


@dataclass(frozen=True, kw_only=True)
class Ellipsoid:
    """An axis-aligned ellipsoid."""

    tissue: Tissue  # what it is filled with
    centre: Point  # x, y, z mm
    radii: Point  # along x, y, z mm

    @property
    def box(self) -> Box:
        return Box(low=_minus(self.centre, self.radii), high=_plus(self.centre, self.radii))

    def distance(self, z: Grid, y: Grid, x: Grid) -> Grid:
        (cx, cy, cz), (rx, ry, rz) = self.centre, self.radii
        reach = np.sqrt(((z - cz) / rz) ** 2 + ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2)
        return np.asarray((reach - 1) * min(self.radii), dtype=np.float32)

    def shrunk(self, mm: float, tissue: Tissue) -> Ellipsoid:
        """The same ellipsoid with every radius less by ``mm``, of another tissue."""
        rx, ry, rz = (max(radius - mm, MIN_RADIUS_MM) for radius in self.radii)
        return replace(self, radii=(rx, ry, rz), tissue=tissue)


@dataclass(frozen=True, kw_only=True)
class Capsule:
    """A rod with round ends, whose radius changes linearly from one end to the other."""

    tissue: Tissue  # what it is filled with
    start: Point  # x, y, z mm
    end: Point  # x, y, z mm
    radii: tuple[float, float]  # at the start and at the end, mm

    @property
    def box(self) -> Box:
        reach = (max(self.radii),) * 3
        low = tuple(np.minimum(self.start, self.end))
        high = tuple(np.maximum(self.start, self.end))
        return Box(low=_minus(low, reach), high=_plus(high, reach))

    def distance(self, z: Grid, y: Grid, x: Grid) -> Grid:
        ax, ay, az = self.start
        dx, dy, dz = _minus(self.end, self.start)
        length2 = max(dx * dx + dy * dy + dz * dz, MIN_RADIUS_MM**2)
        px, py, pz = x - ax, y - ay, z - az
        along = np.clip((px * dx + py * dy + pz * dz) / length2, 0, 1)
        gap = np.sqrt((px - along * dx) ** 2 + (py - along * dy) ** 2 + (pz - along * dz) ** 2)
        return np.asarray(gap - (self.radii[0] + along * (self.radii[1] - self.radii[0])), dtype=np.float32)

    def shrunk(self, mm: float, tissue: Tissue) -> Capsule:
        """The same rod with both radii less by ``mm``, of another tissue."""
        start, end = (max(radius - mm, MIN_RADIUS_MM) for radius in self.radii)
        return replace(self, radii=(start, end), tissue=tissue)


@dataclass(frozen=True, kw_only=True)
class Knot:
    """One cross-section of a loft: an ellipse in a plane of constant z."""

    z: float  # mm
    x: float = 0.0  # its centre, mm
    y: float = 0.0  # its centre, mm
    a: float  # semi-axis that lies along x before the turn, mm
    b: float  # semi-axis that lies along y before the turn, mm
    turn_deg: float = 0.0  # rotation from +x towards +y


@dataclass(frozen=True, kw_only=True)
class Loft:
    """A column whose elliptic cross-section is interpolated linearly between knots of increasing z."""

    tissue: Tissue  # what it is filled with
    knots: tuple[Knot, ...]  # in strictly increasing z
    power: float = 2.0  # exponent of the superellipse: 2 is an ellipse, more is squarer

    @property
    def box(self) -> Box:
        turned = any(knot.turn_deg for knot in self.knots)
        reach = [(max(k.a, k.b),) * 2 if turned else (k.a, k.b) for k in self.knots]
        low = [
            min(k.x - rx for k, (rx, _) in zip(self.knots, reach, strict=True)),
            min(k.y - ry for k, (_, ry) in zip(self.knots, reach, strict=True)),
        ]
        high = [
            max(k.x + rx for k, (rx, _) in zip(self.knots, reach, strict=True)),
            max(k.y + ry for k, (_, ry) in zip(self.knots, reach, strict=True)),
        ]
        return Box(low=(low[0], low[1], self.knots[0].z), high=(high[0], high[1], self.knots[-1].z))

    def distance(self, z: Grid, y: Grid, x: Grid) -> Grid:
        cx, cy, a, b, turn = (self._at(z, name) for name in ("x", "y", "a", "b", "turn_deg"))
        dx, dy = x - cx, y - cy
        if np.any(turn):
            cos, sin = np.cos(np.radians(turn)), np.sin(np.radians(turn))
            dx, dy = dx * cos + dy * sin, dy * cos - dx * sin
        reach = _superellipse(dx / a, dy / b, self.power)
        inside = (reach - 1) * np.minimum(a, b)
        ends = np.maximum(self.knots[0].z - z, z - self.knots[-1].z)
        return np.asarray(np.maximum(inside, ends), dtype=np.float32)

    def shrunk(self, mm: float, tissue: Tissue) -> Loft:
        """The same loft, its surface and its ends drawn in by ``mm``, of another tissue."""
        knots = tuple(
            replace(k, a=max(k.a - mm, MIN_RADIUS_MM), b=max(k.b - mm, MIN_RADIUS_MM)) for k in self.knots
        )
        first = replace(knots[0], z=knots[0].z + mm)
        last = replace(knots[-1], z=knots[-1].z - mm)
        between = tuple(k for k in knots[1:-1] if first.z < k.z < last.z)
        return replace(self, knots=(first, *between, last), tissue=tissue)

    def _at(self, z: Grid, name: str) -> Grid:
        values = np.interp(z, [k.z for k in self.knots], [getattr(k, name) for k in self.knots])
        return np.asarray(values, dtype=np.float32)


def tube(points: list[Point], radii: list[float], tissue: Tissue) -> list[Capsule]:
    """A bent rod through ``points`` with a radius at each of them."""
    return [
        Capsule(tissue=tissue, start=points[n], end=points[n + 1], radii=(radii[n], radii[n + 1]))
        for n in range(len(points) - 1)
    ]


def bone(solids: Sequence[Hollow], *, cortex_mm: float, core: Tissue = Tissue.TRABECULAR) -> list[Solid]:
    """Solids of cortical bone, hollowed together and filled with ``core``."""
    return [*solids, *(solid.shrunk(cortex_mm, core) for solid in solids)]


def mirrored(point: Point, side: int) -> Point:
    """A point of the patient's left side (+1), or its mirror image on the right (-1)."""
    return (side * point[0], point[1], point[2])


def _superellipse(u: Grid, v: Grid, power: float) -> Grid:
    if power == 2.0:
        return np.asarray(np.sqrt(u * u + v * v), dtype=np.float32)
    return np.asarray((np.abs(u) ** power + np.abs(v) ** power) ** (1 / power), dtype=np.float32)


def _plus(p: Point, q: Point) -> Point:
    return (p[0] + q[0], p[1] + q[1], p[2] + q[2])


def _minus(p: Point, q: Point) -> Point:
    return (p[0] - q[0], p[1] - q[1], p[2] - q[2])
