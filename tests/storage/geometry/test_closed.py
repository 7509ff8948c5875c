"""What looks whole, and what is open and why: evidence that a series is complete."""

from __future__ import annotations

import random

import pytest

from storage.geometry.gate import closed
from tests.inference.series_factory import ct_slice, enhanced, placed, stack_of
from tests.storage.geometry.test_gate import PLACED, changed

CLOSED = {
    "sound": stack_of(9),
    "in any order": random.Random(1).sample(stack_of(9), 9),
    "falling": [ct_slice((0, 0, -5 * n), number=n) for n in range(1, 7)],
    "from zero": stack_of(9, first_number=0),
    "with a scout": [
        ct_slice((0, 0, 0), number=1, name="s", ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"]),
        *stack_of(5, first_number=2),
    ],
    "tilted": stack_of(6, step=(0, 1.3, 5)),
    "phases": [
        *stack_of(6, AcquisitionNumber=1),
        *stack_of(6, AcquisitionNumber=2, first_number=7, name="b"),
    ],
    "kernels": [*stack_of(6), *stack_of(6, ConvolutionKernel="B70", first_number=7, name="b")],
    "thin and thick": [
        *stack_of(21, spacing_mm=1.25, SliceThickness=1.25),
        *stack_of(6, first_number=22, name="b", SliceThickness=5),
    ],
    "enhanced": [enhanced(4)],
}


@pytest.mark.parametrize("case", CLOSED)
def test_a_closed_series(case: str) -> None:
    assert closed(placed(CLOSED[case])) is None


OPEN = {
    "nothing": ([], "no volume yet"),
    "a scout alone": (
        [ct_slice((0, 0, 0), number=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])],
        "no volume yet",
    ),
    "too few": (stack_of(2), "too few slices: 2, at least 3 make a volume (instance 1, instance 2)"),
    "a gap": (
        [ds for ds in stack_of(6) if ds.InstanceNumber != 3],
        "gap of 10.00 mm between instance 2 and instance 4 where spacing is 5.00 mm: 1 slice missing",
    ),
    "the first is missing": (stack_of(9)[1:], "InstanceNumber begins at 2"),
    "a number is missing": (
        [ct_slice((0, 0, 5 * k), number=n) for k, n in enumerate((1, 2, 4, 5))],
        "1 of InstanceNumber 1 to 5 missing",
    ),
    "no number": (changed(stack_of(6), 3, InstanceNumber=None), "InstanceNumber is absent"),
    "uneven": (
        changed(stack_of(6), 6, ImagePositionPatient=[0, 0, 26]),
        f"uneven spacing of 6.00 mm between instance 5 and instance 6 where spacing is 5.00 mm: {PLACED}",
    ),
    "a phase that grows": (
        [
            *stack_of(9, AcquisitionNumber=1),
            *stack_of(4, AcquisitionNumber=2, first_number=10, name="b"),
        ],
        "volumes 1 and 2 lie over each other with 9 and 4 slices",
    ),
}


@pytest.mark.parametrize("case", OPEN)
def test_an_open_series_says_what_is_open(case: str) -> None:
    datasets, reason = OPEN[case]
    assert closed(placed(datasets)) == reason
