"""The decision on contrast: bands by body part, reasons, and confidence."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.contrast import (
    HEAD_BAND,
    IN_DOUBT,
    LIMB_BAND,
    NECK_BAND,
    NOT_A_BODY,
    NOT_LOOKED_AT,
    NOTHING_BRIGHT,
    TRUNK_BAND,
    UNKNOWN_BAND,
    band,
    decide,
)
from inference.findings import Contrast, Region

CHEST = frozenset({Region.CHEST})
REGIONS = st.frozensets(st.sampled_from(list(Region)))


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ({Region.CHEST}, TRUNK_BAND),
        ({Region.ABDOMEN, Region.PELVIS, Region.LEGS}, TRUNK_BAND),
        ({Region.HEAD, Region.NECK, Region.CHEST}, TRUNK_BAND),
        ({Region.HEAD, Region.NECK}, NECK_BAND),
        ({Region.PELVIS, Region.LEGS}, TRUNK_BAND),
        ({Region.HEAD}, HEAD_BAND),
        ({Region.LEGS}, LIMB_BAND),
        (set(), UNKNOWN_BAND),
    ],
)
def test_the_band_is_that_of_the_region_that_tells_it_best(regions, expected):
    assert band(frozenset(regions)) == expected


@pytest.mark.parametrize("regions", [{Region.CHEST}, {Region.NECK}, {Region.HEAD}, {Region.LEGS}, set()])
def test_the_edges_of_the_band_decide(regions):
    limits, regions = band(frozenset(regions)), frozenset(regions)
    just = 1e-6
    said = [
        decide(p, regions, body=1.0).value
        for p in (limits.no, limits.no + just, limits.yes - just, limits.yes)
    ]
    assert said == [Contrast.NO, Contrast.UNDETERMINED, Contrast.UNDETERMINED, Contrast.YES]


def test_a_head_needs_more_than_a_chest():
    assert decide(0.85, CHEST, body=1.0).value is Contrast.YES
    assert decide(0.85, frozenset({Region.HEAD}), body=1.0).value is Contrast.UNDETERMINED


def test_yes_and_no_carry_their_own_confidence():
    yes, no = decide(0.9, CHEST, body=1.0), decide(0.1, CHEST, body=1.0)
    assert (yes.confidence, yes.probability, yes.reason) == (0.9, 0.9, "")
    assert (no.confidence, no.probability, no.reason) == (0.9, 0.1, "")


def test_doubt_is_said_with_its_reason():
    said = decide(0.5, CHEST, body=1.0)
    assert (said.value, said.confidence, said.probability) == (Contrast.UNDETERMINED, 1.0, 0.5)
    assert said.reason == IN_DOUBT


def test_nothing_is_said_of_what_is_no_body():
    said = decide(0.99, CHEST, body=0.49)
    assert (said.value, said.probability, said.reason) == (Contrast.UNDETERMINED, None, NOT_A_BODY)


def test_nothing_is_said_of_what_was_not_looked_at():
    said = decide(None, CHEST, body=1.0)
    assert (said.value, said.probability, said.reason) == (Contrast.UNDETERMINED, None, NOT_LOOKED_AT)
    assert said.confidence == 0.0


def test_yes_needs_bright_tissue_and_no_does_not():
    assert decide(0.99, CHEST, body=1.0, brightest_hu=74.9).reason == NOTHING_BRIGHT
    assert decide(0.99, CHEST, body=1.0, brightest_hu=75.0).value is Contrast.YES
    assert decide(0.99, CHEST, body=1.0, brightest_hu=None).value is Contrast.YES
    # oral contrast medium: bright bowel in a native scan
    assert decide(0.01, CHEST, body=1.0, brightest_hu=400.0).value is Contrast.NO


@given(p=st.floats(0, 1), regions=REGIONS, body=st.floats(0, 1), hu=st.none() | st.floats(0, 330))
def test_every_answer_holds_together(p, regions, body, hu):
    said = decide(p, regions, body=body, brightest_hu=hu)
    assert 0 <= said.confidence <= 1
    assert (said.value is Contrast.UNDETERMINED) == bool(said.reason)
    if said.value is Contrast.YES:
        assert p >= 0.7 and body >= 0.5
    if said.value is Contrast.NO:
        assert p <= 0.3 and body >= 0.5


@given(low=st.floats(0, 1), high=st.floats(0, 1), regions=REGIONS)
def test_a_greater_probability_never_says_less(low, high, regions):
    low, high = sorted((low, high))
    order = [Contrast.NO, Contrast.UNDETERMINED, Contrast.YES]
    first, second = (order.index(decide(p, regions, body=1.0).value) for p in (low, high))
    assert first <= second
