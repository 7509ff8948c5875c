"""Who says what a result object says, and when: the same for the node and for a folder."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import Final

from inference.curve import SMOOTHING_MM
from inference.results import Provenance

ALGORITHM_PARAMETERS: Final = (f"slice scores smoothed in z: Gaussian, sigma {SMOOTHING_MM:g} mm",)


def provenance(*, device_uid: str, station_name: str, revision: int, now: datetime) -> Provenance:
    """Of one analysis.

    now: when it was due, in local time; never the wall clock, for a repeat must give the same bytes.
    """
    return Provenance(
        software_version=version("ctnode"),
        device_uid=device_uid,
        station_name=station_name,
        revision=revision,
        now=now,
        algorithm_parameters=ALGORITHM_PARAMETERS,
    )


def local_time(posix: float) -> datetime:
    """A POSIX time as this installation's clock shows it."""
    return datetime.fromtimestamp(posix, UTC).astimezone()
