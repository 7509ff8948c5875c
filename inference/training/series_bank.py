"""Every volume cut into series once, and phantoms; the five networks of a cross-validation draw from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.axis import from_geometry
from inference.findings import Axis
from inference.series_input import contrast_slices, series_views, spread
from inference.training.folds import FOLDS
from inference.training.series_data import SeriesStudy
from inference.training.series_phantoms import FAMILIES, WEIGHTS, phantom
from inference.training.series_reformat import PLANES, Source, reformat
from inference.volume import Volume

PHANTOM: Final = "phantom"
"""The group of things that are no body."""

BAG_SLICES: Final = 24
"""Axial slices of a volume that are kept for the contrast network."""


@dataclass(frozen=True, kw_only=True)
class Views:
    """What the view network reads of one series, and what is true of it."""

    identifier: str  # of the volume, or of the phantom's family
    patient: str  # whose it is; a phantom's number
    fold: int  # of the patient; of the family for a phantom
    group: str  # of the volume, or PHANTOM
    views: NDArray[np.int16]  # (VIEWS, SIZE, SIZE), HU
    axis: int  # index in PLANES; -1 where there is none
    native: bool  # the series as it is stored, not a reformat


@dataclass(frozen=True, kw_only=True)
class Bag:
    """Axial slices of one volume, and whether contrast medium is seen."""

    identifier: str
    patient: str
    fold: int
    group: str
    slices: NDArray[np.int16]  # (n, CONTRAST_SIZE, CONTRAST_SIZE), HU
    contrast: bool | None


def bank(
    studies: Iterable[SeriesStudy], variants: int, seed: int, say: Callable[[str], None]
) -> tuple[list[Views], list[Bag]]:
    """Series and bags of every volume; the same seed makes the same."""
    views: list[Views] = []
    bags: list[Bag] = []
    for number, study in enumerate(studies):
        views += study_views(study, variants, np.random.default_rng((seed, number)))
        bags += study_bag(study)
        if number % 40 == 39:
            say(f"{number + 1} volumes cut into {len(views)} series")
    return views, bags


def study_views(study: SeriesStudy, variants: int, rng: np.random.Generator) -> list[Views]:
    """The volume as it is stored and, where it is axial, reformats: each plane in turn, then by chance."""
    own = from_geometry(study.geometry)
    made: list[tuple[Axis, NDArray[np.float32], bool]] = []
    made += [(own, series_views(study.voxels, study.geometry), True)] if own in PLANES else []
    if study.axial:
        source = Source.of(study.voxels, study.geometry)
        for n in range(variants):
            cut = reformat(source, rng, PLANES[n] if n < len(PLANES) else None)
            made.append((cut.axis, series_views(cut.voxels, cut.geometry), False))
    return [
        Views(
            identifier=study.identifier,
            patient=study.patient,
            fold=study.fold,
            group=study.group,
            views=views.astype(np.int16),
            axis=PLANES.index(axis),
            native=native,
        )
        for axis, views, native in made
    ]


def study_bag(study: SeriesStudy) -> list[Bag]:
    """Axial slices, more than are read at a time; none of a volume that cannot be made axial."""
    if study.axial or from_geometry(study.geometry) is Axis.AXIAL:
        chosen = spread(len(study.voxels), min(BAG_SLICES, len(study.voxels)))
        parts = [contrast_slices(_part(study, chosen[n : n + 8])) for n in range(0, len(chosen), 8)]
        slices = np.concatenate([p for p in parts if p is not None])
    else:
        made = contrast_slices(_part(study, np.arange(len(study.voxels))))
        if made is None:
            return []
        slices = made
    bag = Bag(
        identifier=study.identifier,
        patient=study.patient,
        fold=study.fold,
        group=study.group,
        slices=slices.astype(np.int16),
        contrast=study.contrast,
    )
    return [bag]


def _part(study: SeriesStudy, chosen: NDArray[np.intp]) -> Volume:
    return Volume(
        series_instance_uid=study.identifier,
        number=1,
        geometry=study.geometry,
        voxels=study.voxels[chosen],
    )


def phantom_views(count: int, seed: int) -> list[Views]:
    """Phantoms of every family, cut at random; a family belongs to one fold and is held out with it."""
    names = list(FAMILIES)
    share = np.asarray([WEIGHTS[n] for n in names], float)
    made = []
    for number in range(count):
        rng = np.random.default_rng((seed, number))
        family = str(rng.choice(names, p=share / share.sum()))
        cut = reformat(phantom(family, rng), rng)
        made.append(
            Views(
                identifier=family,
                patient=f"{family}-{number}",
                fold=names.index(family) % FOLDS,
                group=PHANTOM,
                views=series_views(cut.voxels, cut.geometry).astype(np.int16),
                axis=-1,
                native=False,
            )
        )
    return made
