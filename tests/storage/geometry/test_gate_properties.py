"""What holds for every series: its storage changes nothing, and no slice goes missing unnoticed."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from storage.geometry.frames import PlacedSlice
from storage.geometry.gate import Check, Outcome, Verdict, judge
from tests.storage.geometry.grids import Grid, Storage, image, slice_at


def turned(quaternion) -> np.ndarray:
    w, x, y, z = np.asarray(quaternion) / np.linalg.norm(quaternion)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + 2 * w * cross + 2 * cross @ cross


quaternions = st.tuples(*[st.integers(-50, 50)] * 4).filter(
    any
)  # no near-zeroes, on which ITK's SVD stumbles
rotations = quaternions.map(turned)
mirrors = st.sampled_from([np.diag([1.0, 1.0, s]) for s in (1, -1)])
offsets = st.tuples(*[st.floats(-1000, 1000)] * 3).map(np.asarray)
counts = st.integers(5, 25)
spacings = st.floats(0.5, 6.5)


@st.composite
def grids(draw) -> Grid:
    shape = (draw(st.integers(3, 7)), draw(st.integers(2, 5)), draw(st.integers(2, 5)))
    return Grid(
        voxels=draw(arrays(np.int16, shape, elements=st.integers(-1000, 3000))),
        origin=draw(offsets),
        axes=draw(rotations) @ draw(mirrors),
        spacing_mm=(draw(st.floats(0.3, 2)), draw(st.floats(0.3, 2)), draw(st.floats(0.5, 10))),
    )


@st.composite
def storages(draw, count: int) -> Storage:
    return Storage(
        transposed=draw(st.booleans()),
        rows_flipped=draw(st.booleans()),
        columns_flipped=draw(st.booleans()),
        numbers=draw(st.permutations(range(1, count + 1))),
    )


@given(grid=grids(), data=st.data())
def test_permutation_rotation_translation_and_flips_leave_every_voxel_at_its_place(grid, data) -> None:
    cut = grid.slices(data.draw(storages(len(grid.voxels))))
    shuffled = data.draw(st.permutations(cut))

    (part,) = judge(placed for placed, _ in shuffled).parts

    assert part.verdict is Verdict.ACCEPT and part.geometry is not None
    volume = image(part.geometry, {placed.sop_instance_uid: pixels for placed, pixels in shuffled})
    k, j, i = (axis.ravel() for axis in np.indices(grid.voxels.shape))
    points = grid.point(np.stack([i, j, k], axis=1))
    found = [volume.GetPixel(volume.TransformPhysicalPointToIndex(p)) for p in points.tolist()]
    assert found == grid.voxels[k, j, i].tolist()


def stack_along(turn, offset, count: int, spacing_mm: float) -> list[PlacedSlice]:
    return [
        slice_at(
            offset + turn[:, 2] * spacing_mm * k,
            number=k + 1,
            orientation=tuple(np.concatenate([turn[:, 0], turn[:, 1]])),
        )
        for k in range(count)
    ]


def moved(placed: PlacedSlice, by) -> PlacedSlice:
    values = vars(placed) | {"position_mm": tuple(np.asarray(placed.position_mm) + by)}
    return PlacedSlice(**values)


def noticed(slices: list[PlacedSlice], seed: int) -> str:
    """Everything that the gate does not pass over, in words."""
    shuffled = random.Random(seed).sample(slices, len(slices))
    verdict = judge(shuffled)
    assert verdict.verdict is not Verdict.ACCEPT
    told = [c for part in verdict.parts for c in part.checks if c.outcome is not Outcome.NOTED]
    return "; ".join(c.detail for c in told)


@given(turn=rotations, offset=offsets, count=counts, spacing_mm=spacings, seed=st.integers(), data=st.data())
def test_a_removed_slice_is_noticed_between_its_neighbours(
    turn, offset, count, spacing_mm, seed, data
) -> None:
    slices = stack_along(turn, offset, count, spacing_mm)
    removed = data.draw(st.integers(1, count - 2))
    del slices[removed]

    told = noticed(slices, seed)

    assert f"between instance {removed} and instance {removed + 2} " in told
    assert told.endswith("1 slice missing")


@given(turn=rotations, offset=offsets, count=counts, spacing_mm=spacings, seed=st.integers(), data=st.data())
def test_a_duplicated_slice_is_noticed_with_its_twin(turn, offset, count, spacing_mm, seed, data) -> None:
    slices = stack_along(turn, offset, count, spacing_mm)
    again = data.draw(st.integers(0, count - 1))
    twin = PlacedSlice(**(vars(slices[again]) | {"sop_instance_uid": "1.2.9", "instance_number": 99}))

    told = noticed([*slices, twin], seed)

    assert told.startswith("duplicate position ")
    assert told.endswith(f": 2 slices there (instance {again + 1}, instance 99)")


@given(
    turn=rotations,
    offset=offsets,
    count=st.integers(6, 24),  # of five, two half steps would be as common as two whole ones
    spacing_mm=spacings,
    steps=st.integers(-3, 3),
    share=st.floats(0.25, 0.75),
    seed=st.integers(),
    data=st.data(),
)
def test_a_slice_shifted_along_the_stack_is_noticed_by_name(
    turn, offset, count, spacing_mm, steps, share, seed, data
) -> None:
    slices = stack_along(turn, offset, count, spacing_mm)
    shifted = data.draw(st.integers(0, count - 1))
    slices[shifted] = moved(slices[shifted], turn[:, 2] * spacing_mm * (steps + share))

    assert f"instance {shifted + 1} " in noticed(slices, seed).replace(":", " ")


@given(
    turn=rotations,
    offset=offsets,
    count=counts,
    spacing_mm=spacings,
    angle=st.floats(0, 6.28),
    distance=st.floats(0.11, 100),
    seed=st.integers(),
    data=st.data(),
)
def test_a_slice_shifted_in_its_plane_is_noticed_by_name(
    turn, offset, count, spacing_mm, angle, distance, seed, data
) -> None:
    slices = stack_along(turn, offset, count, spacing_mm)
    shifted = data.draw(st.integers(0, count - 1))
    across = turn[:, 0] * np.cos(angle) + turn[:, 1] * np.sin(angle)
    slices[shifted] = moved(slices[shifted], across * distance)

    assert noticed(slices, seed).startswith(f"instance {shifted + 1} lies {distance:.2f} mm sideways")


APART: dict[str, Callable[[int, int], dict[str, Any]]] = {
    # which volume, which slice of it -> fields
    "temporal position": lambda n, _: {"temporal_position": n},
    "cardiac phase": lambda n, _: {"cardiac_phase_percent": 10.0 * n},
    "trigger time": lambda n, _: {"trigger_time_ms": 80.0 * n},
    "acquisition": lambda n, _: {"acquisition_number": n},
    "energy": lambda n, _: {"kvp": 80.0 + 20 * n},
    "thickness": lambda n, _: {"slice_thickness_mm": 1.0 + n},
    "image type": lambda n, _: {"image_type": ("ORIGINAL", "PRIMARY", "AXIAL", f"PHASE{n}")},
    "time of the scan": lambda n, _: {"acquisition_time_s": 36_000.0 + 20 * n},
    "time of each slice": lambda n, k: {"acquisition_time_s": 36_000.0 + 20 * n + 0.1 * k},
    "time of each file": lambda n, k: {"content_time_s": 36_000.0 + 20 * n + 0.1 * k},
    "number alone": lambda _n, _k: {},
    "kernel": lambda n, _: {"convolution_kernel": f"B{n}0"},
    "frame of reference": lambda n, _: {"frame_of_reference_uid": f"1.9.{n}"},
    "matrix": lambda n, _: {"rows": 6 + n},
    "pixel spacing": lambda n, _: {"pixel_spacing_mm": (0.5 + 0.1 * n, 0.5)},
    "orientation": lambda n, _: {"orientation": (1.0, 0.0, 0.0, 0.0, np.cos(0.1 * n), np.sin(0.1 * n))},
}


@pytest.mark.parametrize("kind", APART)
@given(sizes=st.lists(st.integers(3, 12), min_size=2, max_size=4), spacing_mm=spacings, data=st.data())
def test_interleaved_volumes_come_apart_in_any_order(kind: str, sizes, spacing_mm, data) -> None:
    """Of any sizes, from one height up, as phases are."""
    volumes = [
        [
            slice_at(
                (0, 0, spacing_mm * k),
                number=100 * n + k + 1,
                **APART[kind](n, k),
            )
            for k in range(size)
        ]
        for n, size in enumerate(sizes)
    ]
    mixed = data.draw(st.permutations([s for slices in volumes for s in slices]))

    verdict = judge(mixed)

    assert verdict.verdict is Verdict.SPLIT
    found = [sorted(s.sop_instance_uid for s in part.slices) for part in verdict.parts]
    assert found == [sorted(s.sop_instance_uid for s in slices) for slices in volumes]
    assert all(part.geometry is not None for part in verdict.parts)


@given(sizes=st.tuples(st.integers(3, 12), st.integers(3, 12)), gap=st.floats(1, 300), data=st.data())
def test_fields_of_view_side_by_side_come_apart(sizes, gap, data) -> None:
    volumes = [
        [slice_at((gap * n, 0, 2.0 * k), number=100 * n + k + 1, name=str(n)) for k in range(size)]
        for n, size in enumerate(sizes)
    ]
    slices = data.draw(st.permutations([s for own in volumes for s in own]))
    values = [PlacedSlice(**(vars(s) | {"instance_number": None})) for s in slices]

    verdict = judge(values)

    found = {frozenset(s.sop_instance_uid for s in part.slices) for part in verdict.parts}
    assert found == {frozenset(s.sop_instance_uid for s in own) for own in volumes}


@given(count=counts, data=st.data())
def test_what_nothing_tells_apart_is_held_and_named(count: int, data) -> None:
    """Two volumes over each other whose numbers are mixed: no order of them can be trusted."""
    numbers = data.draw(st.permutations(range(1, 2 * count + 1)))
    pairs = [sorted(numbers[2 * k : 2 * k + 2]) for k in range(count)]
    lows, highs = zip(*pairs, strict=True)
    if list(lows) in (sorted(lows), sorted(lows, reverse=True)) or max(lows) < min(highs):
        return
    slices = [slice_at((0, 0, 2.0 * (n // 2)), number=number) for n, number in enumerate(numbers)]

    (part,) = judge(slices).parts

    assert part.verdict is Verdict.HOLD
    assert {c.check for c in part.checks} == {Check.DUPLICATES}
