"""The audit file: lines are added and never changed; a line counts once it is on stable storage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from node.audit import chain
from node.audit.chain import Broken, Line
from node.config import Config
from node.config_audit import FILE_NAME
from storage.audits import Trail
from storage.blobs import sync_folder
from storage.errors import Unavailable

MODE: Final = 0o640


def audit_file(config: Config) -> Path:
    """Where the trail is."""
    return config.audit.file or config.storage.root.absolute() / FILE_NAME


def append(path: Path, lines: Sequence[Line]) -> int:
    """Add lines, whole, and return the length of the file once they are on stable storage.

    Raises:
        Unavailable: the disk does not take them.
    """
    data = "".join(f"{each.text()}\n" for each in lines).encode("ascii")
    try:
        is_new = not path.exists()
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)
        with os.fdopen(descriptor, "ab", buffering=0) as file:
            begun = os.fstat(descriptor).st_size
            if begun and os.pread(descriptor, 1, begun - 1) != b"\n":  # somebody cut it: not into his line
                data = b"\n" + data
            if file.write(data) != len(data):
                os.ftruncate(descriptor, begun)
                raise Unavailable(f"the audit file {path} takes no more")
            os.fsync(descriptor)
            length = os.fstat(descriptor).st_size
        if is_new:
            sync_folder(path.parent)
    except OSError as error:
        raise Unavailable(f"the audit file {path}: {error.strerror or error}") from error
    return length


def behind(path: Path, trail: Trail) -> list[Line]:
    """The lines that were written and not settled in the ledger, for the process ended in between.

    What of the last one is not whole is cut off: it never counted, and its rows are written again.

    Raises:
        Broken: what stands there does not follow what the ledger knows.
        Unavailable: the file cannot be read.
    """
    try:
        if not path.exists() and trail.file_bytes == 0:
            return []
        with path.open("rb+") as file:
            if os.fstat(file.fileno()).st_size < trail.file_bytes:
                raise Broken(f"the audit file {path} is shorter than it was")
            file.seek(trail.file_bytes)
            texts = file.readlines()
            if texts and not texts[-1].endswith(b"\n"):
                torn = texts.pop()
                file.truncate(trail.file_bytes + sum(map(len, texts)))
                os.fsync(file.fileno())
                del torn
    except OSError as error:
        raise Broken(f"the audit file {path}: {error.strerror or error}") from error
    return list(chain.follow(texts, previous=trail.file_digest))


def verify(path: Path, trail: Trail | None) -> int:
    """How many lines the file has, every one of which follows the one before.

    With what the ledger knows of it, also that none is missing at its end.

    Raises:
        Broken: the first line that is not as it was written.
    """
    count, digest, is_reached = 0, chain.GENESIS, trail is None or trail.lines == 0
    try:
        with path.open("rb") as file:
            for line in chain.follow(file):
                count, digest = count + 1, line.sha256
                if trail is not None and digest == trail.file_digest:
                    is_reached = True
    except OSError as error:
        raise Broken(f"{path}: {error.strerror or error}") from error
    if not is_reached and trail is not None:
        raise Broken(f"line {count + 1} is missing: {trail.lines} were written, and the last is not here")
    return count
