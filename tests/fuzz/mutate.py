"""Seeds changed at random: what runs where atheris does not, the same for the same number."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

LENGTHS = (0, 1, 2, 4, 0x7F, 0xFF, 0x100, 0xFFFE, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF)
"""Values that length fields are broken with."""

CHANGES_MAX = 6

Draw = random.Random


def _flip(data: bytearray, draw: Draw) -> None:
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def _byte(data: bytearray, draw: Draw) -> None:
    data[draw.randrange(len(data))] = draw.randrange(256)


def _number(data: bytearray, draw: Draw) -> None:
    """A length of two or four bytes, in either order."""
    size = draw.choice((2, 4))
    at = draw.randrange(len(data))
    value = draw.choice(LENGTHS) & (1 << 8 * size) - 1
    data[at : at + size] = value.to_bytes(size, draw.choice(("little", "big")))


def _cut(data: bytearray, draw: Draw) -> None:
    del data[draw.randrange(len(data)) :]


def _remove(data: bytearray, draw: Draw) -> None:
    at = draw.randrange(len(data))
    del data[at : at + draw.randint(1, 16)]


def _double(data: bytearray, draw: Draw) -> None:
    at = draw.randrange(len(data))
    part = data[at : at + draw.randint(1, 64)]
    to = draw.randrange(len(data))
    data[to:to] = part


def _insert(data: bytearray, draw: Draw) -> None:
    at = draw.randrange(len(data))
    data[at:at] = draw.randbytes(draw.randint(1, 12))


CHANGES: tuple[Callable[[bytearray, Draw], None], ...] = (
    _flip,
    _byte,
    _number,
    _number,
    _cut,
    _remove,
    _double,
    _insert,
)


def mutants(seeds: Sequence[bytes], number: int) -> Iterator[bytes]:
    """Every seed as it is, then changed ones without end."""
    yield from seeds
    draw = random.Random(number)
    while True:
        data = bytearray(draw.choice(seeds))
        for _ in range(draw.randint(1, CHANGES_MAX)):
            if data:
                draw.choice(CHANGES)(data, draw)
        yield bytes(data)
