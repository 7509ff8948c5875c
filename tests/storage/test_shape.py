"""What Images in Acquisition says, and when it says nothing."""

from __future__ import annotations

import pytest

from storage.shape import Told, acquired_missing


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ([(1, 3)] * 3, 0),
        ([(1, 3)] * 2, 1),
        ([(None, 3)] * 3, 0),  # one acquisition without a number
        ([(1, 3)] * 3 + [(2, 2)] * 2, 0),
        ([(1, 3)] * 1 + [(2, 2)] * 1, 3),
        ([(1, 3)] * 4, None),  # more are stored than it tells: it tells something else
        ([(1, 3)] * 3 + [(2, 2)] * 3, None),
        ([(1, 3)] * 2 + [(1, None)], None),  # not every instance carries it
        ([(1, 3)] * 2 + [(1, 4)], None),  # two numbers for one acquisition
        ([(1, None)] * 3, None),
        ([(1, 0)] * 3, None),
        ([], None),
    ],
)
def test_images_in_acquisition(told: list[Told], expected: int | None) -> None:
    assert acquired_missing(told) == expected
    assert acquired_missing(told[::-1]) == expected
