"""The chain of the audit file: each line holds the SHA-256 over the digest before it and its own words. Pure.

A line is a JSON object: `source` (which rows of the ledger it speaks of), `messages` (XML, in order) and
`sha256`. Who changes, removes or adds a line in the middle breaks every digest from there on; lines that are
cut off at the end are missed by the ledger, which knows the last digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

GENESIS: Final = "0" * 64
"""What stands before the first line."""
KEYS: Final = {"source", "messages", "sha256"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of the file."""

    source: str  # event:17, association:UUID, delivery:3,4
    messages: tuple[str, ...]  # XML; none for rows of which nothing is audited
    sha256: str

    def text(self) -> str:
        """As it stands in the file, without its end."""
        fields = {"source": self.source, "messages": self.messages, "sha256": self.sha256}
        return json.dumps(fields, ensure_ascii=True)


class Broken(Exception):
    """The chain does not hold; says from where on, and why."""


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
