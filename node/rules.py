"""The rules that complete a series, by rank. No I/O."""

from __future__ import annotations

from enum import StrEnum


class Rule(StrEnum):
    """What completed a series, in the order of rank; `series.rule` holds it."""

    COUNT_KNOWN = "count known"
    GEOMETRY_CLOSED = "geometry closed"
    LONG_QUIET = "long quiet"
    CAP = "cap"
