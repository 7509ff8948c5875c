"""Masks in NIfTI files against true ones: pairs of files, or two folders with files of equal names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Final

import numpy as np

from inference.spleen.finding import voxel_mm3
from inference.spleen.labelled import Labelled, check_same_grid, mask_of, scaled
from inference.spleen.metrics import Agreement, agreement
from inference.spleen.predict import spleen_mask
from inference.spleen.slicing import turn_of
from inference.spleen.weights import SpleenWeights
from inference.workbench.nifti import is_nifti, stored_values
from storage.errors import Refused

COLUMNS: Final = ("name", *(field.name for field in fields(Agreement)))
"""Of the table and of the CSV."""

DECIMALS: Final = 4
NOTHING: Final = ""
"""For a figure that is not defined."""


def pairs_of(predicted: Path, truth: Path) -> dict[str, tuple[Path, Path]]:
    """Name -> both files.

    Raises:
        Refused: one is a file and the other a folder, or a file has no counterpart of its name.
    """
    if predicted.is_file() and truth.is_file():
        return {predicted.name: (predicted, truth)}
    if predicted.is_file() or truth.is_file():
        raise Refused("one is a file and the other a folder: give two files or two folders")
    ours, theirs = ({p.name: p for p in sorted(d.iterdir()) if is_nifti(p)} for d in (predicted, truth))
    alone = sorted(set(ours) ^ set(theirs))
    if alone:
        raise Refused(f"{alone[0]} is in one folder and not in the other ({len(alone)} such files)")
    if not ours:
        raise Refused("no NIfTI file is in the folders")
    return {name: (ours[name], theirs[name]) for name in ours}


def agreement_of(name: str, predicted: Path, truth: Path, value: int) -> Agreement:
    """Of two label maps of the same voxels, in whatever order each has them.

    Raises:
        Unreadable: a file is no NIfTI file, or ends too early.
        Refused: the two are not of the same voxels, or one is no label map.
    """
    masks, grids = [], []
    for path in (predicted, truth):
        header, values = stored_values(path)
        turn = turn_of(header.affine_lps)
        mask = turn.upright(mask_of(scaled(values, header), value, name))
        masks.append(mask)
        grids.append((mask.shape[::-1], turn.affine(header.affine_lps, values.shape)))
    check_same_grid(name, *grids)
    return agreement(masks[0], masks[1], turn.spacing_mm, voxel_mm3(grids[0][1]))


def agreement_with(labelled: Labelled, weights: SpleenWeights) -> Agreement:
    """Of what weights say of a labelled volume, on its own voxels."""
    found = spleen_mask(weights.network, weights.recipe.axis, labelled.hu, labelled.affine_lps)
    turn = turn_of(labelled.affine_lps)
    return agreement(
        turn.upright(found), turn.upright(labelled.mask), turn.spacing_mm, voxel_mm3(labelled.affine_lps)
    )


def row(name: str, found: Agreement) -> tuple[str, ...]:
    """In the order of COLUMNS."""
    return (name, *(_shown(value) for value in asdict(found).values()))


def summary(all_found: Sequence[Agreement]) -> tuple[str, ...]:
    """The mean of each figure over the volumes where it is defined."""
    columns = zip(*(asdict(found).values() for found in all_found), strict=True)
    defined = [[v for v in column if v is not None] for column in columns]
    return ("mean", *(_shown(float(np.mean(values)) if values else None) for values in defined))


def _shown(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.{DECIMALS}f}".rstrip("0").rstrip(".")
