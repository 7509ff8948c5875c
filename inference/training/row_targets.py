"""What the network should say of each row of a volume, and of which rows that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.spine import VERTEBRA_SCORES, VERTEBRAE
from inference.training.landmarks import ANCHORED_WEIGHT, BEYOND_WEIGHT, SUPERVISED, targets
from inference.training.split import Group
from inference.training.study import Study

Floats = NDArray[np.float32]

CENTRE_SD_MM: Final = 4.5
"""Of the bump that marks the centre of a vertebral body."""

ABOVE_MM, BELOW_MM = 11.0, 14.0
"""About half a vertebra: so far beyond the outermost labelled ones every centre is known."""

NAME_ABOVE_MM, NAME_BELOW_MM = 8.0, 10.0
"""Beyond the outermost labelled vertebra by less than this, no name farther out can be right."""

FAR_UNITS: Final = 12.0
"""Where the score is known, a name whose score is farther off (100 mm) is wrong."""

LEAST_LABELLED: Final = 3
"""A chain of fewer vertebrae does not say which names lie beyond it."""

EXTRA: Final = frozenset({"L6", "T13"})
"""Vertebrae of variant spines: a centre, but no name of ours."""

NOT_IN_HEAD_AND_NECK: Final = VERTEBRAE.index("T8")
"""The head-and-neck volumes end above it."""

NOT_IN_LIMBS: Final = VERTEBRAE.index("L4")
"""The limb volumes end below it."""

LIMB_SCORE: Final = 8.0
"""Below this no vertebra is left."""


@dataclass(frozen=True, kw_only=True)
class RowTargets:
    """Of a volume of r rows."""

    score: Floats  # (r,)
    weight: Floats  # (r,), 0 where the score is not known
    heat: Floats  # (26, r): any vertebral body's centre, then each of VERTEBRAE; 0..1
    known: Floats  # (26, r): 1 where the heat is known


def row_targets(study: Study, table: dict[str, float]) -> RowTargets:
    """The targets of a study.

    Args:
        study: with its landmarks.
        table: score of each landmark, of `landmarks.score_table`.
    """
    counts = {"lung_apex"} if study.group is Group.MASKED else set()
    points = [(z, table[n]) for n, z in study.points if n in SUPERVISED or n in counts]
    trunk = study.group in (Group.TRUNK, Group.SYNTHETIC)
    score, weight = targets(study.z_mm, points, BEYOND_WEIGHT if trunk else ANCHORED_WEIGHT)
    heat = _heat(study)
    return RowTargets(score=score, weight=weight, heat=heat, known=_known(study, score, weight))


def _heat(study: Study) -> Floats:
    heat = np.zeros((1 + len(VERTEBRAE), len(study.z_mm)), np.float32)
    for name, z in study.points:
        bump = np.exp(-0.5 * ((study.z_mm - z) / CENTRE_SD_MM) ** 2)
        if name in VERTEBRAE:
            heat[1 + VERTEBRAE.index(name)] = bump
        if name in VERTEBRAE or name in EXTRA:
            heat[0] = np.maximum(heat[0], bump)
    return heat


def _known(study: Study, score: Floats, weight: Floats) -> Floats:
    known = np.zeros((1 + len(VERTEBRAE), len(study.z_mm)), np.float32)
    found = {VERTEBRAE.index(n): z for n, z in study.points if n in VERTEBRAE}
    known[[1 + v for v in found]] = 1
    order = sorted(found)
    if len(order) >= LEAST_LABELLED and order == list(range(order[0], order[-1] + 1)):
        top, bottom = found[order[0]], found[order[-1]]
        z = study.z_mm
        known[0, (z <= top + ABOVE_MM) & (z >= bottom - BELOW_MM)] = 1
        known[1 : 1 + order[0], z <= top + NAME_ABOVE_MM] = 1
        known[2 + order[-1] :, z >= bottom - NAME_BELOW_MM] = 1
    far = np.abs(score - np.asarray(VERTEBRA_SCORES)[:, None]) > FAR_UNITS
    known[1:][far & (weight > 0)] = 1
    if study.group is Group.MASKED:
        known[1 + NOT_IN_HEAD_AND_NECK :] = 1
    if study.group is Group.LIMB:
        known[1 : 1 + NOT_IN_LIMBS] = 1
        known[:, (weight > 0) & (score < LIMB_SCORE)] = 1
    return known
