"""When a file of the audit trail is long or old enough for another one, and when it may go."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from node.audit import parts
from node.audit.parts import Part
from storage.blobs import sync_folder
from storage.errors import Unavailable


def is_ended(part: Part, *, size_bytes: int, before: float) -> bool:
    """Whether a file grows no more: it has so many bytes, or began before a time. Raises Unavailable."""
    if part.size_bytes >= size_bytes:
        return True
    begun = _begun_at(part)
    return begun is not None and begun < before


def over(path: Path, *, before: float, up_to: int) -> list[tuple[Part, str]]:
    """The oldest files that ended before a time, each with the digest that the one behind it follows.

    Args:
        path: of the file that grows.
        before: POSIX seconds.
        up_to: bytes of the trail that are needed no more; of what lies beyond, nothing may go.

    Raises:
        Unavailable: a file cannot be read.
    """
    found = []
    for part, after in pairwise(_parts(path)):
        ended = _begun_at(after)
        if after.head is None or after.head.begins_at > up_to or ended is None or ended >= before:
            break
        found.append((part, after.head.previous))
    return found


def remove(part: Part) -> None:
    """A file that nobody needs any more. Raises Unavailable."""
    try:
        part.path.unlink()
        sync_folder(part.path.parent)
    except OSError as error:
        raise Unavailable(f"the audit file {part.path}: {error.strerror or error}") from error


def _parts(path: Path) -> list[Part]:
    try:
        return parts.parts(path)
    except OSError as error:
        raise Unavailable(f"the audit file {path}: {error.strerror or error}") from error


def _begun_at(part: Part) -> float | None:
    try:
        return parts.begun_at(part)
    except OSError as error:
        raise Unavailable(f"the audit file {part.path}: {error.strerror or error}") from error
