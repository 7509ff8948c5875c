"""Labelled volumes to learn from or to measure on: where they lie, and their voxels.

Two layouts are read. Task09 of the Medical Segmentation Decathlon (Antonelli 2022): dataset.json, whose
"training" lists pairs in imagesTr/ and labelsTr/. And plain pairs: NAME.nii.gz beside NAME_label.nii.gz, or
_seg, or _mask.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.pixels import INT16
from inference.workbench.nifti import SUFFIXES, stored_values
from inference.workbench.nifti_header import NiftiHeader
from storage.errors import Refused

DATASET: Final = "dataset.json"
ENDINGS: Final = ("_label", "_seg", "_mask")
SPLEEN: Final = "spleen"
LABEL: Final = 1
"""Of a label map that does not name its values."""

SAME_PLACE_MM: Final = 0.1
"""How far a corner of the label map may lie from the image's."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One pair of files."""

    name: str  # of the image, without its suffix
    image: Path
    label: Path
    value: int  # of the spleen in the label map


@dataclass(frozen=True, kw_only=True)
class Labelled:
    """One pair in memory."""

    name: str
    hu: NDArray[np.int16]  # (k, j, i)
    mask: NDArray[np.bool_]  # (k, j, i)
    affine_lps: NDArray[np.float64]  # (4, 4), index (i, j, k, 1) to mm


def find_cases(folder: Path) -> tuple[Case, ...]:
    """The pairs below a folder, in order of name.

    Raises:
        Refused: there is none, an image or a label is missing, or dataset.json is not that of a spleen task.
    """
    listing = folder / DATASET
    cases = _listed(folder, listing) if listing.is_file() else list(_pairs(folder))
    if not cases:
        raise Refused(
            f"no labelled volume: neither {DATASET} nor NAME.nii.gz beside NAME{ENDINGS[0]}.nii.gz is there"
        )
    names = [case.name for case in cases]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f"two volumes are called {twice[0]}")
    return tuple(sorted(cases, key=lambda case: case.name))


def _listed(folder: Path, listing: Path) -> list[Case]:
    try:
        said: Any = json.loads(listing.read_text(encoding="utf-8"))
        names = dict(said["labels"])
        pairs = [(str(entry["image"]), str(entry["label"])) for entry in said["training"]]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f'{DATASET}: "labels" or "training" is missing or damaged') from error
    value = _value_of_spleen(names)
    return [
        Case(
            name=_stem(Path(image)),
            image=_within(folder, image, n),
            label=_within(folder, label, n),
            value=value,
        )
        for n, (image, label) in enumerate(pairs, start=1)
    ]


def _value_of_spleen(names: dict[str, Any]) -> int:
    """Either way round: {"1": "spleen"} of the Decathlon, {"spleen": 1} of its successors."""
    for key, name in names.items():
        number, word = (name, key) if isinstance(name, int) else (key, name)
        if str(word).lower() == SPLEEN and str(number).isdecimal() and int(number) > 0:
            return int(number)
    raise Refused(f'{DATASET}: "labels" names no spleen; it names {", ".join(map(str, names.values()))}')


def _within(folder: Path, name: str, number: int) -> Path:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise Refused(f"{DATASET}: entry {number} of training names a place outside the folder")
    if not path.is_file():
        raise Refused(f"{DATASET}: entry {number} of training names {name}, which is not there")
    return path


def _pairs(folder: Path) -> Iterator[Case]:
    files = {
        _stem(path): path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name.lower().endswith(SUFFIXES) and not path.name.startswith(".")
    }
    labels = {name + end: name for name in files for end in ENDINGS if name + end in files}
    for label, name in labels.items():
        yield Case(name=name, image=files[name], label=files[label], value=LABEL)
    alone = sorted(set(files) - set(labels) - set(labels.values()))
    if labels and alone:
        raise Refused(f"{alone[0]}: an image without a label, or a label without an image")


def _stem(path: Path) -> str:
    return next(path.name[: -len(end)] for end in (*SUFFIXES[::-1], "") if path.name.lower().endswith(end))


def read_case(case: Case) -> Labelled:
    """Voxels and mask of a pair.

    Raises:
        Unreadable: a file is no NIfTI file, or ends too early.
        Refused: the two do not lie in one place, or the label map is none or shows no spleen.
    """
    image, stored = stored_values(case.image)
    label, values = stored_values(case.label)
    check_same_grid(case.name, (image.shape, image.affine_lps), (label.shape, label.affine_lps))
    hu = np.rint(np.nan_to_num(stored.astype(np.float32) * image.slope + image.intercept, nan=INT16.min))
    mask = mask_of(scaled(values, label), case.value, case.name)
    if not mask.any():
        raise Refused(f"{case.name}: the label map has no voxel of value {case.value}")
    return Labelled(
        name=case.name,
        hu=np.clip(hu, INT16.min, INT16.max).astype(np.int16),
        mask=mask,
        affine_lps=image.affine_lps,
    )


def scaled(values: NDArray[Any], header: NiftiHeader) -> NDArray[Any]:
    """What stored values stand for (nifti1.h, scl_slope and scl_inter)."""
    if (header.slope, header.intercept) == (1.0, 0.0):
        return values
    return np.asarray(values * header.slope + header.intercept)


def mask_of(values: NDArray[Any], value: int, name: str) -> NDArray[np.bool_]:
    """Where a label map has this value. Raises Refused where it holds what is no label."""
    if not np.isfinite(values).all() or (values != np.rint(values)).any() or values.min() < 0:
        raise Refused(f"{name}: not a label map: its values are not all 0, 1, 2 and so on")
    return np.asarray(values == value)


_Grid = tuple[tuple[int, ...], NDArray[np.float64]]


def check_same_grid(name: str, one: _Grid, other: _Grid) -> None:
    """Refuse two arrays, (i, j, k) and affine each, whose voxels are not the same places."""
    if one[0] != other[0]:
        raise Refused(f"{name}: {one[0]} voxels against {other[0]}")
    ends = np.array(np.meshgrid(*[(0, n - 1) for n in one[0]], [1], indexing="ij")).reshape(4, -1)
    apart = float(np.linalg.norm(((one[1] - other[1]) @ ends)[:3], axis=0).max())
    if apart > SAME_PLACE_MM:
        raise Refused(f"{name}: corners lie up to {apart:.2f} mm apart, at most {SAME_PLACE_MM} are let pass")
