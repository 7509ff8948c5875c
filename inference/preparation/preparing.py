"""Exams and labels to a data set, one volume in memory at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.axis import from_geometry
from inference.findings import Axis
from inference.preparation.cache import Entry, cache_arrays, write_npz
from inference.preparation.exams import PREFIX, Exam, numbered
from inference.preparation.labels import Label
from inference.preparation.patients import patients_of, signs_of
from inference.preparation.priors import write_priors
from inference.preparation.sources import Source, named
from inference.preparation.stored import stored
from inference.preparation.tables import Prepared, write_tables
from inference.series import ReadVolume, RefusedVolume
from inference.volume import Geometry
from inference.workbench.batch_files import file_name
from inference.workbench.projections import grey, project
from inference.workbench.volume_reports import read_volumes
from storage.errors import ConfigError, CtnodeError, Refused
from storage.geometry.stack import slice_centres_z_mm

CACHE: Final = "projections.npz"
VOLUMES: Final = "volumes"

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Every exam with what is said of it; checked before anything is read."""

    sources: tuple[Source, ...]
    labels: Mapping[str, tuple[Label, ...]]  # by key
    exams: Mapping[str, Exam]  # by key
    names: Mapping[str, str]  # key to the name by which the CSVs call it; the key where they do not
    patients: Mapping[str, str]  # key to patient-<number>
    unknown: int  # exams of which neither a CSV nor a header names the patient


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was made of a plan."""

    volumes: int  # that were written
    labelled: int  # of them, with at least one level
    patients: int  # whose they are
    left_out: tuple[str, ...]  # why others were not


def planned(
    found: Sequence[Source], labels: Mapping[str, tuple[Label, ...]], exams: Mapping[str, Exam]
) -> Plan:
    """Match what the CSVs say with what was found.

    Raises:
        ConfigError: a CSV names an exam that is not there, or a patient is in two splits.
    """
    by_label, by_exam = named(found, labels, "labels"), named(found, exams, "exams")
    said = {key: exams[name] for key, name in by_exam.items()}
    told = {key: exam.patient for key, exam in said.items() if exam.patient}
    signs = {s.key: signs_of(s.unit) for s in found}
    splits = {key: exam.split for key, exam in said.items()}
    return Plan(
        sources=tuple(found),
        labels={key: labels[name] for key, name in by_label.items()},
        exams=said,
        names={s.key: s.key for s in found} | by_exam | by_label,
        patients=numbered(patients_of(signs, told), splits),
        unknown=sum(not own.patient_id and key not in told for key, own in signs.items()),
    )


def prepare(plan: Plan, out: Path, tell: Tell) -> Outcome:
    """Write projections alone where `out` ends in .npz, else a data set for `ctnode train` and `evaluate`.

    Raises:
        ConfigError: something is in the way, or nothing could be read.
        OSError: `out` cannot be written.
    """
    alone = out.suffix == ".npz"
    if out.exists() and (alone or any(out.iterdir())):
        raise ConfigError(f"{out.name} is there already: another run's volumes are not mixed with this one's")
    made: list[Prepared] = []
    entries: list[Entry] = []
    left_out: list[str] = []
    for source in plan.sources:
        with _failures(source, tell, left_out):
            for read in _volumes(source):
                _add(read, source, plan, None if alone else out, made, entries)
    if not made:
        raise ConfigError("no exam could be prepared")
    if entries:
        write_npz(out if alone else out / CACHE, cache_arrays(entries))
    if not alone:
        write_priors(out / "priors")
        write_tables(out, made)
    return Outcome(
        volumes=len(made),
        labelled=sum(bool(m.levels) for m in made),
        patients=len({m.patient for m in made}),
        left_out=tuple(left_out),
    )


@contextmanager
def _failures(source: Source, tell: Tell, left_out: list[str]) -> Iterator[None]:
    """One exam's fault is told, and does not stop the others."""
    try:
        yield
    except CtnodeError as error:
        left_out.append(f"{source.key}: {error}")
        tell(left_out[-1])


def _volumes(source: Source) -> Iterator[ReadVolume]:
    """The first volume that can be read; a series of several has labels for one of them only."""
    if source.unit.contradiction:
        raise Refused(source.unit.contradiction)
    reasons = []
    for read, _ in read_volumes(source.unit):
        if not isinstance(read, RefusedVolume):
            yield read
            return
        reasons.append(read.reason)
    raise Refused("; ".join(reasons))


def _add(
    read: ReadVolume,
    source: Source,
    plan: Plan,
    out: Path | None,
    made: list[Prepared],
    entries: list[Entry],
) -> None:
    volume, exam = read.volume, plan.exams.get(source.key, Exam())
    levels, numbers = places(plan.labels.get(source.key, ()), volume.geometry)
    kept = stored(volume)
    one = Prepared(
        identifier=f"{PREFIX[exam.shows]}-{file_name(source.key)}",
        exam_id=plan.names[source.key],
        patient=plan.patients[source.key],
        exam=exam,
        axis=kept.axis,
        z_mm=kept.z_mm,
        slices=len(volume.geometry.slices),
        spacing_mm=volume.geometry.spacing_mm,
        manufacturer=read.header.manufacturer or "",
        levels=levels,
        numbers=numbers,
    )
    if (views := project(volume)) is not None:
        entries.append(
            Entry(
                exam_id=one.exam_id,
                spacing_mm=one.spacing_mm,
                frontal=grey(views.frontal_hu),
                sagittal=grey(views.sagittal_hu),
                top_mm=views.top_mm,
                z_mm=levels,
                slice_numbers=numbers,
            )
        )
    if out is not None:
        write_npz(out / VOLUMES / f"{one.identifier}.npz", kept.arrays())
    made.append(one)


def places(labels: Sequence[Label], geometry: Geometry) -> tuple[dict[str, float], dict[str, float]]:
    """Level to patient z in mm, and level to slice number, of an exam's labels.

    Raises:
        Refused: a slice or a height lies beyond the volume, or slices of a volume that is not axial are
            numbered. Names exam, level, value and range.
    """
    if not labels:
        return {}, {}
    if from_geometry(geometry) is not Axis.AXIAL:
        raise Refused(f"labels of {labels[0].exam_id}: levels are labelled in axial series only")
    z_mm = slice_centres_z_mm(geometry)
    numbers = {label.level: _slice(label, z_mm) for label in labels}
    index = np.arange(len(z_mm))
    return {level: float(np.interp(at, index, z_mm)) for level, at in numbers.items()}, numbers


def _slice(label: Label, z_mm: NDArray[np.float64]) -> float:
    """The slice number of a label, from 0 by position along the normal; a fraction between two slices."""
    who = f"labels line {label.line}: {label.level} of {label.exam_id}"
    if label.slice_number is not None:
        if not 0 <= label.slice_number <= len(z_mm) - 1:
            raise Refused(f"{who} is slice {label.slice_number:g}; there are 0 to {len(z_mm) - 1}")
        return label.slice_number
    assert label.z_mm is not None  # one of the two is given
    low, high = z_mm.min(), z_mm.max()
    if not low <= label.z_mm <= high:
        raise Refused(f"{who} is at {label.z_mm:g} mm; the slices reach from {low:g} to {high:g} mm")
    order = np.argsort(z_mm)
    return float(np.interp(label.z_mm, z_mm[order], order))
