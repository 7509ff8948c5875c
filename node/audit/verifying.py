"""Whether the audit trail is as it was written: each file by itself, and that they follow each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from node.audit import chain, parts
from node.audit.chain import GENESIS, REMOVED, Broken, Head
from node.audit.parts import Part
from storage.audits import Trail


def verify(path: Path, trail: Trail | None = None, *, on_bytes: Callable[[int], object] = id) -> int:
    """How many lines there are, every one of which follows the one before.

    Args:
        path: of the file that grows; those before it are looked at too. Without `trail`, of this one alone.
        trail: what the ledger knows; then also that no line is missing at the end.
        on_bytes: told of the length of each line that was looked at.

    Raises:
        Broken: what is not as it was written; of each file the first line, one below the other.
    """
    try:
        if trail is None:
            return _alone(path, on_bytes)
        whole = _Whole(path, trail, on_bytes)
        try:
            return whole.lines()
        except Broken:
            if whole.numbers == [part.number for part in parts.parts(path)]:
                raise
            return _Whole(path, trail, on_bytes).lines()  # a file was ended meanwhile
    except OSError as error:
        raise Broken(f"{path}: {error.strerror or error}") from error


def size_bytes(path: Path, *, alone: bool) -> int:
    """How much `verify` has to read. Raises OSError."""
    return path.stat().st_size if alone else sum(part.size_bytes for part in parts.parts(path))


def _alone(path: Path, on_bytes: Callable[[int], object]) -> int:
    """A file says itself what it follows."""
    with path.open("rb") as file:
        first = file.readline()
        previous = chain.head(first).previous if first else GENESIS
        file.seek(0)
        return sum(1 for _ in chain.follow(_counted(file, on_bytes), previous=previous))


def _counted(texts: Iterator[bytes], on_bytes: Callable[[int], object]) -> Iterator[bytes]:
    for text in texts:
        on_bytes(len(text))
        yield text


class _Whole:
    """The files of a trail, one after the other, against what the ledger knows."""

    def __init__(self, path: Path, trail: Trail, on_bytes: Callable[[int], object]) -> None:
        self._trail, self._on_bytes = trail, on_bytes
        self._parts = parts.parts(path)
        self.numbers = [part.number for part in self._parts]
        self._removed: dict[int, str] = {}  # number of a file that was aged out -> its last digest
        self._ends: dict[int, str] = {}  # number of a file that is whole -> its last digest
        self._is_reached = trail.lines == 0
        self._wrong: list[str] = []

    def lines(self) -> int:
        """See `verify`."""
        count = sum(self._checked(part) for part in self._parts)
        for before, part in zip([None, *self._parts], self._parts, strict=False):
            self._check_begin(part, before)
        if not self._wrong and not self._is_reached:
            written = self._trail.lines
            self._wrong.append(
                f"line {count + 1} is missing: {written} were written, and the last is not here"
            )
        if self._wrong:
            raise Broken("\n".join(self._wrong))
        return count

    def _checked(self, part: Part) -> int:
        """How many lines of a file are as they were written; where one is not, that is said."""
        head, count = part.head or Head(), 0
        digest = head.previous
        try:
            with part.path.open("rb") as file:
                texts = _counted(self._whole_lines(part, file), self._on_bytes)
                for line in chain.follow(texts, previous=digest):
                    count, digest = count + 1, line.sha256
                    self._is_reached |= digest == self._trail.file_digest
                    self._note(line.source)
            self._ends[part.number] = digest
        except Broken as error:
            self._say(part, str(error))
        return count

    def _whole_lines(self, part: Part, texts: Iterator[bytes]) -> Iterator[bytes]:
        """Without a last line that is not whole, where the ledger does not know of it."""
        at = 0 if part.head is None else part.head.begins_at
        for text in texts:
            is_torn = not text.endswith(b"\n")
            if is_torn and part is self._parts[-1] and at >= self._trail.file_bytes:
                return
            at += len(text)
            yield text

    def _note(self, source: str) -> None:
        kind, _, rest = source.partition(":")
        if kind == REMOVED:
            number, _, digest = rest.partition(":")
            self._removed[int(number)] = digest

    def _check_begin(self, part: Part, before: Part | None) -> None:
        """What a file follows: the file before it, or one that was aged out, or for the first one nothing."""
        if part.head is None:
            return  # its first line is broken, and that is said
        expected = GENESIS if part.number == 1 else self._removed.get(part.number - 1)
        if before is not None and before.number == part.number - 1:
            expected = self._ends.get(before.number, part.head.previous)  # one that is broken: said already
        if expected is None:
            self._say(part, f"the file before it, number {part.number - 1}, is missing")
        elif part.head.previous != expected:
            self._say(part, "it does not follow the file before it: lines are missing there, or were changed")

    def _say(self, part: Part, words: str) -> None:
        is_only = len(self._parts) == 1 and part.number == 1
        self._wrong.append(words if is_only else f"{part.path.name}: {words}")
