"""The volumes of the data folder as slices ready for training, with their targets."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import SimpleITK as sitk
import torch
from numpy.typing import NDArray
from torch import Tensor

from inference.preprocess import prepared_slices
from inference.training.anatomy import lung_apex_mm, vertebral_bodies, whole_slices
from inference.training.landmarks import (
    ANCHORED_WEIGHT,
    BEYOND_WEIGHT,
    SUPERVISED,
    read_anchors,
    read_landmarks,
    score_table,
    targets,
)
from inference.training.split import NOT_USED, UPPER_LIMBS, Group, Split, group_of, split_of
from inference.volume import Geometry

CANVAS: Final = 160
"""Rows and columns kept in memory: augmentation shifts and scales within, then crops to 128."""

BODY_LEVEL: Final = -0.44
"""-300 HU on the network's -1..1 scale: the body's edge."""

ANCHORS: Final = Path(__file__).with_name("anchors.csv")
"""Landmarks of head, neck and limb volumes, read by eye from ruler pictures by one reader."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """One axial volume, ready to be drawn from."""

    identifier: str  # of catalog.csv
    split: Split
    group: Group
    images: Tensor  # (k, CANVAS, CANVAS) float16, -1..1
    body: Tensor  # (k, CANVAS, CANVAS) bool: the patient, without table and clothes
    z_mm: NDArray[np.float64]  # (k,), increasing towards the head
    target: NDArray[np.float32]  # (k,) score
    weight: NDArray[np.float32]  # (k,), 0 where there is no target
    landmarks: tuple[tuple[str, float, float], ...]  # name, z mm, score: what is measured against


def load_studies(root: Path, splits: frozenset[Split]) -> list[Study]:
    """Every usable volume of the data folder that belongs to one of the splits, in order of id.

    Args:
        root: holds catalog.csv, landmarks.csv, priors/, volumes/, head_neck/, labelled/.
        splits: which to read.
    """
    patients = _patients(root / "catalog.csv")
    paths = [p for f in ("volumes", "head_neck", "labelled") for p in sorted((root / f).glob("*.npz"))]
    chosen = [p for p in paths if p.stem not in NOT_USED and p.stem not in UPPER_LIMBS]
    chosen = [p for p in chosen if split_of(patients.get(p.stem, p.stem)) in splits]
    table = score_table(root / "priors" / "bpr_lookup_table.csv")
    read, anchors = read_landmarks(root / "landmarks.csv"), read_anchors(ANCHORS)
    return [_load(p, patients.get(p.stem, p.stem), table, read, anchors) for p in chosen]


def _patients(path: Path) -> dict[str, str]:
    with path.open(encoding="utf-8") as file:
        return {row["id"]: row["patient"] for row in csv.DictReader(file)}


def _load(
    path: Path,
    patient: str,
    table: dict[str, float],
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
        points += vertebral_bodies(labels, names, z_mm)
    supervised = [(z, table[n]) for n, z in points if n in SUPERVISED]
    if group is Group.MASKED:
        apex = lung_apex_mm(hu, z_mm, pixel_mm)
        supervised += [(apex, table["lung_apex"])] if apex is not None else []
        keep = whole_slices(hu, pixel_mm)
        hu, z_mm = hu[keep], z_mm[keep]
    images = _images(hu, iop, pixel_mm)
    beyond = BEYOND_WEIGHT if group is Group.TRUNK else ANCHORED_WEIGHT
    target, weight = targets(z_mm, supervised, beyond)
    return Study(
        identifier=path.stem,
        split=split_of(patient),
        group=group,
        images=images.half(),
        body=_body(images.numpy()),
        z_mm=z_mm,
        target=target,
        weight=weight,
        landmarks=tuple((n, z, table[n]) for n, z in points if n in SUPERVISED),
    )


def _images(hu: NDArray[np.int16], iop: NDArray[np.float64], pixel_mm: NDArray[np.float64]) -> Tensor:
    geometry = Geometry(
        rows=hu.shape[1],
        columns=hu.shape[2],
        row_direction=tuple(iop[:3]),
        column_direction=tuple(iop[3:]),
        normal=tuple(np.cross(iop[:3], iop[3:])),
        pixel_spacing_mm=(float(pixel_mm[0]), float(pixel_mm[1])),
        spacing_mm=1.0,  # not used: the images are made one by one
        tilt_deg=0.0,
        frame_of_reference_uid=None,
        slices=(),
    )
    return torch.from_numpy(np.concatenate(list(prepared_slices(hu, geometry, CANVAS))))


def _body(images: NDArray[np.float32]) -> Tensor:
    """The largest thing of each slice after thin things are opened away, holes filled."""
    masks = np.zeros(images.shape, bool)
    for k, image in enumerate(images):
        inside = sitk.GetImageFromArray((image > BODY_LEVEL).astype(np.uint8))
        opened = sitk.BinaryMorphologicalOpening(inside, [2, 2])
        filled = sitk.BinaryFillhole(sitk.BinaryDilate(opened, [1, 1]))
        masks[k] = sitk.GetArrayFromImage(filled) > 0
    return torch.from_numpy(masks)
