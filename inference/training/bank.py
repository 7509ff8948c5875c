"""Projections of every study and of changed copies, made once: a step only cuts and stretches them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path
from typing import Final

import numpy as np
import SimpleITK as sitk
import torch
from torch import Tensor

from inference.projection import views
from inference.training.augment import augmented
from inference.training.folds import FOLDS
from inference.training.landmarks import score_table
from inference.training.row_targets import RowTargets, row_targets
from inference.training.split import Group
from inference.training.study import Study, load_studies, synthetic_study
from inference.training.synthesis import load_atlases, synthesise
from storage.errors import ConfigError

COPIES: Final = {
    Group.TRUNK: 36,
    Group.HEAD_NECK: 24,
    Group.MASKED: 4,
    Group.LIMB: 8,
    Group.SYNTHETIC: 3,
}
"""Copies of each study, the first as it is."""

COPIES_OF_LABELLED_HEADS: Final = 10
"""Of those masked heads whose score is known beyond the lung's apex."""

SYNTHETIC_SEED: Final = 7

LEAST_SLICES: Final = 4
"""A synthetic volume of fewer is not learnt from."""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """One study on the bank."""

    identifier: str
    patient: str  # whose it is
    folds: frozenset[int]  # whose networks may learn from it
    group: Group
    copies: tuple[Tensor, ...]  # each (FRONTAL, r, width) float16, of `projection.views`
    targets: RowTargets


def make_bank(
    data: Path, synthetic: int, seed: int, workers: int, say: Callable[[str], None] = print
) -> list[Shelf]:
    """Every study of the data folder, and synthetic ones.

    Args:
        data: the data folder.
        synthetic: how many synthetic volumes.
        seed: of every draw.
        workers: processes.
        say: told of the progress.
    """
    table = score_table(data / "priors" / "bpr_lookup_table.csv")
    with ProcessPoolExecutor(workers, get_context("spawn"), _quiet) as pool:
        made = list(
            pool.map(_synthetic_part, repeat(data), range(workers), repeat(workers), repeat(synthetic))
        )
        drawn = [study for part in made for study in part]
        say(f"{len(drawn)} synthetic volumes")
        studies = load_studies(data) + drawn
        copies = pool.map(_copies, studies, range(len(studies)), repeat(seed), chunksize=4)
        shelves = [_shelf(s, c, table) for s, c in zip(studies, copies, strict=True)]
    say(f"{len(shelves)} volumes, {sum(len(s.copies) for s in shelves)} copies")
    return shelves


def _quiet() -> None:
    torch.set_num_threads(1)
    torch.multiprocessing.set_sharing_strategy("file_system")  # type: ignore[no-untyped-call]
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)


def _synthetic_part(data: Path, part: int, parts: int, count: int) -> list[Study]:
    """Every `parts`-th synthetic volume; each is the same whatever the number of parts."""
    atlases = load_atlases(data) if count else []
    if count and not atlases:
        raise ConfigError(f"{data.name} holds no label maps to make synthetic volumes of: give --synthetic 0")
    found = []
    for n in range(part, count, parts):
        atlas = atlases[np.random.default_rng([SYNTHETIC_SEED, n]).integers(len(atlases))]
        ct = synthesise(atlas, SYNTHETIC_SEED * 1000 + n)
        folds = frozenset(f for f in range(FOLDS) if atlas.usable_in(f))
        if len(ct.z_mm) >= LEAST_SLICES and ct.landmarks:
            found.append(synthetic_study(ct, f"synthetic-{n:04}", folds))
    return found


def _copies(study: Study, number: int, seed: int) -> tuple[Tensor, ...]:
    hu = study.hu.float()
    masked = study.group is Group.MASKED
    count = COPIES[study.group]
    if masked and {"C1", "vertex"} & {name for name, _ in study.points}:
        count = COPIES_OF_LABELLED_HEADS
    rngs = [np.random.default_rng([seed, number, n]) for n in range(1, count)]
    changed = [augmented(hu, rng, masked=masked) for rng in rngs]
    return tuple(views(copy).half() for copy in (hu, *changed))


def _shelf(study: Study, copies: tuple[Tensor, ...], table: dict[str, float]) -> Shelf:
    return Shelf(
        identifier=study.identifier,
        patient=study.patient,
        folds=study.folds,
        group=study.group,
        copies=copies,
        targets=row_targets(study, table),
    )
