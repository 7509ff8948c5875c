"""The score curve: smoothing, slope, doubts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.curve import (
    SLOPE_PER_MM,
    Readings,
    fit,
    isotonic,
    rank_correlation,
    smoothed,
    theil_sen,
)
from tests.inference.score_factory import CALIBRATION, fitted, readings


def line(z, at_zero=20.0, slope=SLOPE_PER_MM):
    return at_zero + slope * np.asarray(z, float)


Z = np.arange(0, 400, 5.0)


def test_a_straight_line_comes_back_as_it_is():
    curve = fitted(Z, line(Z))
    np.testing.assert_allclose(curve.score, line(Z), atol=1e-9)
    assert curve.slope_per_mm == pytest.approx(SLOPE_PER_MM)
    assert curve.correlation == pytest.approx(1)
    assert curve.credible
    assert curve.warnings == ()


@given(st.lists(st.floats(0.5, 12), min_size=10, max_size=60))
def test_uneven_spacing_does_not_bend_a_line(steps):
    z = np.cumsum(steps)
    np.testing.assert_allclose(smoothed(z, line(z)), line(z), atol=1e-6)


@given(st.permutations(range(40)), st.floats(-1000, 1000))
def test_slice_order_and_origin_change_nothing(order, origin):
    z = np.arange(40) * 5.0
    raw = line(z) + np.sin(z)
    straight = fitted(z, raw)
    shuffled = fitted(z[list(order)] + origin, raw[list(order)])
    np.testing.assert_allclose(shuffled.score, straight.score, atol=1e-7)
    np.testing.assert_array_equal(np.asarray(order)[shuffled.index], np.arange(40))
    assert shuffled.warnings == straight.warnings


def test_noise_is_smoothed_away():
    rng = np.random.default_rng(0)
    z = np.arange(0, 400, 2.0)
    curve = fitted(z, line(z) + rng.normal(0, 3, len(z)))
    error = curve.score - line(z)
    assert np.sqrt(np.mean(error**2)) < 1.5
    assert curve.credible


def test_a_score_of_one_slice_reaches_as_far_as_ten_millimetres():
    z = np.arange(-50, 51, 1.0)
    answer = smoothed(z, (z == 0).astype(float))
    # the answer to one slice is the Gaussian itself: 1 / (10 sqrt(2 pi)) at its middle
    assert answer[50] == pytest.approx(1 / (10 * np.sqrt(2 * np.pi)), rel=1e-3)
    assert answer[60] / answer[50] == pytest.approx(np.exp(-0.5), rel=1e-3)


def test_a_denser_half_does_not_pull_the_curve():
    even = np.arange(-60, 61, 1.0)
    uneven = np.concatenate([np.arange(-60, 0, 1.0), np.arange(0, 61, 4.0)])
    step_up = [smoothed(z, np.where(z < 0, 0.0, 10.0)) for z in (even, uneven)]
    at_nought = [s[np.searchsorted(z, 0.0)] for z, s in zip((even, uneven), step_up, strict=True)]
    assert at_nought[1] == pytest.approx(at_nought[0], abs=0.6)


def test_the_slope_ignores_a_quarter_of_wild_slices():
    raw = line(Z)
    raw[::5] = 300
    assert theil_sen(Z, raw) == pytest.approx(SLOPE_PER_MM, rel=0.05)


@given(st.lists(st.integers(0, 9), min_size=3, max_size=30))
def test_rank_correlation_shares_the_ranks_of_ties(values):
    a = np.asarray(values, float)
    b = np.arange(len(values), dtype=float)
    ranks = np.asarray([(a < v).sum() + ((a == v).sum() + 1) / 2 for v in a])
    expected = np.corrcoef(ranks, b)[0, 1] if np.ptp(a) else 0.0
    assert rank_correlation(a, b) == pytest.approx(expected)


def test_reversed_order_is_named():
    curve = fitted(Z, line(Z, 60, -SLOPE_PER_MM))
    assert curve.warnings == ("reversed order: score falls towards the head (-0.118 units/mm)",)
    assert not curve.credible


@pytest.mark.parametrize(
    ("ratio", "fits"), [(1.0, True), (1.25, True), (0.75, True), (1.6, False), (0.5, False)]
)
def test_spacing_is_judged_by_the_slope(ratio, fits):
    curve = fitted(Z, line(Z, slope=SLOPE_PER_MM * ratio))
    assert curve.credible is fits
    if not fits:
        assert curve.warnings == (
            f"spacing does not fit anatomy: {SLOPE_PER_MM * ratio:.3f} units/mm, 0.118 expected;"
            f" slices 5.00 mm apart look {5 * ratio:.2f} mm apart",
        )


def test_a_field_of_ten_centimetres_is_given_the_benefit_of_the_networks_error():
    z = np.arange(0, 100, 5.0)
    # 0.28 + 2 sqrt(2) hypot(1, 1.5) / (0.118 * 95) = 0.735: what a long field would not be forgiven
    assert fitted(z, line(z, slope=1.73 * SLOPE_PER_MM)).credible
    assert not fitted(z, line(z, slope=1.74 * SLOPE_PER_MM)).credible
    assert fitted(z, line(z, slope=1.9 * SLOPE_PER_MM), sd=2.0).credible


def test_a_short_field_is_not_judged():
    z = np.arange(0, 70, 5.0)
    curve = fitted(z, np.full(len(z), 40.0))
    assert curve.slope_per_mm is None
    assert curve.warnings == ("range 65 mm < 80 mm: slope not judged",)
    assert curve.credible


def test_few_slices_are_not_judged():
    curve = fitted([0.0, 100.0, 200.0], [10.0, 9.0, 8.0])
    assert curve.slope_per_mm is None
    assert curve.warnings == ("too few slices (3): slope not judged",)


def test_one_slice_is_its_own_curve():
    curve = fitted([7.0], [33.0])
    assert curve.score.tolist() == [33.0]
    assert curve.warnings == ("too few slices (1): slope not judged",)


def test_a_thing_without_anatomy_is_not_credible():
    curve = fitted(Z, np.random.default_rng(3).uniform(0, 100, len(Z)))
    assert not curve.credible
    assert any(w.startswith("scores do not follow the height: rank correlation") for w in curve.warnings)


def test_a_thing_that_is_the_same_all_along_is_not_credible():
    assert not fitted(Z, np.full(len(Z), 50.0)).credible


def test_a_network_without_an_idea_is_not_believed():
    curve = fitted(Z, line(Z), sd=20.0)  # with the 1.5 that a curve shares, 20.06
    assert curve.warnings == ("scores are doubtful: median sd 20.1 units",)
    assert not curve.credible
    assert fitted(Z, line(Z), sd=19.9).credible
    calmer = fitted(Z, line(Z), 20.0, replace(CALIBRATION, sd_scale=0.5))
    assert calmer.credible
    np.testing.assert_allclose(calmer.sd, 0.5 * np.sqrt(20.0**2 + 1.5**2))


def test_a_curve_that_turns_back_is_not_a_body():
    bump = 30 * np.exp(-0.5 * ((Z - 150) / 25) ** 2)
    curve = fitted(Z, line(Z) + bump)
    highest = np.maximum.accumulate(curve.score)
    fall = (highest - curve.score).max()
    assert fall > 8
    assert not curve.credible
    assert any(w.startswith(f"score falls by {fall:.0f} units from z 1") for w in curve.warnings)
    assert fitted(Z, line(Z) + bump / 5).credible


def test_a_head_on_its_head_is_not_excused():
    z = np.arange(0, 250, 5.0)
    curve = fitted(z, line(z, 105.0, -SLOPE_PER_MM))
    assert not curve.credible
    assert curve.warnings[0].startswith("reversed order")


def test_legs_after_a_chest_are_not_excused():
    raw = line(Z, 40.0)
    raw[60:] = -20.0
    assert not fitted(Z, raw).credible


def test_a_gap_is_named_and_forgiven():
    z = np.concatenate([Z[:20], Z[26:]])
    curve = fitted(z, line(z))
    assert curve.warnings == ("gap: 35.0 mm between z 95.0 and 130.0",)
    assert curve.credible


def test_raw_score_and_sd_are_kept_with_their_slices():
    """The smoothed score is the caller's: it may hold more than the raw one says."""
    z = np.asarray([40.0, 0.0, 20.0])
    given = Readings(
        z_mm=z,
        raw=np.asarray([4.0, 0.0, 2.0]),
        score=np.asarray([5.0, 1.0, 3.0]),
        sd=np.asarray([3.0, 1.0, 2.0]),
    )
    curve = fit(given, replace(CALIBRATION, sd_scale=2.0))
    assert curve.index.tolist() == [1, 2, 0]
    assert curve.z_mm.tolist() == [0, 20, 40]
    assert (curve.raw.tolist(), curve.score.tolist()) == ([0, 2, 4], [1, 3, 5])
    np.testing.assert_allclose(curve.sd, 2 * np.sqrt(np.asarray([1.0, 4.0, 9.0]) + 1.5**2))


