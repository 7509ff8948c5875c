"""The chain of vertebrae: exact sums, and what must hold whatever the evidence."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference import chain
from inference.chain import Evidence, Spacing, posterior
from inference.projection import ROW_MM
from inference.spine import S1_SCORE, VERTEBRA_SCORES, VERTEBRAE
from tests.inference.score_factory import HEIGHTS_MM, SLOPE, SPACING, TABLE, WEIGHTS, evidence_at

ROWS = np.arange(0.0, 900, ROW_MM)


def index(*names):
    return tuple(VERTEBRAE.index(n) for n in names)


def noise(seed, rows, low=30.0):
    rng = np.random.default_rng(seed)
    return Evidence(
        z_mm=12.0 + ROW_MM * np.arange(rows),
        score=low + SLOPE * ROW_MM * np.arange(rows) + rng.normal(0, 2, rows),
        sd=rng.uniform(0.5, 3, rows),
        centre=rng.normal(0, 3, rows),
        name=rng.normal(-2, 4, (len(VERTEBRAE), rows)),
    )


def means_mm(p):
    return p.probability @ p.z_mm


# ------------------------------------------------------------------ against a count of every chain


def enumerated(evidence, weights, spacing, order, beyond):
    """Probability of each place and log evidence, chain by chain."""
    rows = len(evidence.z_mm)
    places = range(-beyond, rows + beyond)
    total, marginal = 0.0, np.zeros((len(order), len(places)))
    one = {(v, g): single(evidence, weights, v, g, rows) for v in set(order) for g in places}
    for size_sd in np.linspace(-2, 2, 9):
        size = np.exp(size_sd * weights.size_sd)
        steps = [distances(spacing, lower, size, weights) for lower in order[1:]]
        for at in product(places, repeat=len(order)):
            chance = np.exp(-(size_sd**2) / 2)
            for (upper, lower), step in zip(pairwise(at), steps, strict=True):
                chance *= step.get(upper - lower, 0.0)
            if chance == 0:
                continue
            chance *= np.prod([one[v, g] for v, g in zip(order, at, strict=True)])
            total += chance
            for k, g in enumerate(at):
                marginal[k, g + beyond] += chance
    return marginal / total, np.log(total)


def distances(spacing, lower, size, weights):
    mean, sd = spacing.mean_mm[lower - 1] * size / 3, spacing.sd_mm[lower - 1] * weights.spacing / 3
    most = int(np.ceil(mean + 4 * sd)) + 1
    weight = {d: np.exp(-(((d - mean) / sd) ** 2) / 2) for d in range(2, most + 1)}
    return {d: w / sum(weight.values()) for d, w in weight.items()}


def single(evidence, w, vertebra, place, rows):
    row = min(max(place, 0), rows - 1)
    beyond_mm = (place - row) * 3
    expected = evidence.score[row] + 0.118 * beyond_mm
    variance = evidence.sd[row] ** 2 + w.score_sd**2 + (0.02 * beyond_mm) ** 2
    log = -w.score * min((expected - VERTEBRA_SCORES[vertebra]) ** 2 / variance / 2, 30.0)
    if beyond_mm == 0:
        log += w.centre * np.clip(evidence.centre[row] + w.centre_offset, -w.clip, w.clip)
        log += w.name * np.clip(evidence.name[vertebra, row] + w.name_offset, -w.clip, w.clip)
    return np.exp(log)


SMALL = Spacing(
    mean_mm=tuple(8.0 + 0.3 * k for k in range(24)), sd_mm=tuple(2.0 + 0.1 * k for k in range(24))
)
UNEVEN = replace(
    WEIGHTS, centre=0.7, centre_offset=-0.5, name=0.4, name_offset=1.5, clip=3.0, spacing=0.8, size_sd=0.2
)


@pytest.mark.parametrize(
    "names",
    [("T12",), ("T12", "L1"), ("T11", "T12", "L1"), ("L4", "S1"), ("L4", "L5", "L5"), ("L3", "L5", "S1")],
)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_chain_is_counted(names, seed, monkeypatch):
    monkeypatch.setattr(chain, "BEYOND_ROWS", 5)
    evidence, order = noise(seed, 8), index(*names)
    found = posterior(evidence, UNEVEN, SMALL, order)
    expected, log_evidence = enumerated(evidence, UNEVEN, SMALL, order, 5)
    np.testing.assert_allclose(found.probability, expected, atol=1e-10)
    assert found.log_evidence == pytest.approx(log_evidence, abs=1e-9)
    np.testing.assert_allclose(found.z_mm, 12 + 3 * np.arange(-5, 13))
    assert np.flatnonzero(found.inside).tolist() == list(range(5, 13))


# ------------------------------------------------------------------ whatever the evidence


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 200), st.floats(-30, 100))
def test_each_vertebra_is_somewhere_and_above_the_next(seed, rows, low):
    found = posterior(noise(seed, rows, low), WEIGHTS, SPACING)
    assert found.probability.shape == (25, rows + 520)
    np.testing.assert_allclose(found.probability.sum(axis=1), 1, atol=1e-9)
    assert (found.probability >= 0).all()
    assert found.inside.sum() == rows
    # each chain keeps two rows between two vertebrae, so their means do too
    assert (-np.diff(means_mm(found)) >= 2 * ROW_MM - 1e-6).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10**6), st.floats(-3000, 3000))
def test_another_origin_moves_the_answer_and_nothing_else(seed, offset):
    evidence = noise(seed, 90)
    here = posterior(evidence, WEIGHTS, SPACING)
    there = posterior(replace(evidence, z_mm=evidence.z_mm + offset), WEIGHTS, SPACING)
    np.testing.assert_array_equal(there.probability, here.probability)
    np.testing.assert_allclose(there.z_mm, here.z_mm + offset, atol=1e-6)
    assert there.log_evidence == here.log_evidence


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 40), st.integers(0, 10**6))
def test_a_spine_farther_up_in_the_field_is_found_farther_up(shift, seed):
    rng = np.random.default_rng(seed)
    seen = {n: HEIGHTS_MM[n] + rng.normal(0, 1) for n in VERTEBRAE}
    rows = np.arange(60.0, 1000, ROW_MM)
    low = posterior(evidence_at(rows, seen), WEIGHTS, SPACING)
    moved = {n: z + shift * ROW_MM for n, z in seen.items()}
    high = posterior(evidence_at(rows, moved, SLOPE * (rows - shift * ROW_MM)), WEIGHTS, SPACING)
    np.testing.assert_allclose(means_mm(high), means_mm(low) + shift * ROW_MM, atol=0.1)


# ------------------------------------------------------------------ sharp evidence


def test_sharp_evidence_is_answered_to_a_tenth_of_a_millimetre():
    found = posterior(evidence_at(ROWS, HEIGHTS_MM), WEIGHTS, SPACING)
    inside = found.probability[:, found.inside].sum(axis=1)
    np.testing.assert_allclose(inside, 1, atol=1e-6)
    np.testing.assert_allclose(means_mm(found), list(HEIGHTS_MM.values()), atol=0.1)


@pytest.mark.parametrize("size", [0.9, 1.0, 1.1])
def test_small_and_large_spines_are_found(size):
    t12 = HEIGHTS_MM["T12"]
    seen = {n: t12 + (z - t12) * size for n, z in HEIGHTS_MM.items()}
    score = TABLE["T12"] + SLOPE * (ROWS - t12) / size
    found = posterior(evidence_at(ROWS, seen, score), WEIGHTS, SPACING)
    np.testing.assert_allclose(means_mm(found)[5:22], [seen[n] for n in VERTEBRAE[5:22]], atol=1.0)


def test_the_size_that_is_seen_is_carried_beyond_the_field():
    """T3 to L1 are in the field; L3 lies farther below in a large spine than in a small one."""
    below = []
    for size in (0.93, 1.07):
        seen = {n: HEIGHTS_MM["L1"] + (HEIGHTS_MM[n] - HEIGHTS_MM["L1"]) * size for n in VERTEBRAE[9:20]}
        rows = np.arange(seen["L1"] - 10, seen["T3"] + 10, ROW_MM)
        blind = replace(WEIGHTS, score=0.0)
        found = posterior(evidence_at(rows, seen), blind, SPACING)
        below.append(HEIGHTS_MM["L1"] - means_mm(found)[VERTEBRAE.index("L3")])
    expected = HEIGHTS_MM["L1"] - HEIGHTS_MM["L3"]
    assert below[0] < expected - 2 < expected + 2 < below[1]


def test_a_level_outside_the_field_has_no_probability_inside():
    rows = np.arange(HEIGHTS_MM["T12"] + 40, HEIGHTS_MM["C7"], ROW_MM)
    seen = {n: z for n, z in HEIGHTS_MM.items() if rows[0] < z < rows[-1]}
    found = posterior(evidence_at(rows, seen), WEIGHTS, SPACING)
    inside = dict(zip(VERTEBRAE, found.probability[:, found.inside].sum(axis=1), strict=True))
    assert inside["T12"] < 1e-3 and inside["L3"] < 1e-9 and inside["C2"] < 1e-3
    assert inside["T10"] > 0.999 and inside["T5"] > 0.999
    assert means_mm(found)[VERTEBRAE.index("L3")] == pytest.approx(HEIGHTS_MM["L3"], abs=8)


def test_names_alone_move_a_spine_that_the_score_puts_one_vertebra_off():
    heights = {n: HEIGHTS_MM[n] for n in VERTEBRAE[12:24]}
    rows = np.arange(heights["L5"] - 10, heights["T6"] + 10, ROW_MM)
    wrong = SLOPE * rows + (TABLE["T12"] - TABLE["L1"])
    found = posterior(evidence_at(rows, heights, wrong), WEIGHTS, SPACING)
    assert means_mm(found)[VERTEBRAE.index("T12")] == pytest.approx(heights["T12"], abs=0.5)
    unnamed = replace(evidence_at(rows, heights, wrong), name=np.zeros((25, len(rows))))
    misled = posterior(unnamed, WEIGHTS, SPACING)
    assert means_mm(misled)[VERTEBRAE.index("T11")] == pytest.approx(heights["T12"], abs=5)


def test_wild_scores_forbid_no_name():
    """All rows of L3 read as no body has it: name, centre and neighbours outweigh them."""
    evidence = evidence_at(ROWS, HEIGHTS_MM)
    wild = np.where(np.abs(ROWS - HEIGHTS_MM["L3"]) < 10, 1000.0, evidence.score)
    found = posterior(replace(evidence, score=wild), WEIGHTS, SPACING)
    assert means_mm(found)[VERTEBRAE.index("L3")] == pytest.approx(HEIGHTS_MM["L3"], abs=1)


@pytest.mark.parametrize("above", ["T5", "T10", "L1"])
@pytest.mark.parametrize("tear_mm", [80, 150])
def test_a_torn_volume_tears_the_chain_and_drags_no_level(above, tear_mm):
    """Slices are missing below a vertebra and the heights do not say so: no spine has such a step."""
    last = VERTEBRAE.index(above)
    torn = {n: z + (tear_mm if k <= last else 0) for k, (n, z) in enumerate(HEIGHTS_MM.items())}
    cut = (HEIGHTS_MM[above] + HEIGHTS_MM[VERTEBRAE[last + 1]]) / 2
    rows = np.arange(0.0, 1100, ROW_MM)
    score = SLOPE * np.interp(rows, [0, cut, cut + tear_mm, 1100], [0, cut, cut, 1100 - tear_mm])
    found = posterior(evidence_at(rows, torn, score), WEIGHTS, SPACING)
    np.testing.assert_allclose(found.probability.sum(axis=1), 1, atol=1e-9)
    assert (-np.diff(means_mm(found)) >= 2 * ROW_MM - 1e-6).all()
    for level in ("T12", "L3"):
        assert means_mm(found)[VERTEBRAE.index(level)] == pytest.approx(torn[level], abs=1)


def test_the_table_runs_from_head_to_feet():
    assert (len(VERTEBRAE), VERTEBRAE[0], VERTEBRAE[7], VERTEBRAE[19], VERTEBRAE[24]) == (
        25,
        "C1",
        "T1",
        "L1",
        "S1",
    )
    assert (np.diff(VERTEBRA_SCORES) < 0).all()
    assert VERTEBRA_SCORES[24] == S1_SCORE
    assert TABLE["L3"] == 33.817 and TABLE["T12"] == 44.952
