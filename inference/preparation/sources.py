"""Exams below a path and their names: DICOM series, NIfTI files, MetaImage headers with .raw voxels."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import SimpleITK as sitk

from inference.workbench.content import content_digest
from inference.workbench.units import Unit, gathered
from inference.workbench.walk import below
from storage.errors import ConfigError, Refused

META_IMAGE: Final = ".mhd"

UNREADABLE: Final = "the MetaImage cannot be read by SimpleITK"

TOLD: Final = 5
"""Names in one message at most."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """One exam, not yet read."""

    unit: Unit
    names: tuple[str, ...]  # by which a CSV may call it: UID or "nifti-" and digest, file's or folder's name

    @property
    def key(self) -> str:
        """Of the unit."""
        return self.unit.key


@contextmanager
def sources(path: Path) -> Iterator[tuple[Source, ...]]:
    """Every exam below a path, in order of key.

    Args:
        path: as `gathered` takes it; MetaImage files (.mhd) of a folder are read too.

    Raises:
        Refused: there is none.
        Unreadable, OutOfSpace: as `gathered`.
    """
    with gathered(path) as found, tempfile.TemporaryDirectory(prefix="ctnode-raw-") as folder:
        broken = _convert(path, Path(folder))
        with gathered(Path(folder)) as converted:
            units = (*found.units, *converted.units, *broken)
            if not units:
                raise Refused(f"no CT found ({found.ignored})")
            folders = Counter(parent for u in units for parent in {p.parent for p in u.files})
            yield tuple(_source(u, folders) for u in sorted(units, key=lambda u: u.key))


def _convert(path: Path, folder: Path) -> list[Unit]:
    """MetaImages as NIfTI, each in a folder of its own name, so that equal names do not meet.

    Returns:
        Those that cannot be read: they are left out, and told.
    """
    here = below(path).files
    broken = []
    for number, file in enumerate(p for p in here if p.suffix.lower() == META_IMAGE):
        target = folder / str(number) / f"{file.stem}.nii"
        target.parent.mkdir()
        try:
            sitk.WriteImage(sitk.ReadImage(str(file)), str(target))
        except RuntimeError:
            target.unlink(missing_ok=True)
            key = f"meta-{content_digest([file])}"
            broken.append(Unit(key=key, files=(file,), is_nifti=True, contradiction=UNREADABLE))
    return broken


def _source(unit: Unit, folders: Counter[Path]) -> Source:
    if unit.is_nifti:
        name = unit.files[0].name
        end = next(end for end in (".nii.gz", ".nii", META_IMAGE) if name.lower().endswith(end))
        return Source(unit=unit, names=(unit.key, name[: -len(end)]))
    parents = {p.parent for p in unit.files}
    alone = len(parents) == 1 and folders[next(iter(parents))] == 1
    return Source(unit=unit, names=(unit.key, *(p.name for p in parents if alone)))


def named(found: Collection[Source], wanted: Collection[str], file: str) -> dict[str, str]:
    """Key of an exam to the name by which a CSV calls it.

    Raises:
        ConfigError: a name is of no exam, or of several, or an exam has two; says which.
    """
    known: dict[str, list[str]] = {}
    for source in found:
        for name in set(source.names):
            known.setdefault(name, []).append(source.key)
    _refuse([n for n in wanted if n not in known], file, "of no exam that was found")
    _refuse([n for n in wanted if len(known[n]) > 1], file, "of several exams")
    keys = {name: known[name][0] for name in wanted}
    twice = Counter(keys.values())
    _refuse([n for n in wanted if twice[keys[n]] > 1], file, "another name of an exam that is there already")
    return {key: name for name, key in keys.items()}


def _refuse(names: list[str], file: str, what: str) -> None:
    if names:
        more = f" and {len(names) - TOLD} more" if len(names) > TOLD else ""
        raise ConfigError(f"{file}: exam_id {', '.join(sorted(names)[:TOLD])}{more}: {what}")
