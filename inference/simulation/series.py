"""A rendered volume as a CT Image Storage series on disk, and the truth beside it as JSON."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.simulation.anatomy import Landmark, Person, landmarks
from inference.simulation.field import Field, field_of
from inference.simulation.instance import Place, ct_image
from inference.simulation.plan import Orientation, SimulationPlan
from inference.simulation.regions import RegionSpan, regions
from inference.simulation.render import render_volume
from storage.bars import tracked
from storage.errors import ConfigError

SIDECAR: Final = "simulated.json"
SIDECAR_FORMAT: Final = "ctnode-simulated/1"
STATEMENT: Final = "Simulated phantom. Not for diagnosis; research software."
_NAMESPACE: Final = uuid.UUID("6f2f8f0a-7d0a-5a55-9a6c-5a1c5c7d2b11")  # of this simulator's UIDs

_DIRECTIONS: Final[dict[Orientation, tuple[int, ...]]] = {
    Orientation.AXIAL: (1, 0, 0, 0, 1, 0),
    Orientation.CORONAL: (1, 0, 0, 0, 0, -1),
    Orientation.SAGITTAL: (0, 1, 0, 0, 0, -1),
}
"""Image Orientation (Patient): row direction, then column direction."""


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What was written, and where everything in it truly is."""

    directory: Path  # where the files are
    files: tuple[Path, ...]  # in file name order
    study_instance_uid: str
    series_instance_uid: str
    frame_of_reference_uid: str
    plan: SimulationPlan  # what was asked for
    landmarks: tuple[Landmark, ...]  # those within the scanned range, by increasing z
    regions: tuple[RegionSpan, ...]  # body regions within the scanned range, from the feet upwards
    positions_mm: tuple[float, ...]  # of the slices along z, y or x, in increasing IPP·normal
    z_range_mm: tuple[float, float]  # scanned, from edge to edge


def simulate(directory: Path, plan: SimulationPlan) -> Simulated:
    """Write the series of a plan into a directory: IM0001.dcm and on, and simulated.json.

    The same plan writes the same bytes. Series of one seed and patient id share study and frame of reference,
    so a coronal series of a seed is a reformat of its axial one.

    Raises:
        ConfigError: the directory holds files already, or the plan asks for too many voxels.
        OSError: the directory cannot be written.
    """
    field = field_of(plan)
    _claim(directory)
    voxels, _ = render_volume(plan)
    files = []
    for number, k in tracked("writing", enumerate(_order(plan, len(voxels)), start=1), total=len(voxels)):
        path = directory / f"IM{number:04d}.dcm"
        ct_image(plan, _place(plan, field, number, k), voxels[k]).save_as(path, enforce_file_format=True)
        files.append(path)
    simulated = _record(directory, tuple(files), plan, field)
    (directory / SIDECAR).write_text(json.dumps(sidecar(simulated), indent=2) + "\n", encoding="utf-8")
    return simulated


def _claim(directory: Path) -> None:
    if directory.exists() and not directory.is_dir():
        raise ConfigError(f"{directory} is not a directory")
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise ConfigError(f"{directory} is not empty: a series is written into a directory of its own")


def _order(plan: SimulationPlan, count: int) -> Iterator[int]:
    """Slice indices in file order: from the head, the front or the right; shuffled when asked for."""
    order = np.arange(count)
    if plan.orientation is not Orientation.CORONAL:
        order = order[::-1]
    if plan.slices_shuffled:
        order = np.random.default_rng([plan.seed, 4]).permutation(order)
    return (int(k) for k in order)


def _place(plan: SimulationPlan, field: Field, number: int, k: int) -> Place:
    across, down, along = field.positions_mm[k], field.row_start_mm, field.column_start_mm
    position = {
        Orientation.AXIAL: (along, down, across),
        Orientation.CORONAL: (along, across, down),
        Orientation.SAGITTAL: (across, along, down),
    }[plan.orientation]
    study, series = study_key(plan), series_key(plan)
    return Place(
        number=number,
        position_mm=position,
        orientation=_DIRECTIONS[plan.orientation],
        pixel_mm=field.pixel_mm,
        study_uid=uid("study", study),
        series_uid=uid("series", series),
        frame_of_reference_uid=uid("frame of reference", study),
        sop_instance_uid=uid("instance", f"{series} {k}"),
    )


def study_key(plan: SimulationPlan) -> str:
    """What all series of one simulated examination share."""
    return f"{plan.seed} {plan.patient_id}"


def series_key(plan: SimulationPlan) -> str:
    """Every option of a plan: what tells two series apart."""
    return json.dumps(asdict(plan), sort_keys=True)


def uid(kind: str, key: str) -> str:
    """A UID under 2.25 (PS3.5 B.2) that depends on nothing but its arguments."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, f'{kind} {hashlib.sha256(key.encode()).hexdigest()}').int}"


def _record(directory: Path, files: tuple[Path, ...], plan: SimulationPlan, field: Field) -> Simulated:
    marks = landmarks(Person.of(plan.seed))
    low, high = field.z_range_mm
    return Simulated(
        directory=directory,
        files=files,
        study_instance_uid=uid("study", study_key(plan)),
        series_instance_uid=uid("series", series_key(plan)),
        frame_of_reference_uid=uid("frame of reference", study_key(plan)),
        plan=plan,
        landmarks=tuple(mark for mark in marks if low <= mark.z_mm <= high),
        regions=regions(marks, low, high),
        positions_mm=field.positions_mm,
        z_range_mm=(round(low, 4), round(high, 4)),
    )


def sidecar(simulated: Simulated) -> dict[str, Any]:
    """The truth as JSON: every length in mm, in the patient frame (LPS)."""
    plan = simulated.plan
    return {
        "format": SIDECAR_FORMAT,
        "statement": STATEMENT,
        "study_instance_uid": simulated.study_instance_uid,
        "series_instance_uid": simulated.series_instance_uid,
        "frame_of_reference_uid": simulated.frame_of_reference_uid,
        "axis": plan.orientation.value,
        "contrast": plan.contrast,
        "coverage": plan.coverage.value,
        "plan": asdict(plan),
        "spacing_mm": plan.spacing_mm,
        "z_range_mm": list(simulated.z_range_mm),
        "positions_mm": list(simulated.positions_mm),
        "landmarks": {m.name: {"x_mm": m.x_mm, "y_mm": m.y_mm, "z_mm": m.z_mm} for m in simulated.landmarks},
        "regions": [asdict(region) for region in simulated.regions],
        "files": [path.name for path in simulated.files],
    }
