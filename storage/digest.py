"""The digest of a data set: it tells other content and damage, not an attacker from a friend.

XXH3 with 128 bits: fifty times as fast as SHA-256, whose time is half of what an instance may cost. Two
contents with one digest have to be made on purpose, by somebody who is let in and sends both: he could as
well send one of them.
"""

from __future__ import annotations

from typing import Final

import xxhash

DIGEST_LENGTH: Final = 32
"""Hexadecimal digits."""

Bytes = bytes | bytearray | memoryview


class Digest:
    """A digest in the making."""

    def __init__(self) -> None:
        self._state = xxhash.xxh3_128()

    def update(self, data: Bytes) -> None:
        """So much more of the data set."""
        self._state.update(data)

    def text(self) -> str:
        """Of what has come so far, hexadecimal."""
        return self._state.hexdigest()


def digest_of(data: Bytes) -> str:
    """The digest of a whole data set."""
    return xxhash.xxh3_128_hexdigest(data)
