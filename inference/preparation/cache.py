"""Projections of many exams in one .npz, as the T12 and L3 thesis keeps them; read without pickle.

| key | of n exams | |
| --- | --- | --- |
| ids | (n,) text | exam ids |
| thicks | (n,) float32 | distance between slices, mm |
| imgs_f, imgs_s | (n, r, c) uint8 | frontal, sagittal; 1 mm a pixel, 100..1500 HU; 0 beyond an exam's size |
| sizes_f, sizes_s | (n, 2) int32 | rows and columns of each |
| v_levels | (n, m) float32 | row of each level in the projections, NaN where it was not read |
| v_names | (m,) text | the levels: T12, L3, then others that were read |
| slice_nums | (n, m) float32 | the same as slice numbers |
| tops_mm | (n,) float32 | patient z of the first row |

Rows go from the head down, columns to the patient's left, or to the back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.workbench.projections import GRID_MM

FIRST: Final = ("T12", "L3")
"""Levels that every cache has."""


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One exam of the cache."""

    exam_id: str
    spacing_mm: float
    frontal: NDArray[np.uint8]  # (r, c), grey; kept so, for thousands of exams are in memory together
    sagittal: NDArray[np.uint8]  # (r, c)
    top_mm: float  # patient z of the first row
    z_mm: Mapping[str, float]  # level to patient z
    slice_numbers: Mapping[str, float]  # level to slice number, from 0


def cache_arrays(entries: Sequence[Entry]) -> dict[str, NDArray[np.generic]]:
    """The arrays of the file."""
    others = {name for e in entries for name in e.z_mm} - set(FIRST)
    names = (*FIRST, *sorted(others))
    frontal, sagittal = [e.frontal for e in entries], [e.sagittal for e in entries]
    tops = np.asarray([e.top_mm for e in entries])
    z_mm = _table(names, [e.z_mm for e in entries])
    return {
        "ids": np.asarray([e.exam_id for e in entries]),
        "thicks": np.asarray([e.spacing_mm for e in entries], np.float32),
        "imgs_f": _padded(frontal),
        "imgs_s": _padded(sagittal),
        "sizes_f": np.asarray([v.shape for v in frontal], np.int32),
        "sizes_s": np.asarray([v.shape for v in sagittal], np.int32),
        "v_levels": ((tops[:, None] - z_mm) / GRID_MM).astype(np.float32),
        "v_names": np.asarray(names),
        "slice_nums": _table(names, [e.slice_numbers for e in entries]).astype(np.float32),
        "tops_mm": tops.astype(np.float32),
    }


def _table(names: Sequence[str], rows: Sequence[Mapping[str, float]]) -> NDArray[np.float64]:
    return np.asarray([[row.get(name, np.nan) for name in names] for row in rows])


def _padded(views: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    rows, columns = (max(view.shape[side] for view in views) for side in (0, 1))
    made = np.zeros((len(views), rows, columns), np.uint8)
    for own, view in zip(made, views, strict=True):
        own[: view.shape[0], : view.shape[1]] = view
    return made


def write_npz(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """The whole file or none; its folder is made. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        np.savez_compressed(file, **dict(arrays))  # type: ignore[arg-type]
    partial.replace(path)
