"""Labels of levels: a user's CSV, one line a level, or one line an exam as the T12 and L3 thesis writes it.

Long form: exam_id, level, and slice_number or z_mm. Wide form: exam_id, T12_slice_num, L3_slice_num, ...
Other columns are not looked at, so that a corrected T12_slices.csv of `ctnode batch` is a file of labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.preparation.csv_rows import number, rows
from inference.training.landmarks import SUPERVISED
from storage.errors import ConfigError

WIDE: Final = "_slice_num"
"""End of a column's name in the wide form."""


@dataclass(frozen=True, kw_only=True)
class Label:
    """A level that was read in an exam: exactly one of the places is given."""

    exam_id: str
    level: str  # of SUPERVISED: T12, L3, ischium_bottom, ...
    slice_number: float | None = None  # from 0, by position along the normal, as `ctnode batch` counts
    z_mm: float | None = None  # of the patient's z
    line: int  # of the file


def read_labels(path: Path) -> dict[str, tuple[Label, ...]]:
    """Exam id to its labels.

    Raises:
        ConfigError: names the line and what is wrong: an unknown level, no place or two, a level given twice.
    """
    found: dict[str, tuple[Label, ...]] = {}
    for label in _labels(path):
        own = found.get(label.exam_id, ())
        if any(label.level == other.level for other in own):
            raise ConfigError(
                f"{path.name} line {label.line}: {label.level} of {label.exam_id} is given twice"
            )
        found[label.exam_id] = (*own, label)
    return found


def _labels(path: Path) -> Iterator[Label]:
    for line, row in rows(path, ("exam_id",)):
        if not row["exam_id"]:
            raise ConfigError(f"{path.name} line {line}: exam_id is empty")
        if "level" in row:
            yield _long(path, line, row)
            continue
        wide = [name for name in row if name.endswith(WIDE)]
        if not wide:
            raise ConfigError(f"{path.name}: neither a column level nor one like T12{WIDE}")
        for name in wide:
            if (at := number(path, line, name, row[name])) is not None:
                level = _level(path, line, name.removesuffix(WIDE))
                yield Label(exam_id=row["exam_id"], level=level, slice_number=at, line=line)


def _long(path: Path, line: int, row: dict[str, str]) -> Label:
    places = {name: number(path, line, name, row.get(name, "")) for name in ("slice_number", "z_mm")}
    if (places["slice_number"] is None) == (places["z_mm"] is None):
        raise ConfigError(f"{path.name} line {line}: either slice_number or z_mm is needed")
    return Label(exam_id=row["exam_id"], level=_level(path, line, row["level"]), **places, line=line)


def _level(path: Path, line: int, name: str) -> str:
    if name not in SUPERVISED:
        raise ConfigError(
            f"{path.name} line {line}: level {name!r} is not one of {', '.join(sorted(SUPERVISED))}"
        )
    return name
