"""What the node keeps, read by other means than its own: sqlite3 and plain reads of the files."""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

IN_SEGMENT: Final = re.compile(r"(segments/[0-9a-f]+\.seg):([0-9]+):([0-9]+)")
BUSY_S: Final = 60.0


class NoBytes(Exception):
    """Where a row points to, no instance's file is."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of `instance`."""

    sop_instance_uid: str
    series_instance_uid: str
    path: str
    digest: str  # as the node computed it
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class SeriesRow:
    """A row of `series`."""

    series_instance_uid: str
    state: str
    instances: int
    last_received_at: float


class Ledger:
    """The ledger's tables. Nothing is written."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self) -> Iterator[Row]:
        columns = "sop_instance_uid, series_instance_uid, path, digest, size_bytes"
        for row in self._all(f"SELECT {columns} FROM instance"):
            yield Row(**dict(zip(Row.__dataclass_fields__, row, strict=True)))

    def series(self) -> list[SeriesRow]:
        columns = "series_instance_uid, state, instances, last_received_at"
        rows = self._all(f"SELECT {columns} FROM series")
        return [SeriesRow(**dict(zip(SeriesRow.__dataclass_fields__, row, strict=True))) for row in rows]

    def unsettled(self) -> dict[str, int]:
        """State -> how many series are in it, of those that something is still to happen to."""
        marks = ", ".join("?" * len(FINAL))
        found = self._all(
            f"SELECT state, count(*) FROM series WHERE state NOT IN ({marks}) GROUP BY 1", *FINAL
        )
        return {row[0]: row[1] for row in found}

    def open_associations(self) -> int:
        return int(self._all("SELECT count(*) FROM association WHERE closed_at IS NULL")[0][0])

    def aside(self) -> list[tuple[str, str]]:
        """SOP Instance UID and reason of each instance that was kept aside."""
        return [(row[0], row[1]) for row in self._all("SELECT sop_instance_uid, reason FROM aside")]

    def events(self, kind: str) -> list[tuple[str, str]]:
        """Subject and detail."""
        rows = self._all("SELECT subject, detail FROM event WHERE kind = ? ORDER BY id", kind)
        return [(row[0], row[1]) for row in rows]

    def _all(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        address = f"file:{self._path}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_S)) as connection:
            return connection.execute(statement, values).fetchall()


FINAL: Final = ("analysed", "not eligible", "failed")
"""States of a series to which nothing more happens by itself."""


def data_set_of(root: Path, path: str) -> memoryview:
    """The data set behind the preamble and file meta information (PS3.10 7.1). Raises NoBytes."""
    content = file_of(root, path)
    if content[128:132] != b"DICM" or content[132:140] != b"\x02\0\0\0UL\x04\0":
        raise NoBytes(f"{path}: no preamble and group length")
    return memoryview(content)[144 + struct.unpack_from("<I", content, 140)[0] :]


def data_set_digest(root: Path, path: str) -> str:
    """SHA-256 of the data set, hexadecimal. Raises NoBytes."""
    return hashlib.sha256(data_set_of(root, path)).hexdigest()


def file_of(root: Path, path: str) -> bytes:
    """An instance's file, a plain one or the part of a segment. Raises NoBytes."""
    place = IN_SEGMENT.fullmatch(path)
    file, offset, length = (place[1], int(place[2]), int(place[3])) if place else (path, 0, -1)
    try:
        descriptor = os.open(root / file, os.O_RDONLY)
    except OSError as error:
        raise NoBytes(f"{path}: {error.strerror}") from error
    try:
        length = os.fstat(descriptor).st_size if length < 0 else length
        content = os.pread(descriptor, length, offset)
    finally:
        os.close(descriptor)
    if len(content) != length:
        raise NoBytes(f"{path}: {length} bytes, {len(content)} are there")
    return content
