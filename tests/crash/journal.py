"""What was sent and what was acknowledged, kept by the senders, outside the node.

A file for each sender, a line for each fact, written before the next thing is done::

    S <SOP Instance UID> <Series Instance UID> <SHA-256>   about to be sent for the first time
    A <SOP Instance UID> <POSIX time>                      Success (0x0000) came for it
    F <SOP Instance UID> <status>                          another status came: it is sent again
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.content import Sent


class Writer:
    """One sender's journal."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def sent(self, sent: Sent) -> None:
        self._line(f"S {sent.sop_instance_uid} {sent.series_instance_uid} {sent.digest}\n")

    def answered(self, sop_instance_uid: str, status: int) -> None:
        if status == 0:
            self._line(f"A {sop_instance_uid} {time.time():.3f}\n")
        else:
            self._line(f"F {sop_instance_uid} {status:04X}\n")

    def _line(self, text: str) -> None:
        os.write(self._file, text.encode())


@dataclass(kw_only=True)
class Noted:
    """What the journal says of one instance."""

    series_instance_uid: str
    digest: str  # SHA-256 of the data set that was sent
    acknowledged_at: float | None = None  # of the first Success
    acknowledged: int = 0  # how often Success came


@dataclass(kw_only=True)
class Journal:
    """All senders' journals, read on from where the last reading ended."""

    paths: tuple[Path, ...]
    noted: dict[str, Noted] = field(default_factory=dict)  # SOP Instance UID -> what is known of it
    statuses: dict[str, int] = field(default_factory=dict)  # status other than Success -> how often
    _read_to: dict[Path, int] = field(default_factory=dict)

    def read(self) -> None:
        """Take in every whole line that is new."""
        for path in self.paths:
            if not path.exists():
                continue
            with path.open("rb") as file:
                file.seek(self._read_to.get(path, 0))
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read_to[path] = self._read_to.get(path, 0) + len(whole)
            for line in whole.decode().splitlines():
                self._take(line.split(" "))

    def _take(self, words: list[str]) -> None:
        match words:
            case ["S", instance, series, digest]:
                fresh = Noted(series_instance_uid=series, digest=digest)
                known = self.noted.setdefault(instance, fresh)
                assert (known.series_instance_uid, known.digest) == (series, digest), instance
            case ["A", instance, at]:
                found = self.noted[instance]
                found.acknowledged += 1
                found.acknowledged_at = found.acknowledged_at or float(at)
            case ["F", _instance, status]:
                self.statuses[status] = self.statuses.get(status, 0) + 1
            case _:
                raise ValueError(f"not a line of a journal: {words}")

    @property
    def acknowledged(self) -> int:
        """How many instances were acknowledged."""
        return sum(note.acknowledged > 0 for note in self.noted.values())
