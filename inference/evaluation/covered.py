"""What a volume covers by the catalogue's own words, where no landmark says it more exactly."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.evaluation.case import Containment
from inference.findings import Region

COVERED: Final = Path(__file__).with_name("covered.csv")
"""One row for each region_seen of catalog.csv, written by hand."""

MASKED: Final = "(masked head and neck)"
"""The row of head_neck/, which catalog.csv does not list."""


@dataclass(frozen=True, kw_only=True)
class Covered:
    """A row of covered.csv."""

    required: frozenset[Region]  # surely in the field
    allowed: frozenset[Region]  # in the field at least in part
    series_class: str | None  # of the 16 classes; None where it cannot be said
    t12: Containment
    l3: Containment


def read_covered(path: Path = COVERED) -> dict[str, Covered]:
    """Covered by region_seen."""
    with path.open(encoding="utf-8") as file:
        return {row["region_seen"]: _covered(row) for row in csv.DictReader(file)}


def _covered(row: dict[str, str]) -> Covered:
    return Covered(
        required=_regions(row["required"]),
        allowed=_regions(row["allowed"]),
        series_class=row["series_class"] or None,
        t12=Containment(row["t12"]),
        l3=Containment(row["l3"]),
    )


def _regions(text: str) -> frozenset[Region]:
    return frozenset(Region[word] for word in text.split())
