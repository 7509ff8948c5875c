"""The chain of the audit file: each line holds the SHA-256 over the digest before it and its own words. Pure.

A line is a JSON object: `source` (which rows of the ledger it speaks of), `messages` (XML, in order) and
`sha256`. Who changes, removes or adds a line in the middle breaks every digest from there on; lines that are
cut off at the end are missed by the ledger, which knows the last digest.

The trail is one stream of lines, cut into files between two of them. The first line of each file but the
first is its head: which file it is, where in the stream it begins, and the digest that it follows. So the
chain goes through all files, and one of them can be checked by itself.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

GENESIS: Final = "0" * 64
"""What stands before the first line."""
KEYS: Final = {"source", "messages", "sha256"}
REMOVED: Final = "removed"
"""Source of a line that says which file was aged out: removed:3:DIGEST, of the last line in it."""


class Begin(StrEnum):
    """Why a file begins."""

    PART = "part"  # the one before was long enough, or old enough
    AGAIN = "again"  # the one before is not as it was written


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the file."""

    source: str  # event:17, association:UUID, delivery:3,4; or a head, or what was removed
    messages: tuple[str, ...]  # XML; none for rows of which nothing is audited
    sha256: str

    def text(self) -> str:
        """As it stands in the file, without its end."""
        fields = {"source": self.source, "messages": self.messages, "sha256": self.sha256}
        return json.dumps(fields, ensure_ascii=True)


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the first line of a file says of it."""

    begin: Begin = Begin.PART
    number: int = 1  # of the file, from 1
    begins_at: int = 0  # bytes of the trail before it
    previous: str = GENESIS  # the digest that it follows

    def line(self) -> Line:
        """As the first line."""
        return line(
            f"{self.begin}:{self.number}:{self.begins_at}:{self.previous}", (), previous=self.previous
        )


FIRST: Final = Head()
"""Of the first file, where it is not written."""


class Broken(Exception):
    """The chain does not hold; says from where on, and why."""


def head(text: bytes) -> Head:
    """What a first line says; that of a file without a head: `FIRST`. Raises Broken: it is no line."""
    found = _parsed(text, 1)
    begin, *words = found.source.split(":")
    if begin not in list(Begin):
        return FIRST
    try:
        number, begins_at, previous = words
        return Head(begin=Begin(begin), number=int(number), begins_at=int(begins_at), previous=previous)
    except ValueError as error:
        raise Broken("line 1 is no head of a file") from error


def line(source: str, messages: Sequence[str], *, previous: str) -> Line:
    """The line that follows another one."""
    return Line(source=source, messages=tuple(messages), sha256=_digest(source, messages, previous))


def follow(texts: Iterable[bytes], *, previous: str = GENESIS) -> Iterator[Line]:
    """The lines of a file, each checked. Raises Broken at the first that is not as it was written."""
    for number, text in enumerate(texts, 1):
        found = _parsed(text, number)
        if found.sha256 != _digest(found.source, found.messages, previous):
            raise Broken(f"line {number} was changed, or does not follow the line before it")
        previous = found.sha256
        yield found


def _parsed(text: bytes, number: int) -> Line:
    try:
        fields = json.loads(text)
        if set(fields) != KEYS or not text.endswith(b"\n"):
            raise ValueError
        return Line(source=fields["source"], messages=tuple(fields["messages"]), sha256=fields["sha256"])
    except (ValueError, TypeError) as error:
        raise Broken(f"line {number} is no line of an audit trail") from error


def _digest(source: str, messages: Sequence[str], previous: str) -> str:
    words = json.dumps([previous, source, *messages], ensure_ascii=True)
    return hashlib.sha256(words.encode("ascii")).hexdigest()
