"""The sentences of deploy/EDGES.md: one cell for each reader and edge. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.edges.judging import TOLERANCE_HU, Fit, Judged, Worth
from tests.edges.ours import Ours

SENTENCE_AT_MOST = 150
"""Characters of a message in a cell."""

BEARS = re.compile(
    r"tilt|distance|nonuniform|duplicate|repeat|not stacked|missing|single slice|orientation|increment|order"
    r"|instance number|unsupported|not large enough|sorted|slope|voxel size|direction|localizer",
    re.IGNORECASE,
)
"""Of several messages those are shown first that bear on the geometry."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One edge and what became of it."""

    name: str
    what: str  # what the files are
    documented: str  # where, or what would be expected
    ours: Ours
    our_worth: Judged
    peers: dict[str, Judged]  # by name


def our_cell(row: Row, note: str | None = None) -> str:
    """The verdict, the volumes, the reason."""
    kinds = [
        f"{slices} slices at {spacing:g} mm" + (f", tilt {tilt:g}°" if tilt >= 1 else "")
        for slices, spacing, tilt in row.ours.volumes
    ]
    several = f"{len(kinds)} volumes: " if len(kinds) > 1 else ""
    said = [several + _counted(kinds)] if kinds else []
    said += [_short(reason) for reason in row.ours.reasons[:2]]
    more = len(row.ours.reasons) - 2
    said += [f"and {more} more"] if more > 0 else []
    said += [note] if note else []
    wrong = row.our_worth.worth in (Worth.SILENT, Worth.WARNED)
    return "; ".join([f"**{row.ours.verdict}**" + (f" ({row.our_worth.worth})" if wrong else ""), *said])


def peer_cell(judged: Judged) -> str:
    """How it did, what it made, what it said."""
    parts = [f"**{judged.worth}**"]
    volumes = [_volume(*fit) for fit in judged.fits if fit[1] is not Fit.APART]
    if judged.worth is not Worth.RIGHT or len(volumes) > 1:
        parts += [_counted(volumes)] if volumes else []
    if judged.missing and volumes:
        parts.append(f"{judged.missing} of the true volumes not there")
    if judged.worth is not Worth.RIGHT:
        parts += _messages(judged)
    return "; ".join(parts)


def tally(rows: Sequence[Row], peer: str) -> dict[Worth, int]:
    """How often a peer did how."""
    return {worth: sum(row.peers[peer].worth is worth for row in rows) for worth in Worth}


def _volume(output: object, fit: Fit, off_hu: float) -> str:
    shape = getattr(output, "shape", "")
    if fit is Fit.WHOLE:
        return f"{shape} right"
    if fit is Fit.PART:
        return f"{shape} a part"
    if fit is Fit.JOINED:
        return f"{shape} joining what is apart"
    return f"{shape} {_off(off_hu)}"


def _off(off_hu: float) -> str:
    if off_hu == float("inf"):
        return "elsewhere"
    return f"up to {off_hu:.0f} HU off" if off_hu > TOLERANCE_HU else "made up"


def _counted(kinds: Sequence[str]) -> str:
    """Each kind once, with how many of it there are."""
    counts = {kind: kinds.count(kind) for kind in kinds}
    return ", ".join(kind if n == 1 else f"{n} × {kind}" for kind, n in counts.items())


def _messages(judged: Judged) -> list[str]:
    """What the reader said, the two messages that bear most on it."""
    said = sorted(judged.said, key=lambda line: not BEARS.search(line))
    stop = judged.error.removeprefix("ConversionValidationError: ").removeprefix("ConversionError: ")
    lines = [stop, *said][:2] if stop and not stop.startswith("exit status") else said[:2] or [stop]
    return [f"“{_short(line)}”" for line in lines if line]


def _short(message: str) -> str:
    """A message fit for a table: no UIDs of ours, no bars, not endless."""
    plain = re.sub(r"\d+(\.\d+){6,}", "UID", message).replace("|", "/").replace("*", "\\*")
    return plain if len(plain) <= SENTENCE_AT_MOST else plain[: SENTENCE_AT_MOST - 1].rstrip() + "…"
