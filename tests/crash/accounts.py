"""Every acknowledged instance is there, or aged out by the policy: kept up while the node runs. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from tests.crash.checks import Finding
from tests.crash.journal import Journal, Noted

INDEX_S: Final = 3.0
"""A row follows Success; with every core busy by half a second."""


@dataclass(kw_only=True)
class Accounts:
    """What was acknowledged, by where it went."""

    age_s: float  # storage.retention_days in seconds
    aged_out: int = 0  # instances of series that are gone and were old enough
    aged_out_series: int = 0
    findings: list[Finding] = field(default_factory=list)

    def settle(self, journal: Journal, stored: Mapping[str, int], now: float) -> None:
        """Close the accounts of series that are gone.

        Args:
            stored: Series Instance UID -> its instances that have a row, read after the journal was.
            now: POSIX time before the rows were read.
        """
        for uid, notes in _by_series(journal).items():
            last = [note.acknowledged_at for note in notes.values()]
            if uid in stored or None in last:
                continue
            acknowledged_at = [at for at in last if at is not None]
            if now - max(acknowledged_at) < INDEX_S:
                continue  # its rows may still be on their way: the next look tells
            self._gone(uid, acknowledged_at, now)
            for instance in notes:
                del journal.noted[instance]

    def _gone(self, uid: str, acknowledged_at: list[float], now: float) -> None:
        """Nothing is forgotten before its time: it was received before it was acknowledged."""
        age_s = now - max(acknowledged_at)
        if age_s < self.age_s:
            detail = f"{len(acknowledged_at)} acknowledged, the last {age_s:.1f} s ago; kept {self.age_s:g} s"
            self.findings.append(Finding(kind="series gone too early", subject=uid, detail=detail))
        self.aged_out += len(acknowledged_at)
        self.aged_out_series += 1


def _by_series(journal: Journal) -> dict[str, dict[str, Noted]]:
    found: dict[str, dict[str, Noted]] = {}
    for instance, note in journal.noted.items():
        found.setdefault(note.series_instance_uid, {})[instance] = note
    return found
