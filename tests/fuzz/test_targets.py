"""Every target for a bounded number of inputs, the same each time; and that fuzzing finds what is wrong."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from itertools import islice

import pytest

from tests.fuzz.mutate import mutants
from tests.fuzz.targets import TARGETS

NUMBER = 20260701
"""Of the random changes."""


pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def no_logs() -> Iterator[None]:
    logging.disable()
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_it(name: str) -> None:
    target = TARGETS[name]
    for data in islice(mutants(target.seeds(), NUMBER), target.iterations):
        try:
            target.run(data)
        except Exception as error:
            raise AssertionError(f"{name}: {data.hex()}") from error


def test_the_same_number_gives_the_same_inputs() -> None:
    first, second = (list(islice(mutants([b"abcdefgh" * 4], 3), 200)) for _ in range(2))
    assert first == second
    assert len(set(first)) > 150


def test_changes_find_a_length_that_is_believed() -> None:
    def believes(data: bytes) -> None:
        if len(data) >= 8:
            assert int.from_bytes(data[4:8], "little") <= 2 * len(data)

    with pytest.raises(AssertionError):
        for data in islice(mutants([b"\0\0\0\0\x04\0\0\0abcd"], NUMBER), 2_000):
            believes(data)
