"""Every volume below a path with its findings, for commands that need voxels; refusals are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inference.findings import Findings
from inference.models.bundle import Models
from inference.series import ReadVolume, RefusedVolume
from inference.workbench.analysing import analyser_with
from inference.workbench.batch_files import file_name
from inference.workbench.landmarks import Landmarks, landmarks
from inference.workbench.units import Unit, gathered, only
from inference.workbench.volume_reports import read_volumes
from storage.errors import CtnodeError, Refused

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class AtWork:
    """One volume, its voxels in memory."""

    unit: Unit
    read: ReadVolume
    models: Models

    @property
    def name(self) -> str:
        """Of a folder or file for what is made of it."""
        return f"{file_name(self.unit.key)}.{self.read.volume.number}"

    def findings(self) -> Findings:
        """What the models say of it. Raises CtnodeError."""
        return analyser_with(self.models)(self.read)

    def landmarks(self, findings: Findings) -> Landmarks:
        """Its vertebrae."""
        return landmarks(self.read.volume, findings, self.models)


@contextmanager
def volumes_at_work(path: Path, series: str, device: str, tell: Tell) -> Iterator[Iterator[AtWork]]:
    """The volumes that can be read, one after the other.

    Args:
        path: as `gathered` takes it.
        series: one series alone, by its UID; '' for all.
        device: of the models.
        tell: told of each volume that is refused.

    Raises:
        Refused: there is no CT, or not this series; the archive is not safe.
        Unreadable, OutOfSpace, ConfigError: as `gathered` and `Models.load`.
    """
    with gathered(path) as found:
        if not found.units:
            raise Refused(f"no CT found ({found.ignored})")
        yield _each(only(found, series), Models.load(device), tell)


def _each(units: tuple[Unit, ...], models: Models, tell: Tell) -> Iterator[AtWork]:
    for unit in units:
        if unit.contradiction:
            tell(f"{unit.key}: {unit.contradiction}")
            continue
        try:
            for read, _ in read_volumes(unit):
                if isinstance(read, RefusedVolume):
                    tell(f"{unit.key} volume {read.number}: {read.reason}")
                else:
                    yield AtWork(unit=unit, read=read, models=models)
        except CtnodeError as error:
            tell(f"{unit.key}: {error}")
