"""The files of the audit trail: one that grows, and those before it, with numbers in their names."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final
from xml.etree import ElementTree

from node.audit import chain
from node.audit.chain import Broken, Head
from node.config import Config
from node.config_audit import FILE_NAME
from storage.blobs import sync_folder
from storage.errors import Unavailable

DIGITS: Final = 6
"""Of the number: audit.log.000001 is the first file."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """One file."""

    path: Path
    number: int  # from 1: by its name; of the one that grows, by its head
    head: Head | None  # None: its first line cannot be read
    size_bytes: int


def audit_file(config: Config) -> Path:
    """The file that grows."""
    return config.audit.file or config.storage.root.absolute() / FILE_NAME


def numbered(path: Path, number: int) -> Path:
    """Where a file is that does not grow any more."""
    return path.with_name(f"{path.name}.{number:0{DIGITS}d}")


def growing(path: Path) -> Part | None:
    """The file that grows; None: there is none, or not one whole line in it. Raises OSError."""
    try:
        return _part(path, None)
    except FileNotFoundError:
        return None


def older(path: Path) -> list[Part]:
    """The files before it, the oldest first. Raises OSError."""
    found = []
    for file in path.parent.glob(f"{path.name}.{'[0-9]' * DIGITS}"):
        if (part := _part(file, int(file.name.rpartition(".")[2]))) is not None:
            found.append(part)
    return sorted(found, key=lambda part: part.number)


def parts(path: Path) -> list[Part]:
    """All files, the oldest first. Raises OSError."""
    last = growing(path)
    return older(path) if last is None else [*older(path), last]


def next_unused(path: Path) -> int:
    """The number behind those of the files that do not grow any more."""
    return max((part.number for part in older(path)), default=0) + 1


def _part(path: Path, number: int | None) -> Part | None:
    with path.open("rb") as file:
        size_bytes = os.fstat(file.fileno()).st_size
        first = file.readline()
    if number is None and not first.endswith(b"\n"):
        return None
    try:
        head = chain.head(first)
    except Broken:
        head = None
    known = head.number if head is not None else 1
    return Part(path=path, number=known if number is None else number, head=head, size_bytes=size_bytes)


def set_aside(path: Path, number: int) -> None:
    """The file that grows gets its number, and grows no more. Raises Unavailable."""
    try:
        target = numbered(path, number)
        if target.exists():
            raise Unavailable(f"the audit file {target} is there already")
        path.rename(target)
        sync_folder(path.parent)
    except OSError as error:
        raise Unavailable(f"the audit file {path}: {error.strerror or error}") from error


def begun_at(part: Part) -> float | None:
    """When the first message of a file happened, POSIX seconds; None: it cannot be told. Raises OSError."""
    with part.path.open("rb") as file:
        for text in (file.readline(), file.readline()):
            try:
                for message in json.loads(text)["messages"]:
                    event = ElementTree.fromstring(message).find("EventIdentification")
                    if event is not None:
                        return datetime.fromisoformat(event.get("EventDateTime", "")).timestamp()
            except (ValueError, KeyError, TypeError, ElementTree.ParseError):
                return None
    return None


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether nobody else writes the trail while this lasts, by a lock that ends with the process.

    Raises:
        Unavailable: the folder cannot be had.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise Unavailable(f"the audit file {path}: {error.strerror or error}") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        yield False
        return
    try:
        yield True
    finally:
        os.close(descriptor)
