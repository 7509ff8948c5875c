"""What a user says of whole exams, and whose they are: patients get numbers, and a split holds all of one.

The number of a patient decides the fold that leaves the patient out (`inference.training.folds.fold_of`). No
Patient ID is written anywhere.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Final

from inference.evaluation.regions import CLASSES
from inference.preparation.csv_rows import number, rows
from inference.training.folds import FOLDS, fold_of
from storage.errors import ConfigError


class Shows(StrEnum):
    """What is scanned: by it volumes are drawn in training, and figures are grouped."""

    TRUNK = "trunk"
    HEAD = "head"
    NECK = "neck"
    LEGS = "legs"


PREFIX: Final = {Shows.TRUNK: "exam", Shows.HEAD: "head", Shows.NECK: "neck", Shows.LEGS: "sts"}
"""Of identifiers: `inference.training.split.group_of` tells what is scanned by it."""

CONTRAST: Final = frozenset({"", "yes", "no"})


@dataclass(frozen=True, kw_only=True)
class Exam:
    """One line of the exams' CSV; the defaults where there is none."""

    patient: str = ""  # any word that is the same for all exams of a patient; '' for what the header says
    split: int | None = None  # the fold that holds the patient out, 0 to FOLDS - 1
    shows: Shows = Shows.TRUNK
    series_class: str = ""  # one of the 16; '' where it is not known
    iv_contrast: str = ""  # yes, no, or '' where it is not known


def read_exams(path: Path) -> dict[str, Exam]:
    """Exam id to what is said of it; every column but exam_id may be left out.

    Raises:
        ConfigError: names the line and the value that is not allowed.
    """
    found: dict[str, Exam] = {}
    for line, row in rows(path, ("exam_id",)):
        name = row["exam_id"]
        if not name or name in found:
            raise ConfigError(f"{path.name} line {line}: exam_id is {'given twice' if name else 'empty'}")
        found[name] = _exam(path, line, row)
    return found


def _exam(path: Path, line: int, row: dict[str, str]) -> Exam:
    split = number(path, line, "split", row.get("split", ""))
    _check(path, line, "split", split, (None, *range(FOLDS)))
    shows = row.get("shows", "") or Shows.TRUNK.value
    _check(path, line, "shows", shows, tuple(Shows))
    series_class, contrast = row.get("series_class", ""), row.get("iv_contrast", "").lower()
    _check(path, line, "series_class", series_class, ("", *CLASSES))
    _check(path, line, "iv_contrast", contrast, sorted(CONTRAST))
    return Exam(
        patient=row.get("patient", ""),
        split=None if split is None else int(split),
        shows=Shows(shows),
        series_class=series_class,
        iv_contrast=contrast,
    )


def _check(path: Path, line: int, column: str, value: object, allowed: object) -> None:
    if value not in allowed:  # type: ignore[operator]
        raise ConfigError(f"{path.name} line {line}: {column} is {value!r}; allowed are {allowed}")


def numbered(whose: Mapping[str, str], splits: Mapping[str, int | None]) -> dict[str, str]:
    """Each exam's patient, as patient-<number>; the number's rest by FOLDS is the split where one is given.

    Args:
        whose: exam to what tells its patient from others.
        splits: exam to its split; None where any will do.

    Raises:
        ConfigError: a patient is in two splits; says of how many this is true, and not of whom.
    """
    wanted: dict[str, set[int]] = defaultdict(set)
    for exam, patient in whose.items():
        split = splits.get(exam)
        wanted[patient] |= set() if split is None else {split}
    torn = sum(len(found) > 1 for found in wanted.values())
    if torn:
        raise ConfigError(f"{torn} patients are in more than one split: all exams of one belong together")
    used: set[int] = set()
    names = {}
    first = {patient: exam for exam, patient in sorted(whose.items(), reverse=True)}
    for patient in sorted(wanted, key=lambda p: (not wanted[p], first[p])):
        split = next(iter(wanted[patient]), len(used) % FOLDS)
        free = next(n for n in count(split, FOLDS) if n not in used)
        used.add(free)
        names[patient] = f"patient-{free:05}"
        assert fold_of(names[patient]) == split
    return {exam: names[patient] for exam, patient in whose.items()}
