"""What tells volumes apart that lie over each other, and what does not."""

from __future__ import annotations

import pytest

from storage.geometry.gate import Check, SeriesVerdict, Verdict, judge
from tests.storage.geometry.grids import slice_at

BY = "apart from other slices at the same positions by "


def told(verdict: SeriesVerdict) -> list[tuple[int, str]]:
    """Of each part: how many slices, and what told it from the others."""
    return [
        (len(p.slices), "; ".join(c.detail.removeprefix(BY) for c in p.checks if c.check is Check.PHASES))
        for p in verdict.parts
    ]


def test_the_attribute_is_named() -> None:
    slices = [slice_at((0, 0, k), number=10 * n + k, kvp=80 + n) for n in range(2) for k in range(5)]

    assert told(judge(slices)) == [(5, "KVP"), (5, "KVP")]


def test_two_attributes_are_named_where_one_does_not_do() -> None:
    slices = [
        slice_at((0, 0, k), number=100 * a + 10 * b + k, acquisition_number=a, kvp=80 + 60 * b)
        for a in range(2)
        for b in range(2)
        for k in range(4)
    ]

    assert told(judge(slices)) == [(4, "AcquisitionNumber and KVP")] * 4


def test_what_one_attribute_parts_is_parted_again_by_turns() -> None:
    slices = [
        slice_at((0, 0, k), number=100 * a + 10 * n + k, kvp=80 + 60 * a)
        for a in range(2)
        for n in range(3)
        for k in range(5)
    ]

    assert told(judge(slices)) == [(5, "KVP and InstanceNumber")] * 6


def test_the_surest_of_several_attributes_that_agree_is_named() -> None:
    slices = [
        slice_at((0, 0, k), number=10 * n + k, temporal_position=n, kvp=80 + n, acquisition_time_s=float(n))
        for n in range(2)
        for k in range(5)
    ]

    assert told(judge(slices)) == [(5, "TemporalPositionIdentifier")] * 2


def test_a_perfusion_scan_with_its_own_time_for_every_slice_is_parted_by_turns() -> None:
    """The table goes to and fro: at each position the order of times is that of the passes."""
    slices = [
        slice_at((0, 0, k), number=10 * n + k, acquisition_time_s=10.0 * n + (k if n % 2 == 0 else 5 - k))
        for n in range(4)
        for k in range(6)
    ]

    assert told(judge(slices)) == [(6, "AcquisitionTime")] * 4


def test_passes_around_midnight_stay_whole() -> None:
    start = 86_395.0
    slices = [
        slice_at((0, 0, k), number=10 * n + k, acquisition_time_s=(start + 20 * n + 2 * k) % 86_400)
        for n in range(2)
        for k in range(6)
    ]

    verdict = judge(slices)

    assert [{s.instance_number // 10 for s in part.slices} for part in verdict.parts] == [{0}, {1}]


def test_a_chain_of_scans_that_overlap_in_part_comes_apart() -> None:
    """No position has three slices, but there are three scans."""
    reaches = (range(20), range(15, 35), range(30, 50))
    slices = [
        slice_at((0, 0, 2 * k), number=100 * n + k, acquisition_number=n)
        for n, reach in enumerate(reaches)
        for k in reach
    ]

    assert told(judge(slices)) == [(20, "AcquisitionNumber")] * 3


def test_rotations_are_not_taken_for_scans_because_one_slice_repeats() -> None:
    """The twin lies where its rotation begins: each rotation alone would be a sound volume."""
    slices = [slice_at((0, 0, 5 * k), number=k + 1, acquisition_number=k // 4) for k in range(12)]
    twin = slice_at((0, 0, 35), number=99, acquisition_number=2)

    (part,) = judge([*slices, twin]).parts

    assert part.reason == "duplicate position 35.00 mm: 2 slices there (instance 8, instance 99)"


def test_a_tie_in_time_is_no_order() -> None:
    slices = [
        slice_at((0, 0, k), number=k + 1 if n == 0 else 20 - (7 * k) % 6, name=str(n), acquisition_time_s=k)
        for n in range(2)
        for k in range(6)
    ]

    (part,) = judge(slices).parts
    assert part.verdict is Verdict.HOLD


def test_times_of_writing_in_any_order_are_not_believed() -> None:
    """Two reconstructions that write by turns, now one first and now the other."""
    turns = [(0, 1), (1, 0), (1, 0), (0, 1), (1, 0), (0, 1)]
    slices = [
        slice_at((0, 0, k), number=2 * k + turn[n], name=str(n), content_time_s=2.0 * k + turn[n])
        for k, turn in enumerate(turns)
        for n in range(2)
    ]

    (part,) = judge(slices).parts
    assert part.verdict is Verdict.HOLD
    assert part.reason.startswith("duplicate position 0.00 mm: 2 slices there (instance 0, instance 1)")


def test_numbers_that_run_up_twice_are_two_scans_of_different_reach() -> None:
    reaches = (range(10), range(4, 8))
    slices = [
        slice_at((0, 0, 2 * k), number=20 * n + k + 1) for n, reach in enumerate(reaches) for k in reach
    ]

    assert told(judge(slices)) == [(10, "InstanceNumber"), (4, "InstanceNumber")]


def test_a_sound_scan_is_not_shattered_by_what_differs_from_slice_to_slice() -> None:
    slices = [
        slice_at(
            (0, 0, k), number=k, acquisition_number=k, kvp=80 + k, content_time_s=float(k), trigger_time_ms=k
        )
        for k in range(12)
    ]

    assert told(judge(slices)) == [(12, "")]


def test_two_hips_are_two_fields_of_view() -> None:
    slices = [slice_at((x, 0, k), number=k, name=str(x)) for x in (-150, 50) for k in range(5)]

    assert told(judge(slices)) == [(5, "ImagePositionPatient within the plane")] * 2


@pytest.mark.parametrize("shift", [0.05, 0.3, 0.5])
def test_two_phases_that_lie_between_each_other_are_two_volumes(shift: float) -> None:
    slices = [
        slice_at((0, 0, k + n * shift), number=20 * n + k + 1, acquisition_number=n + 1)
        for n in range(2)
        for k in range(12)
    ]
    verdict = judge(slices)
    assert verdict.verdict is Verdict.SPLIT
    assert told(verdict) == [(12, "AcquisitionNumber")] * 2


def test_rotations_one_after_the_other_stay_one_volume() -> None:
    slices = [slice_at((0, 0, k), number=k + 1, acquisition_number=k // 4) for k in range(16)]
    assert told(judge(slices)) == [(16, "")]


def test_sweeps_without_a_number_of_their_own_stay_together() -> None:
    slices = [slice_at((0, 0, k * 0.5), number=k + 1) for k in range(16)]
    assert told(judge(slices)) == [(16, "")]
