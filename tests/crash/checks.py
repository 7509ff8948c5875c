"""What must hold of a node at rest, whatever was killed: the journal here, ledger and bytes there.

Each finding names what is wrong and where; none means that every promise held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.journal import Journal, Noted
from tests.crash.stored import FINAL, Ledger, NoBytes, Row, SeriesRow, data_set_digest


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something that must not be."""

    kind: str  # which check
    subject: str  # UID or path
    detail: str  # both values


@dataclass(kw_only=True)
class Verified:
    """Rows whose bytes were compared: a row that has not changed since is not read twice, but in the end."""

    rows: set[Row] = field(default_factory=set)


ReadDigest = Callable[[str], str]
"""Where an instance's file is -> SHA-256 of its data set. Raises NoBytes."""


def check(root: Path, ledger: Ledger, journal: Journal, verified: Verified) -> list[Finding]:
    """Every check, on a node at rest."""
    rows, series = list(ledger.rows()), ledger.series()
    fresh = [row for row in rows if row not in verified.rows]
    findings = [
        *missing(rows, journal.noted),
        *wrong_bytes(fresh, journal.noted, lambda path: data_set_digest(root, path)),
        *twice(rows),
        *wrong_counts(rows, series),
        *stuck(series),
        *(Finding(kind="kept aside", subject=uid, detail=why) for uid, why in ledger.aside()),
    ]
    if unclosed := ledger.open_associations():
        findings.append(
            Finding(kind="association open", subject="", detail=f"{unclosed} are open in the ledger")
        )
    verified.rows.update(fresh)
    return findings


def missing(rows: Iterable[Row], noted: dict[str, Noted]) -> Iterator[Finding]:
    """The first promise: what was acknowledged is there, in its series."""
    series = {row.sop_instance_uid: row.series_instance_uid for row in rows}
    for uid, note in noted.items():
        if note.acknowledged and uid not in series:
            detail = f"Success {note.acknowledged} times, first at {note.acknowledged_at}; no row"
            yield Finding(kind="acknowledged and lost", subject=uid, detail=detail)
        elif uid in series and series[uid] != note.series_instance_uid:
            detail = f"sent in {note.series_instance_uid}, stored in {series[uid]}"
            yield Finding(kind="in another series", subject=uid, detail=detail)


def wrong_bytes(rows: Iterable[Row], noted: dict[str, Noted], read: ReadDigest) -> Iterator[Finding]:
    """The second promise: each row has bytes, and they are those that were sent."""
    for row in rows:
        note = noted.get(row.sop_instance_uid)
        if note is None:
            yield Finding(kind="never sent", subject=row.sop_instance_uid, detail=row.path)
            continue
        try:
            found = read(row.path)
        except NoBytes as error:
            yield Finding(kind="row without bytes", subject=row.sop_instance_uid, detail=str(error))
            continue
        if found != note.digest:
            detail = f"{row.path}: SHA-256 {found}, {note.digest} was sent"
            yield Finding(kind="other bytes", subject=row.sop_instance_uid, detail=detail)


def twice(rows: Sequence[Row]) -> Iterator[Finding]:
    """One row for an instance, and one place for a row."""
    for what, values in (
        ("instance", Counter(row.sop_instance_uid for row in rows)),
        ("place", Counter(row.path for row in rows)),
    ):
        for value, count in values.items():
            if count > 1:
                yield Finding(kind=f"{what} twice", subject=value, detail=f"{count} rows")


def wrong_counts(rows: Iterable[Row], series: Iterable[SeriesRow]) -> Iterator[Finding]:
    """A series counts its instances."""
    counted = Counter(row.series_instance_uid for row in rows)
    for each in series:
        if counted[each.series_instance_uid] != each.instances:
            detail = f"{each.instances} in its row, {counted[each.series_instance_uid]} rows"
            yield Finding(kind="series counts wrong", subject=each.series_instance_uid, detail=detail)
    for uid in counted.keys() - {each.series_instance_uid for each in series}:
        yield Finding(kind="series without row", subject=uid, detail=f"{counted[uid]} instances")


def stuck(series: Iterable[SeriesRow]) -> Iterator[Finding]:
    """The third promise: every series comes to an end."""
    for each in series:
        if each.state not in FINAL:
            yield Finding(kind="series stuck", subject=each.series_instance_uid, detail=each.state)
