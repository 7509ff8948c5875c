"""The 16 series classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.coverage import END_SD, UNJUDGED_FACTOR, Coverage, coverage_of, likely_ends, shared_errors
from inference.curve import SLOPE_PER_MM
from inference.field_edge import body_at_edge
from inference.findings import ClassGuess
from inference.kernel import Kernel
from inference.results.codes import UNDETERMINED, body_part_codes
from inference.series_class import Acquisition, decided, series_classes
from inference.series_protocols import ANY_KERNEL, PROTOCOLS
from tests.inference.score_factory import CALIBRATION, fitted

NAMES = [
    "Head", "Head and face", "Face/Orbits/Sinus", "Temporal bone", "Head and neck", "Neck", "C-spine",
    "C and T spine", "T-spine", "T and L-spine", "L-spine", "Chest", "Chest-abdomen-pelvis", "Abdomen",
    "Abdomen-pelvis", "Pelvis",
]  # fmt: skip


def covering(low: float, high: float, sd: float = 1.2) -> Coverage:
    return Coverage(low=low, high=high, shared_sd=sd, low_sd=END_SD, high_sd=END_SD)


def test_the_classes_are_the_sixteen_and_each_has_a_code() -> None:
    assert list(PROTOCOLS) == NAMES
    for name in NAMES:
        codes = body_part_codes(name)
        assert codes
        assert UNDETERMINED not in codes


def test_the_table_is_sound() -> None:
    for name, protocol in PROTOCOLS.items():
        for low, high in (protocol.low, protocol.high, protocol.field_mm):
            assert low < high, name
        assert protocol.low[0] < protocol.high[1], name
        assert sum(protocol.kernels.values()) == pytest.approx(1), name
    assert sum(ANY_KERNEL.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("low", "high", "acquisition", "expected"),
    [
        (90, 107, Acquisition(field_of_view_mm=230), "Head"),
        (83, 107, Acquisition(field_of_view_mm=230), "Head and face"),
        (86, 101, Acquisition(field_of_view_mm=160), "Face/Orbits/Sinus"),
        (90, 97, Acquisition(field_of_view_mm=100, kernel=Kernel.BONE, spacing_mm=0.6), "Temporal bone"),
        (70, 106, Acquisition(field_of_view_mm=300), "Head and neck"),
        (68, 92, Acquisition(field_of_view_mm=260, kernel=Kernel.SOFT), "Neck"),
        (73, 91, Acquisition(field_of_view_mm=150, kernel=Kernel.BONE), "C-spine"),
        (46, 91, Acquisition(field_of_view_mm=160, kernel=Kernel.BONE), "C and T spine"),
        (41, 78, Acquisition(field_of_view_mm=160, kernel=Kernel.SHARP), "T-spine"),
        (20, 78, Acquisition(field_of_view_mm=180), "T and L-spine"),
        (20, 47, Acquisition(field_of_view_mm=160), "L-spine"),
        (40, 78, Acquisition(field_of_view_mm=350, kernel=Kernel.LUNG), "Chest"),
        (-3, 78, Acquisition(field_of_view_mm=400), "Chest-abdomen-pelvis"),
        (28, 57, Acquisition(field_of_view_mm=400), "Abdomen"),
        (-3, 57, Acquisition(field_of_view_mm=400), "Abdomen-pelvis"),
        (-3, 30, Acquisition(field_of_view_mm=400), "Pelvis"),
    ],
)
def test_a_usual_protocol_is_recognised(
    low: float, high: float, acquisition: Acquisition, expected: str
) -> None:
    first, *others = series_classes(covering(low, high), acquisition)
    assert first.name == expected
    assert first.probability > 0.8
    assert decided([first, *others]) is first


@pytest.mark.parametrize(
    ("low", "high", "field_mm"),
    [
        (-60, -20, 200),  # legs
        (20, 78, 400),  # chest and abdomen without pelvis
        (-40, 107, 500),  # whole body
        (43, 52, 350),  # a slab
        (-16, 6, 200),  # a hip and thigh
        (30, 105, 400),
    ],
)
def test_what_is_none_of_the_sixteen_is_not_forced(low: float, high: float, field_mm: float) -> None:
    assert decided(series_classes(covering(low, high), Acquisition(field_of_view_mm=field_mm))) is None


def guess(coverage: Coverage, acquisition: Acquisition) -> dict[str, float]:
    return {g.name: g.probability for g in series_classes(coverage, acquisition)}


def test_the_same_range_is_parted_by_field_kernel_and_edge() -> None:
    neck = covering(73, 91)
    alone = guess(neck, Acquisition())
    assert set(alone) == {"Neck", "C-spine"}
    small = guess(neck, Acquisition(field_of_view_mm=200))
    bone = guess(neck, Acquisition(field_of_view_mm=200, kernel=Kernel.BONE))
    soft = guess(neck, Acquisition(field_of_view_mm=200, kernel=Kernel.SOFT))
    assert bone["C-spine"] > small["C-spine"] > soft["C-spine"]
    # A child's chest and an adult's thoracic spine have fields of the same width.
    chest, spine = (
        guess(covering(41, 78), Acquisition(field_of_view_mm=200, body_at_edge=edge)) for edge in (0.0, 0.6)
    )
    assert chest["Chest"] > 0.8 > chest.get("T-spine", 0)
    assert spine["T-spine"] > 0.9 > spine.get("Chest", 0)


def test_thick_slices_are_no_temporal_bone() -> None:
    thin, thick = (
        guess(covering(90, 97), Acquisition(field_of_view_mm=150, spacing_mm=s)) for s in (0.6, 3.0)
    )
    assert thin["Temporal bone"] > 0.7 > 0.2 > thick.get("Temporal bone", 0)


def test_doubt_of_the_ends_is_doubt_of_the_class() -> None:
    field = Acquisition(field_of_view_mm=400)
    sure, unsure = (guess(covering(12, 57, sd), field) for sd in (1.0, 6.0))
    assert sure["Abdomen-pelvis"] != unsure["Abdomen-pelvis"]
    blunt = replace(covering(28, 57), low_sd=20.0)
    assert guess(blunt, field)["Abdomen"] < guess(covering(28, 57), field)["Abdomen"]
    assert "Abdomen-pelvis" in guess(blunt, field)


@given(
    st.tuples(st.floats(-80, 108), st.floats(-80, 108)).map(sorted),
    st.none() | st.floats(50, 700),
    st.none() | st.sampled_from(Kernel),
    st.none() | st.floats(0, 1),
)
def test_probabilities_are_sorted_and_add_up_to_one_at_most(
    ends: list[float], field_mm: float | None, kernel: Kernel | None, edge: float | None
) -> None:
    acquisition = Acquisition(field_of_view_mm=field_mm, kernel=kernel, body_at_edge=edge)
    told = [g.probability for g in series_classes(covering(*ends), acquisition)]
    assert told == sorted(told, reverse=True)
    assert all(0.01 <= p <= 1 for p in told)
    assert sum(told) <= 1.01  # each is rounded


def test_none_of_them_wins_a_tie() -> None:
    assert decided([ClassGuess(name="Chest", probability=0.5)]) is None
    assert decided([]) is None


def curve(low: float, high: float) -> object:
    z = np.arange(0, (high - low) / SLOPE_PER_MM, 4.0)
    return fitted(z, low + SLOPE_PER_MM * z)


def test_the_coverage_is_that_of_the_ends_with_their_own_errors() -> None:
    made = curve(10, 50)
    found = coverage_of(made, CALIBRATION)
    assert (found.low, found.high) == pytest.approx((10, 50), abs=0.5)
    # each row's own sd is 1, beside the 1.5 that the whole curve shares
    assert (found.shared_sd, found.low_sd, found.high_sd) == pytest.approx((1.5, 1.0, 1.0))
    sd = np.full(len(made.z_mm), 1.5)
    sd[-1] = 2.5
    object.__setattr__(made, "sd", sd)
    found = coverage_of(made, CALIBRATION)
    assert (found.low_sd, found.high_sd) == (END_SD, 2.0)  # 2.5 squared is 1.5 squared and 2 squared


def test_a_field_too_short_to_judge_may_be_three_times_as_wrong() -> None:
    assert coverage_of(curve(10, 15), CALIBRATION).shared_sd == 1.5 * UNJUDGED_FACTOR


def test_likely_ends_have_the_errors_that_they_are_said_to_have() -> None:
    coverage = Coverage(low=0.0, high=100.0, shared_sd=2.0, low_sd=1.0, high_sd=3.0)
    low, high, weight = likely_ends(coverage)
    assert weight.sum() == pytest.approx(1)
    assert weight @ low == pytest.approx(0, abs=1e-9)
    assert weight @ high == pytest.approx(100)
    # the grids end at 2.5 sd, which leaves 0.95 of an sd
    assert np.sqrt(weight @ low**2) == pytest.approx(np.hypot(2, 1), rel=0.06)
    assert np.sqrt(weight @ (high - 100) ** 2) == pytest.approx(np.hypot(2, 3), rel=0.06)
    assert weight @ (low * (high - 100)) == pytest.approx(4, rel=0.12)  # the shared error
    assert shared_errors(coverage)[1].sum() == pytest.approx(1)
    assert (likely_ends(covering(50, 50.5, 3.0))[0] <= likely_ends(covering(50, 50.5, 3.0))[1]).all()


def test_the_edge_tells_a_field_that_holds_the_body_from_one_cut_out_of_it() -> None:
    voxels = np.full((5, 20, 20), -1000, np.int16)
    voxels[:, 4:16, 4:16] = 40
    assert body_at_edge(voxels) == 0.0
    assert body_at_edge(voxels[:, 4:16, 4:16]) == 1.0
    assert body_at_edge(voxels[:, 8:, :]) == 12 / (20 * 2 + 10 * 2)  # the cut side alone
    voxels[0] = 40  # one slice is not the volume
    assert body_at_edge(voxels) == 0.0
