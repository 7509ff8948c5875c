"""Which patients a smaller run learns from, for learning curves."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, Protocol

import numpy as np

from inference.training.split import Group

RUN: Final = "run.json"
"""Written beside a run's weights: {"patients": how many it learnt from}."""

NO_PATIENTS: Final = frozenset({Group.SYNTHETIC, "phantom"})
"""Kinds that no patient gave: a smaller run learns from all of them."""


class Taught(Protocol):
    """A volume that could be learnt from."""

    @property
    def identifier(self) -> str:
        """Of catalog.csv."""

    @property
    def patient(self) -> str:
        """Whose it is; a patient's volumes are drawn together."""

    @property
    def group(self) -> str:
        """Of `inference.training.split.Group`, or another kind."""


def drawn_patients(volumes: Iterable[Taught], share: float) -> frozenset[str]:
    """The patients of a smaller run: the same share of every kind of volume, always the same ones.

    Every patient of a smaller share is in a larger one, so that the points of a curve differ by what was
    added. Synthetic volumes are no patients.

    Args:
        volumes: that could be learnt from.
        share: of the patients, 0 to 1; at least one of each kind is drawn.
    """
    groups: dict[str, set[str]] = {}
    for volume in volumes:
        if volume.group not in NO_PATIENTS:
            groups.setdefault(volume.group, set()).add(volume.patient)
    return frozenset(p for patients in groups.values() for p in _first(patients, share))


def drawn(volumes: Iterable[Taught], share: float) -> frozenset[str]:
    """The volumes of `drawn_patients`, and every synthetic one, by identifier."""
    volumes = tuple(volumes)
    patients = drawn_patients(volumes, share)
    return frozenset(v.identifier for v in volumes if v.group in NO_PATIENTS or v.patient in patients)


def _first(patients: set[str], share: float) -> list[str]:
    order = sorted(patients, key=lambda p: (float(np.random.default_rng(list(p.encode())).random()), p))
    return order[: max(1, math.ceil(share * len(order)))]
