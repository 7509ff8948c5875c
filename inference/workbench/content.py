"""The digest of what was read, and files written whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from storage.digest import Digest, digest_of

CHUNK_BYTES: Final = 1 << 20


def content_digest(files: Sequence[Path]) -> str:
    """Of the bytes of several files, whatever their names and their order. Raises OSError."""
    own = sorted(_file_digest(path) for path in files)
    return own[0] if len(own) == 1 else digest_of("".join(own).encode())


def _file_digest(path: Path) -> str:
    digest = Digest()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.text()


@dataclass(frozen=True, kw_only=True)
class State:
    """Files as they are now, without having read them."""

    stamp: str  # other where a name, a size or a time of change is; where they lie is no part of it
    size_bytes: int  # of all of them


def state_of(files: Sequence[Path]) -> State:
    """A cohort that was moved, or unpacked again, has the same stamps. Raises OSError."""
    states = [(path.name, (stat := path.stat()).st_size, stat.st_mtime_ns) for path in files]
    return State(stamp=digest_of(repr(states).encode()), size_bytes=sum(size for _, size, _ in states))


def write_whole(path: Path, content: str | bytes) -> None:
    """The whole file or the old one, on stable storage: a reader never sees half of it. Raises OSError."""
    data = content.encode() if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
