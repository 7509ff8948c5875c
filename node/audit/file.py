"""The audit file: lines are added and never changed; a line counts once it is on stable storage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from node.audit import chain, parts
from node.audit.chain import Broken, Line
from node.audit.parts import Part
from storage.audits import Trail
from storage.blobs import sync_folder
from storage.errors import Unavailable

MODE: Final = 0o640


def append(path: Path, lines: Sequence[Line]) -> int:
    """Add lines, all or none, and return how many bytes they are once these are on stable storage.

    Raises:
        Unavailable: the disk does not take them.
    """
    data = "".join(f"{each.text()}\n" for each in lines).encode("ascii")
    try:
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            _write(file.fileno(), data, path)
        if is_new:
            sync_folder(path.parent)
    except OSError as error:
        raise Unavailable(f"the audit file {path}: {error.strerror or error}") from error
    return len(data)


def _write(descriptor: int, data: bytes, path: Path) -> None:
    """What a failed fsync leaves in memory may never reach the disk: it is cut off, and written again."""
    begun = os.fstat(descriptor).st_size
    try:
        if os.write(descriptor, data) != len(data):
            raise Unavailable(f"the audit file {path} takes no more")
        os.fsync(descriptor)
    except (OSError, Unavailable):
        with suppress(OSError):
            os.ftruncate(descriptor, begun)
        raise


def behind(path: Path, trail: Trail) -> list[Line]:
    """The lines that were written and not settled in the ledger, for the process ended in between.

    What of the last one is not whole is cut off: it never counted, and its rows are written again.

    Raises:
        Broken: what stands there does not follow what the ledger knows.
        Unavailable: the file cannot be read.
    """
    try:
        part = parts.growing(path)
        if part is None:
            _between(path, trail)
            return []
        return _follow(part, trail)
    except OSError as error:
        raise Unavailable(f"the audit file {path}: {error.strerror or error}") from error


def _between(path: Path, trail: Trail) -> None:
    """No file grows: rightly so before the first line, and when one file was ended and the next not begun."""
    before = parts.older(path)
    reached = _end(before[-1]) if before else 0
    if trail.file_bytes != reached:
        raise Broken(f"the audit file {path} is gone")
    if path.exists():
        os.truncate(path, 0)  # less than a line, which never counted


def _end(part: Part) -> int | None:
    """Bytes of the trail up to the end of a file."""
    return None if part.head is None else part.head.begins_at + part.size_bytes


def _follow(part: Part, trail: Trail) -> list[Line]:
    if part.head is None:
        raise Broken(f"the audit file {part.path}: line 1 is no line of an audit trail")
    known = trail.file_bytes - part.head.begins_at
    if not 0 <= known <= part.size_bytes:
        raise Broken(f"the audit file {part.path} is shorter than it was")
    with part.path.open("rb") as file:
        file.seek(known)
        texts = file.readlines()
    if texts and not texts[-1].endswith(b"\n"):
        texts.pop()
        os.truncate(part.path, known + sum(map(len, texts)))
    return list(chain.follow(texts, previous=trail.file_digest))
