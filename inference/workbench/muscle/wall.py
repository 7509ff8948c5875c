"""The muscle of the abdominal wall, before and beside the cavity: between two curves about its middle. Pure.

Seen from a point in the cavity, the wall's outer curve is where fat under the skin ends, its inner curve
where the muscle behind it ends. Where bowel lies against the wall there is no such end: the curve goes on as
thick as it was on either side. Both curves are the best of all smooth ones (dynamic programming).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.workbench.muscle.standard import Mask

STEP_DEG: Final = 1.0
STEP_MM: Final = 0.5

BACK_DEG: Final = 45.0
"""To either side of straight back: there the muscles of the back are, counted by another rule."""

REACH_MM: Final = 4.0
"""To either side of an edge: how far is looked for muscle on one side and none on the other."""

THICKNESS_MM: Final = (3.0, 40.0)
"""Of the wall. The two oblique and the transverse muscle of an athlete have 35 mm."""

OUTER_TURN_MM: Final = 2.0
THICKNESS_TURN_MM: Final = 1.0
"""Most that a curve changes from one direction to the next."""

OUTSIDE_COST: Final = 0.15
"""Of each mm of muscle outside the outer curve."""

GAP_COST: Final = 0.02
"""Of each mm within the wall that is no muscle: fat between its layers is cheap, the cavity is not."""

THICKNESS_COST: Final = 0.012
"""Of each mm: of two ends, the first."""

Curve = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Wall:
    """The two curves, by direction."""

    angle_deg: Curve  # (n,), from straight back, to the patient's left; without what is within BACK_DEG
    outer_mm: Curve  # (n,), from the middle
    inner_mm: Curve  # (n,)
    seen: float  # 0..1, of directions in which both curves lie at an edge


def wall_of(muscle: NDArray[np.float32], body: Mask, middle: tuple[float, float]) -> Wall | None:
    """The wall; None where no such curves are in the body.

    Args:
        muscle: (y, x), pixels of 1 mm: 1 where the density is that of muscle, 0 where not.
        body: the same, without skin.
        middle: y, x of a point in the cavity.
    """
    angles = np.arange(BACK_DEG, 360 - BACK_DEG + STEP_DEG / 2, STEP_DEG)
    seen, inside = _rays(muscle, body, middle, angles)
    if not inside.any(1).all():
        return None
    outer, outer_edge = _outer(seen, inside)
    thickness, inner_edge = _thickness(seen, outer)
    clear = (outer_edge > 0.5) & (inner_edge > 0.5)
    return Wall(
        angle_deg=angles,
        outer_mm=np.asarray(outer * STEP_MM, np.float64),
        inner_mm=np.maximum(outer - thickness, 0) * STEP_MM,
        seen=float(clear.mean()),
    )


def between(wall: Wall, shape: tuple[int, ...], middle: tuple[float, float]) -> Mask:
    """The pixels between the curves."""
    y, x = np.indices(shape)
    distance = np.hypot(y - middle[0], x - middle[1])
    angle = np.degrees(np.arctan2(x - middle[1], y - middle[0])) % 360
    outer = np.interp(angle, wall.angle_deg, wall.outer_mm)
    inner = np.interp(angle, wall.angle_deg, wall.inner_mm)
    return np.asarray((distance <= outer) & (distance >= inner) & ~is_back(shape, middle))


def is_back(shape: tuple[int, ...], middle: tuple[float, float]) -> Mask:
    """The pixels within BACK_DEG of straight back."""
    y, x = np.indices(shape)
    angle = np.degrees(np.arctan2(x - middle[1], y - middle[0]))
    return np.asarray(np.abs(angle) < BACK_DEG)


def _rays(
    muscle: NDArray[np.float32], body: Mask, middle: tuple[float, float], angles: Curve
) -> tuple[NDArray[np.float32], Mask]:
    """(directions, steps): muscle and body along each ray."""
    steps = np.arange(0, np.hypot(*muscle.shape), STEP_MM)
    turn = np.radians(angles)[:, None]
    y = np.rint(middle[0] + np.cos(turn) * steps).astype(int)
    x = np.rint(middle[1] + np.sin(turn) * steps).astype(int)
    there = (y >= 0) & (x >= 0) & (y < muscle.shape[0]) & (x < muscle.shape[1])
    y, x = np.where(there, y, 0), np.where(there, x, 0)
    return np.where(there & body[y, x], muscle[y, x], 0), np.asarray(there & body[y, x])


def _outer(seen: NDArray[np.float32], inside: Mask) -> tuple[NDArray[np.intp], Curve]:
    """Steps to the outer curve, and how much of an edge is there: muscle within, none without."""
    total = np.cumsum(seen, 1, dtype=np.float64)
    edge = _before(total) - _after(total)
    outside = (total[:, -1:] - total) * STEP_MM
    worth = np.where(inside, edge - OUTSIDE_COST * outside, -np.inf)
    worth[:, : round(THICKNESS_MM[0] / STEP_MM)] = -np.inf
    path = best_path(worth, round(OUTER_TURN_MM / STEP_MM))
    return path, edge[np.arange(len(path)), path]


def _thickness(seen: NDArray[np.float32], outer: NDArray[np.intp]) -> tuple[NDArray[np.intp], Curve]:
    """Steps from the outer to the inner curve, and how much of an edge is there."""
    most = round(THICKNESS_MM[1] / STEP_MM)
    reach = round(REACH_MM / STEP_MM)
    at = outer[:, None] - np.arange(most + reach + 1)  # inwards
    inwards = np.where(at >= 0, np.take_along_axis(seen, np.maximum(at, 0), 1), 0)
    total = np.cumsum(inwards, 1, dtype=np.float64)
    edge = (_before(total) - _after(total))[:, : most + 1]
    mm = np.arange(most + 1) * STEP_MM
    gaps = mm - total[:, : most + 1] * STEP_MM
    worth = edge - GAP_COST * gaps - THICKNESS_COST * mm
    worth[:, : round(THICKNESS_MM[0] / STEP_MM)] = -np.inf
    path = best_path(worth, round(THICKNESS_TURN_MM / STEP_MM))
    return path, edge[np.arange(len(path)), path]


def _before(total: Curve) -> Curve:
    """Mean over the REACH_MM up to each step, of a cumulative sum."""
    reach = round(REACH_MM / STEP_MM)
    padded: Curve = np.pad(total, ((0, 0), (reach, 0)))
    return (total - padded[:, :-reach]) / reach


def _after(total: Curve) -> Curve:
    reach = round(REACH_MM / STEP_MM)
    padded: Curve = np.pad(total, ((0, 0), (0, reach)), mode="edge")
    return (padded[:, reach:] - total) / reach


def best_path(worth: Curve, most_turn: int) -> NDArray[np.intp]:
    """The column in each row that makes the greatest sum, neighbours at most `most_turn` columns apart.

    worth: (n, m); -inf where it must not go. Raises ValueError: it can go nowhere.
    """
    came = np.zeros(worth.shape, np.intp)
    best = worth[0].copy()
    for row in range(1, len(worth)):
        shifted = np.full((2 * most_turn + 1, worth.shape[1]), -np.inf)
        for n, turn in enumerate(range(-most_turn, most_turn + 1)):
            low, high = max(turn, 0), min(worth.shape[1] + turn, worth.shape[1])
            shifted[n, low - turn : high - turn] = best[low:high]
        choice = shifted.argmax(0)
        came[row] = np.arange(worth.shape[1]) + choice - most_turn
        best = shifted[choice, np.arange(worth.shape[1])] + worth[row]
    if not np.isfinite(best.max()):
        raise ValueError("no path")
    path = [int(best.argmax())]
    for row in range(len(worth) - 1, 0, -1):
        path.append(int(came[row, path[-1]]))
    return np.asarray(path[::-1], np.intp)
