"""Synthetic volumes in a folder, in the data folder's own format."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from inference.training.synthesis.atlas import Atlas
from inference.training.synthesis.loading import load_atlases
from inference.training.synthesis.recipe import Recipe
from inference.training.synthesis.synthesise import SyntheticCt, synthesise

AXIAL: Final = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

LANDMARK_COLUMNS: Final = ("id", "landmark", "slice_index", "z_mm", "confidence", "agreement")
VOLUME_COLUMNS: Final = ("id", "atlas", "ribs", "lumbar", "variant", "contrast_phase", "seed")

SEED_STEP: Final = 1_000_003
"""Volumes of one data set have seeds this far apart: two data sets share no volume by chance."""


def draws(atlases: list[Atlas], count: int, seed: int, recipe: Recipe | None = None) -> Iterator[SyntheticCt]:
    """Volumes in turn, of atlases drawn by chance; the same for the same atlases and seed."""
    rng = np.random.default_rng(seed)
    for n, index in enumerate(rng.integers(len(atlases), size=count)):
        yield synthesise(atlases[index], seed + n * SEED_STEP, recipe)


def write_dataset(
    data: Path, out: Path, count: int, seed: int, *, fold: int | None = None, recipe: Recipe | None = None
) -> int:
    """Write volumes/synthetic-<seed>-<n>.npz, landmarks.csv and synthetic.csv.

    Args:
        data: the data folder, which holds labelled/.
        out: made where it does not exist; files of the same names are replaced.
        count: of volumes.
        seed: of all of them.
        fold: only atlases that the network measured on this fold's patients may see; all by default.
        recipe: ranges and chances.

    Returns:
        How many were written.
    """
    atlases = [a for a in load_atlases(data) if fold is None or a.usable_in(fold)]
    (out / "volumes").mkdir(parents=True, exist_ok=True)
    with (
        (out / "landmarks.csv").open("w", newline="", encoding="utf-8") as points,
        (out / "synthetic.csv").open("w", newline="", encoding="utf-8") as volumes,
    ):
        landmarks, described = csv.writer(points), csv.writer(volumes)
        landmarks.writerow(LANDMARK_COLUMNS)
        described.writerow(VOLUME_COLUMNS)
        for n, ct in enumerate(draws(atlases, count, seed, recipe)):
            identifier = f"synthetic-{seed}-{n:05d}"
            save(out / "volumes" / f"{identifier}.npz", ct)
            landmarks.writerows(landmark_rows(identifier, ct))
            described.writerow(
                (identifier, ct.atlas, ct.ribs, ct.lumbar, ct.variant, ct.contrast_phase, ct.seed)
            )
    return count


def save(path: Path, ct: SyntheticCt) -> None:
    """One volume, as the data folder keeps them."""
    np.savez_compressed(
        path,
        hu=ct.hu,
        z_mm=ct.z_mm.astype(np.float32),
        pixel_mm=np.asarray(ct.pixel_mm, np.float32),
        iop=np.asarray(AXIAL, np.float32),
        source_index=np.arange(len(ct.z_mm), dtype=np.float32),
    )


def landmark_rows(identifier: str, ct: SyntheticCt) -> list[tuple[str, str, float, float, str, str]]:
    """Rows of landmarks.csv: slice_index is fractional, counted with increasing z."""
    index = np.arange(len(ct.z_mm))
    return [
        (identifier, name, round(float(np.interp(z, ct.z_mm, index)), 2), round(z, 1), "high", "yes")
        for name, z in sorted(ct.landmarks.items())
    ]
