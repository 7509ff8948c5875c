"""Whatever headers say or lack, the gate has an answer, and the same one in any order."""

from __future__ import annotations

import json
import random
from dataclasses import asdict

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage.geometry.frames import PlacedSlice
from storage.geometry.gate import Outcome, Verdict, closed, judge
from tests.storage.geometry.grids import CT, slice_at

pytestmark = pytest.mark.filterwarnings("error")  # no division by zero, no empty mean

numbers = st.sampled_from([0.0, 1.0, -1.0, 0.5, 1e-9, 2.5, 5.0, 999_999_999.0, -1e-300])
whole = st.none() | st.sampled_from([0, 1, 2, 3, -5, 2**31])
slices = st.builds(
    PlacedSlice,
    sop_instance_uid=st.sampled_from([f"1.{n}" for n in range(12)]),
    sop_class_uid=st.sampled_from([CT, CT, CT, CT + ".1", ""]),
    frame=st.integers(1, 3),
    frames=st.sampled_from([1, 1, 1, 4]),
    modality=st.sampled_from([None, "CT", "CT", "MR"]),
    image_type=st.sampled_from([(), ("ORIGINAL", "PRIMARY", "AXIAL"), ("DERIVED",), ("", "", "LOCALIZER")]),
    samples_per_pixel=st.sampled_from([1, 1, 1, 3]),
    rescale_type=st.sampled_from([None, "HU", "", "US", "OD"]),
    instance_number=whole,
    acquisition_number=whole,
    temporal_position=whole,
    acquisition_time_s=st.none() | numbers,
    content_time_s=st.none() | numbers,
    trigger_time_ms=st.none() | numbers,
    cardiac_phase_percent=st.none() | numbers,
    kvp=st.none() | numbers,
    kernel=st.sampled_from([None, "B30"]),
    frame_of_reference_uid=st.sampled_from([None, "1.9"]),
    rows=st.sampled_from([None, 0, 6, 6]),
    columns=st.sampled_from([None, 5, 5]),
    position_mm=st.none() | st.tuples(numbers, numbers, numbers),
    orientation=st.sampled_from(
        [
            None,
            (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
            (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
            (0.0,) * 6,
            (1.0, 0.0, 0.0, 1.0, 0.0, 0.0),
            (9e8,) * 6,
        ]
    ),
    pixel_spacing_mm=st.sampled_from([None, (0.7, 0.7), (0.7, 0.7), (0.0, 1.0), (-1.0, 1.0)]),
    slice_thickness_mm=st.none() | numbers,
    rescale_slope=st.none() | numbers,
    rescale_intercept=st.none() | numbers,
)


def told(placed, seed: int | None = None) -> str:
    own = list(placed) if seed is None else random.Random(seed).sample(placed, len(placed))
    return json.dumps(asdict(judge(own)), default=str)


@settings(max_examples=400)
@given(placed=st.lists(slices, max_size=14, unique_by=lambda s: (s.sop_instance_uid, s.frame)))
def test_nonsense_gets_a_verdict(placed: list[PlacedSlice]) -> None:
    verdict = judge(placed)

    parted = [s for part in verdict.parts for s in part.slices]
    assert sorted(parted, key=repr) == sorted(placed, key=repr)
    for part in verdict.parts:
        assert (part.geometry is None) is (part.verdict is Verdict.HOLD)
        assert bool(part.reason) is (part.verdict is not Verdict.ACCEPT)
        assert any(c.outcome is Outcome.HELD for c in part.checks) is (part.verdict is Verdict.HOLD)
    assert isinstance(closed(placed), str | None)


near = st.integers(0, 6).map(lambda k: 2.5 * k) | st.floats(0, 15)


@settings(max_examples=300)
@given(
    heights=st.lists(near, min_size=3, max_size=14),
    aside=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.05, 30.0]), min_size=14, max_size=14),
    acquisitions=st.lists(st.integers(1, 2), min_size=14, max_size=14),
    seed=st.integers(),
)
def test_any_heights_get_one_verdict_in_any_order(heights, aside, acquisitions, seed) -> None:
    placed = [
        slice_at((x, 0, z), number=n, acquisition_number=acquisition)
        for n, (z, x, acquisition) in enumerate(zip(heights, aside, acquisitions, strict=False), start=1)
    ]

    assert told(placed) == told(placed, seed)
