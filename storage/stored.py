"""Reading an instance's file, wherever it lies, so that what is read is what was acknowledged."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final, Protocol

from storage.digest import Bytes, Digest
from storage.errors import Unavailable

AT_ONCE_BYTES: Final = 64 << 20
"""A longer file is checked and read piece by piece."""
STEP_BYTES: Final = 1 << 20
GROUP_LENGTH_END: Final = 144
"""Preamble, prefix and File Meta Information Group Length (0002,0000)."""


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An instance's file in an open file. What takes one raises OSError, Damaged, Unavailable."""

    descriptor: int
    where: str  # for people: segment and offset, or path
    start: int  # offset of its preamble
    length: int  # in bytes
    head_length: int  # of preamble and file meta information
    check: Callable[[str], None]  # takes the digest of the data set as read; raises Damaged


class Hash(Protocol):
    """What `hashlib` and `storage.digest` have in common."""

    def update(self, data: Bytes, /) -> None:
        """So much more."""
        ...


def head_length(beginning: bytes) -> int:
    """Of preamble, prefix and file meta information (PS3.10 7.1), from the first 144 bytes."""
    return GROUP_LENGTH_END + int.from_bytes(beginning[140:GROUP_LENGTH_END], "little")


def read_into(descriptor: int, views: Sequence[memoryview], offset: int) -> int:
    """Fill views one after another, by one call where the kernel does it in one; returns how many bytes."""
    rest, done = [view for view in views if len(view)], 0
    while rest:
        count = os.preadv(descriptor, rest, offset + done)
        if count == 0:
            break
        done += count
        while rest and count >= len(rest[0]):
            count -= len(rest.pop(0))
        if count:
            rest[0] = rest[0][count:]
    return done


def open_stored(stored: Stored) -> BinaryIO:
    """The whole file, checked. The descriptor is the reader's from here on."""
    if stored.length <= AT_ONCE_BYTES:
        content = os.pread(stored.descriptor, stored.length, stored.start)
        _expect(stored, len(content))
        digest = Digest()
        digest.update(memoryview(content)[stored.head_length :])
        stored.check(digest.text())
        os.close(stored.descriptor)
        return io.BytesIO(content)
    check(stored)
    return io.BufferedReader(_Section(stored), STEP_BYTES)


def check(stored: Stored) -> None:
    """Read the file piece by piece and check its digest."""
    digest = Digest()
    feed(stored, digest)
    stored.check(digest.text())


def feed(stored: Stored, digest: Hash) -> None:
    """The data set, piece by piece, to a digest."""
    for piece in _pieces(stored, stored.head_length, stored.length):
        digest.update(piece)


def read_part(stored: Stored, offset: int, into: memoryview) -> None:
    """The bytes from an offset on into a view; the whole file is read, and its digest checked."""
    into = into.cast("B")
    end = offset + len(into)
    if offset < 0 or end > stored.length:
        raise Unavailable(f"{stored.where}: {end} bytes asked for, {stored.length} stored")
    digest = Digest()
    if stored.length - len(into) > AT_ONCE_BYTES:
        feed(stored, digest)
        _expect_all(stored, [into], offset)
    else:
        before, behind = memoryview(bytearray(offset)), memoryview(bytearray(stored.length - end))
        _expect_all(stored, [before, into, behind], 0)
        skip = stored.head_length
        for part in (before, into, behind):
            digest.update(part[skip:])
            skip = max(0, skip - len(part))
    stored.check(digest.text())


def _expect_all(stored: Stored, views: Sequence[memoryview], offset: int) -> None:
    count = read_into(stored.descriptor, views, stored.start + offset)
    missing = sum(map(len, views)) - count
    _expect(stored, stored.length - missing)


def _expect(stored: Stored, length: int) -> None:
    if length != stored.length:
        raise Unavailable(f"{stored.where}: {stored.length} bytes stored, {length} can be read")


def _pieces(stored: Stored, start: int, end: int) -> Iterator[memoryview]:
    buffer = memoryview(bytearray(STEP_BYTES))
    for offset in range(start, end, STEP_BYTES):
        piece = buffer[: min(STEP_BYTES, end - offset)]
        count = read_into(stored.descriptor, [piece], stored.start + offset)
        if count != len(piece):
            _expect(stored, offset + count)
        yield piece


class _Section(io.RawIOBase):
    """A part of a file, as a file. It closes the descriptor."""

    def __init__(self, stored: Stored) -> None:
        self._stored, self._at = stored, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        rest = max(0, self._stored.length - self._at)
        view = memoryview(buffer).cast("B")[:rest]
        count = read_into(self._stored.descriptor, [view], self._stored.start + self._at)
        self._at += count
        return count

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: self._stored.length}[whence]
        self._at = max(0, base + offset)
        return self._at

    def close(self) -> None:
        if not self.closed:
            os.close(self._stored.descriptor)
        super().close()
