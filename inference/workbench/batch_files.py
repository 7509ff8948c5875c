"""Where a batch keeps its files, and how it knows what is done.

A unit is done when its JSON is whole on disk and its line is in the journal, in that order: a batch that is
killed between the two does the unit again and writes the same bytes. No file but the journal holds a time.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from inference.report import Report, plain, to_json
from inference.workbench.content import write_whole
from storage.digest import digest_of
from storage.errors import ConfigError

SAFE: Final = re.compile(r"[0-9A-Za-z-][0-9A-Za-z.-]{0,63}")
"""A key that can name a file as it is."""

PARTIAL: Final = re.compile(r"\..+\.(json|csv|svg|html)\.\d+")
"""Name of a file that `write_whole` has not finished."""

NO_SECONDS: Final = {"read": None, "infer": None, "total": None}
"""In the JSON of a batch: with wall times no two runs would write the same bytes."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """What became of a unit."""

    key: str  # of the unit
    stamp: str  # of its files as they were, and of the models; another stamp: it is done again
    digest: str  # of its bytes
    volumes: int  # in its JSON
    eligible: int  # of them, analysed
    failure: str = ""  # what nobody foresaw: it is tried again by the next run


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The folders of a batch."""

    root: Path

    @property
    def series(self) -> Path:
        """One JSON a unit, as `ctnode analyze` writes it, without wall times."""
        return self.root / "series"

    @property
    def sidecars(self) -> Path:
        """One JSON a volume, with BodyPartRegression's keys."""
        return self.root / "bpreg"

    @property
    def tag_folder(self) -> Path:
        """One JSON a unit, with what its headers say: body part, contrast agent, kernel, manufacturer."""
        return self.root / "tags"

    @property
    def folders(self) -> tuple[Path, ...]:
        """All of them."""
        return self.series, self.sidecars, self.tag_folder, self.pictures

    @property
    def pictures(self) -> Path:
        """One SVG a volume."""
        return self.root / "pictures"

    @property
    def journal(self) -> Path:
        """One line a unit that is done."""
        return self.root / "journal.jsonl"

    def make(self) -> None:
        """Make the folders that are not there. Raises OSError."""
        for folder in self.folders:
            folder.mkdir(parents=True, exist_ok=True)

    def sweep(self) -> None:
        """Remove what killed processes left half written; only under the lock: all of it is nobody's then."""
        for folder in (self.root, *self.folders):
            for partial in folder.glob(".*"):
                if PARTIAL.fullmatch(partial.name):
                    partial.unlink(missing_ok=True)

    def clear(self, key: str) -> None:
        """Remove what an earlier run wrote of a unit, its report last: there may be fewer volumes now."""
        try:
            numbers = [report["volume"] for report in read_reports(self.report(key))]
        except (OSError, ValueError):  # there is none yet
            return
        for number in numbers:
            if number is not None:
                self.sidecar(key, number).unlink(missing_ok=True)
                self.picture(key, number).unlink(missing_ok=True)
        self.tags(key).unlink(missing_ok=True)
        self.report(key).unlink()

    def is_whole(self, key: str) -> bool:
        """Whether the files of a unit are there that the tables are made of."""
        return self.report(key).exists() and self.tags(key).exists()

    def strangers(self, keys: Collection[str]) -> int:
        """How many units have results here of earlier runs and are none of these."""
        names = {self.report(key).name for key in keys}
        return sum(path.name not in names for path in self.series.glob("*.json"))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One batch at a time writes here.

        Raises:
            ConfigError: another one does.
        """
        with (self.root / ".lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise ConfigError(f"another batch writes into {self.root}") from error
            yield

    def report(self, key: str) -> Path:
        """Of a unit."""
        return self.series / f"{file_name(key)}.json"

    def sidecar(self, key: str, number: int) -> Path:
        """Of a volume."""
        return self.sidecars / f"{file_name(key)}.{number}.json"

    def tags(self, key: str) -> Path:
        """Of a unit."""
        return self.tag_folder / f"{file_name(key)}.json"

    def picture(self, key: str, number: int) -> Path:
        """Of a volume."""
        return self.pictures / f"{file_name(key)}.{number}.svg"


def file_name(key: str) -> str:
    """The key, or its digest where it is no UID and could name another place."""
    return key if SAFE.fullmatch(key) else f"series-{digest_of(key.encode())}"


def write_reports(path: Path, reports: Sequence[Report]) -> None:
    """The JSON of a unit, whole. Raises OSError."""
    write_whole(path, to_json([report | {"seconds": NO_SECONDS} for report in reports]))


def read_reports(path: Path) -> list[Report]:
    """What `write_reports` wrote. Raises OSError, ValueError."""
    reports: list[Report] = json.loads(path.read_text(encoding="utf-8"))
    return reports


def strict(value: Report) -> str:
    """Any object as strict JSON: null for what is not finite."""
    return json.dumps(plain(value), indent=1, allow_nan=False) + "\n"


class Journal:
    """What is done, by key; a line that was cut off by a crash is no line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._done = {done.key: done for done in _lines(path)}
        self._torn = path.exists() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0

    def find(self, key: str, stamps: Collection[str]) -> Done | None:
        """The unit's line, if its files and the models are still the same: if it has one of these stamps."""
        found = self._done.get(key)
        return found if found is not None and found.stamp in stamps else None

    def add(self, done: Done) -> None:
        """Write a line, on stable storage. Raises OSError."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(("\n" if self._torn else "") + json.dumps(asdict(done)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._torn = False
        self._done[done.key] = done


def _lines(path: Path) -> list[Done]:
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else ():
        try:
            found.append(Done(**json.loads(line)))
        except (ValueError, TypeError):  # cut off by a crash, or of another version
            continue
    return found
