"""Spines with one vertebra fewer or more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.chain import USUAL, posterior
from inference.projection import ROW_MM
from inference.spine import VERTEBRAE
from inference.variants import ORDERS, likely_variants, log_odds
from tests.inference.score_factory import HEIGHTS_MM, SPACING, WEIGHTS, evidence_at

FEWER, MORE = "11 thoracic or 4 lumbar vertebrae", "13 thoracic or 6 lumbar vertebrae"
GAP_MM = dict(zip(VERTEBRAE[:-1], SPACING.mean_mm, strict=True))
"""From each vertebra to the next below."""


def spine(*lumbar):
    """T8 to T12, these, and the sacrum, each as far from the next as the table has it."""
    bodies, z = [], HEIGHTS_MM["T8"]
    names = ["T8", "T9", "T10", "T11", "T12", *lumbar, "S1"]
    for name in names:
        bodies.append((name, z))
        z -= GAP_MM.get(name, 0.0)
    rows = np.arange(bodies[-1][1] - 80, HEIGHTS_MM["T8"] + 20, ROW_MM)
    return evidence_at(rows, bodies)


def odds(evidence):
    return log_odds(evidence, posterior(evidence, WEIGHTS, SPACING), WEIGHTS, SPACING)


def likely(evidence, least):
    return likely_variants(evidence, posterior(evidence, WEIGHTS, SPACING), WEIGHTS, SPACING, least)


FOUR = spine("L1", "L2", "L3", "L4")
FIVE = spine("L1", "L2", "L3", "L4", "L5")
SIX = spine("L1", "L2", "L3", "L4", "L5", "L5")


def test_the_orders_are_the_usual_spine_less_or_plus_one():
    named = {variant: [VERTEBRAE[i] for i in order] for variant, order in ORDERS.items()}
    above = list(VERTEBRAE[:23])
    assert named == {FEWER: [*above, "S1"], MORE: [*above, "L5", "L5", "S1"]}
    assert (len(USUAL), above[-1]) == (25, "L4")


def test_the_spine_that_was_drawn_fits_best():
    four, five, six = odds(FOUR), odds(FIVE), odds(SIX)
    assert four[FEWER] > 5 > 0 > four[MORE]
    assert five[FEWER] < -5 and five[MORE] < -5
    assert six[MORE] > 5 > 0 > six[FEWER]


def test_odds_are_the_difference_of_what_both_orders_explain():
    usual = posterior(FOUR, WEIGHTS, SPACING)
    without = posterior(FOUR, WEIGHTS, SPACING, tuple(i for i in range(25) if VERTEBRAE[i] != "L5"))
    assert odds(FOUR)[FEWER] == pytest.approx(without.log_evidence - usual.log_evidence)


@pytest.mark.parametrize(("evidence", "named"), [(FOUR, (FEWER,)), (FIVE, ()), (SIX, (MORE,))])
def test_only_what_fits_much_better_is_named(evidence, named):
    assert likely(evidence, 3.0) == named
    for variant in named:
        exactly = odds(evidence)[variant]
        assert likely(evidence, exactly - 1e-6) == (variant,)
        assert likely(evidence, exactly) == ()


@pytest.mark.parametrize("end", ["T12", "S1"])
def test_nothing_is_counted_unless_both_ends_are_seen(end):
    """The last rib's vertebra, or the sacrum, 15 mm beyond the field."""
    height = HEIGHTS_MM["T8"] - sum(SPACING.mean_mm[VERTEBRAE.index("T8") : VERTEBRAE.index(end)])
    z = FIVE.z_mm
    kept = z < height - 15 if end == "T12" else z > height + 15
    cut = replace(
        FIVE,
        z_mm=z[kept],
        score=FIVE.score[kept],
        sd=FIVE.sd[kept],
        centre=FIVE.centre[kept],
        name=FIVE.name[:, kept],
    )
    assert odds(cut) == {}
    assert likely(cut, -1e9) == ()
    assert likely(FIVE, -1e9) == (FEWER, MORE)