def test_scores_that_scatter_about_the_curve_are_not_believed():
    zigzag = np.where(np.arange(len(Z)) % 2, 7.0, -7.0)
    curve = fitted(Z, line(Z) + zigzag)
    (scatter,) = [w for w in curve.warnings if w.startswith("scores scatter")]
    assert scatter == "scores scatter: 7.0 units about the smoothed curve"
    assert not curve.credible
    assert not [w for w in fitted(Z, line(Z) + zigzag * 5.9 / 7).warnings if w.startswith("scores scatter")]


def test_what_is_known_of_the_volume_comes_first():
    curve = fit(readings(Z, line(Z)), CALIBRATION, ("no body", "narrow"))
    assert (curve.warnings, curve.credible) == (("no body", "narrow"), False)


@pytest.mark.parametrize("part", ["z_mm", "raw", "score", "sd"])
@pytest.mark.parametrize("bad", [np.asarray([1.0, np.nan, 3.0]), np.asarray([1.0, np.inf, 2.0])])
def test_what_is_not_finite_is_refused(part, bad):
    with pytest.raises(ValueError, match="must be finite"):
        replace(readings([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), **{part: bad})


@pytest.mark.parametrize("part", ["z_mm", "raw", "score", "sd"])
def test_one_number_a_slice_is_needed(part):
    with pytest.raises(ValueError, match="one z, score and sd a slice"):
        replace(readings([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), **{part: np.ones(2)})


def test_no_slices_are_no_curve():
    none = np.empty(0)
    with pytest.raises(ValueError, match="one z, score and sd a slice"):
        Readings(z_mm=none, raw=none, score=none, sd=none)


def test_isotonic_never_falls_and_lies_nearest():
    assert isotonic(np.asarray([1.0, 3.0, 2.0, 4.0])).tolist() == [1.0, 2.5, 2.5, 4.0]
    assert isotonic(np.asarray([3.0, 2.0, 1.0])).tolist() == [2.0, 2.0, 2.0]


@given(st.lists(st.floats(-50, 150), min_size=1, max_size=30))
def test_isotonic_keeps_the_mean_and_a_rising_curve(values):
    score = np.asarray(values)
    rising = isotonic(score)
    assert (np.diff(rising) >= 0).all()
    assert rising.mean() == pytest.approx(score.mean(), abs=1e-6)
    assert isotonic(np.sort(score)).tolist() == np.sort(score).tolist()
