"""All targets by name."""

from __future__ import annotations

from tests.fuzz import associations, commands, headers, records
from tests.fuzz.target import Target

TARGETS: dict[str, Target] = {
    **headers.TARGETS,
    **commands.TARGETS,
    **associations.TARGETS,
    **records.TARGETS,
}
