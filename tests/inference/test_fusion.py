"""The score curve from the network's scores and the chain's places."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.chain import posterior
from inference.curve import isotonic, smoothed
from inference.fusion import fused
from inference.projection import ROW_MM
from tests.inference.score_factory import HEIGHTS_MM, SLOPE, SPACING, TABLE, WEIGHTS, certain, evidence_at

Z = np.arange(240.0, 480, ROW_MM)
FIELD = np.arange(-60.0, 960, ROW_MM)
INSIDE = np.isin(FIELD, Z)
OWN_VARIANCE = 1.0 + 1.2**2
"""Of evidence_at: sd 1, and what a volume shares."""

CHAIN_VARIANCE = 0.3**2


def line(error=0.0):
    """Evidence on the table's line, but for an error that all rows share."""
    return evidence_at(Z, {}, SLOPE * Z + error)


def spine(*names, z=None):
    """A posterior that is certain of these vertebrae, each on a row of the field."""
    places = z or {n: float(FIELD[int(np.abs(FIELD - HEIGHTS_MM[n]).argmin())]) for n in names}
    return certain(FIELD, INSIDE, {n: {at: 1.0} for n, at in places.items()}), places


def test_where_both_agree_the_score_is_what_both_say():
    rows = np.arange(0.0, 900, ROW_MM)
    evidence = evidence_at(rows, HEIGHTS_MM)
    score, sd = fused(evidence, posterior(evidence, WEIGHTS, SPACING))
    np.testing.assert_allclose(score, SLOPE * rows, atol=0.05)
    assert sd[100] < 0.4 < 1 < sd[0] < np.sqrt(OWN_VARIANCE)  # a spine in the middle, none at the thighs


def test_each_counts_by_its_own_doubt():
    """The chain says the table's line, the network 5 units more."""
    found, places = spine("L5", "L4", "L3", "L2", "L1", "T12", "T11", "T10", "T9")
    score, sd = fused(line(5.0), found)
    share = OWN_VARIANCE / (OWN_VARIANCE + CHAIN_VARIANCE)
    for name in ("L3", "L1", "T11"):
        row = int(np.abs(Z - places[name]).argmin())
        expected = (1 - share) * (SLOPE * places[name] + 5) + share * TABLE[name]
        assert score[row] == pytest.approx(expected, abs=0.15)  # smoothed; the table is not quite a line
        assert sd[row] == pytest.approx(
            np.sqrt(OWN_VARIANCE * CHAIN_VARIANCE / (OWN_VARIANCE + CHAIN_VARIANCE))
        )


@pytest.mark.parametrize("away_mm", [15, 45, 90])
def test_beyond_the_last_vertebra_the_network_has_more_and_more_say(away_mm):
    found, places = spine("L3", "L2", "L1")
    _, sd = fused(line(5.0), found)
    row = int(np.abs(Z - (places["L1"] + away_mm)).argmin())
    chain = CHAIN_VARIANCE + (0.06 * (Z[row] - places["L1"])) ** 2
    assert sd[row] == pytest.approx(np.sqrt(OWN_VARIANCE * chain / (OWN_VARIANCE + chain)))


def test_beyond_the_last_vertebra_the_chain_is_carried_on_at_the_usual_slope():
    """Both ends: with hardly any doubt of the chain the score is its line."""
    found, places = spine("L2", "L1", "T12")
    vague = replace(line(3.0), sd=np.full(len(Z), 1000.0))
    score, _ = fused(vague, found)
    expected = np.interp(Z, [places[n] for n in ("L2", "L1", "T12")], [TABLE[n] for n in ("L2", "L1", "T12")])
    below, above = places["L2"] > Z, places["T12"] < Z
    expected[below] += SLOPE * (Z[below] - places["L2"])
    expected[above] += SLOPE * (Z[above] - places["T12"])
    np.testing.assert_allclose(score, expected, atol=0.12)


def test_a_vertebra_that_is_not_sure_of_its_place_counts_less():
    sharp, places = spine("L3", "L2", "L1")
    blurred = {n: {at - 12: 0.5, at + 12: 0.5} for n, at in places.items()}  # sd 12 mm: 1.4 units
    row = int(np.abs(Z - places["L2"]).argmin())
    _, sure = fused(line(), sharp)
    _, unsure = fused(line(), certain(FIELD, INSIDE, blurred))
    chain = CHAIN_VARIANCE + (12 * SLOPE) ** 2
    assert unsure[row] == pytest.approx(np.sqrt(OWN_VARIANCE * chain / (OWN_VARIANCE + chain)))
    assert sure[row] < unsure[row] / 2


def test_reversed_slices_are_left_as_the_network_reads_them():
    evidence = evidence_at(Z, {}, 100 - SLOPE * Z)
    found, _ = spine("L3", "L2", "L1")
    score, sd = fused(evidence, found)
    np.testing.assert_allclose(score, 100 - SLOPE * Z, atol=1e-9)
    np.testing.assert_allclose(sd, np.sqrt(OWN_VARIANCE))


@pytest.mark.parametrize("seen", [{}, {"L2": 333.0}])
def test_without_two_vertebrae_the_network_is_alone(seen):
    rng = np.random.default_rng(5)
    evidence = replace(line(), score=SLOPE * Z + rng.normal(0, 2, len(Z)), sd=rng.uniform(1, 3, len(Z)))
    score, sd = fused(evidence, certain(FIELD, INSIDE, {n: {z: 1.0} for n, z in seen.items()}))
    np.testing.assert_allclose(score, isotonic(smoothed(Z, evidence.score)))
    np.testing.assert_allclose(sd, np.sqrt(evidence.sd**2 + 1.2**2))


@pytest.mark.parametrize(("share", "counts"), [(0.49, False), (0.51, True)])
def test_a_vertebra_counts_that_is_likelier_in_the_field_than_not(share, counts):
    """FIELD's lowest row is outside."""
    _, places = spine("L3", "L1")
    half = {n: {at: share, float(FIELD[0]): 1 - share} for n, at in places.items()}
    score, _ = fused(line(5.0), certain(FIELD, INSIDE, half))
    alone = isotonic(smoothed(Z, line(5.0).score))
    assert bool(np.abs(score - alone).max() > 1e-6) is counts


def test_a_fall_of_the_network_s_scores_is_levelled_out():
    """A dip of 20 units 150 mm above the last vertebra, where the chain has hardly a say."""
    dip = 20 * np.exp(-(((Z - 440) / 15) ** 2))
    found, _ = spine("L4", "L3")
    score, _ = fused(replace(line(), score=SLOPE * Z - dip), found)
    assert np.diff(smoothed(Z, SLOPE * Z - dip)).min() < -1
    assert np.diff(score).min() >= -0.01


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 6), st.integers(2, 120))
def test_the_score_never_falls_by_what_could_be_seen(seed, scatter, rows):
    """Pooling levels every fall out; the last smoothing may bring back a thirtieth of a row's step."""
    z = 200.0 + ROW_MM * np.arange(rows)
    rng = np.random.default_rng(seed)
    evidence = evidence_at(z, HEIGHTS_MM, SLOPE * z + rng.normal(0, scatter, rows))
    score, sd = fused(evidence, posterior(evidence, WEIGHTS, SPACING))
    assert np.isfinite(score).all() and (sd > 0).all()
    if score[-1] >= score[0]:
        assert np.diff(score).min() >= -0.01
