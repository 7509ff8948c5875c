"""The models, loaded for the workbench, and `inference.analyze`."""

from __future__ import annotations

from pathlib import Path

from inference.analysis import analyse
from inference.models.bundle import Models
from inference.workbench.units import gathered
from inference.workbench.volume_reports import Analyser, VolumeReport, volume_reports


def analyser(device: str = "auto") -> Analyser:
    """What analyses a volume, its models loaded once. Raises ConfigError."""
    models = Models.load(device)
    return analyser_with(models)


def analyser_with(models: Models) -> Analyser:
    """The same with models that are loaded."""
    return lambda read: analyse(read.volume, models, read.header, read.part.checks)


def analyze(path: Path, device: str = "auto") -> list[VolumeReport]:
    """Every volume below a path; see `inference.analyze`."""
    with gathered(path) as found:
        models = analyser(device)
        return [report for unit in found.units for report in volume_reports(unit, models)]
