"""What is true of a field of view: levels in it, beside it and cut by its edge; regions; what stays open."""

from __future__ import annotations

import numpy as np
import pytest

from inference.evaluation.case import Containment, RegionTruth
from inference.evaluation.covered import Covered
from inference.evaluation.records import agreed_contrast
from inference.evaluation.truths import Known, Priors, truth_of
from inference.findings import Axis, Contrast, Region
from tests.inference.evaluation_factory import GAPS, trunk_points

POINTS = trunk_points()
AT = dict(POINTS)
PRIORS = Priors(
    scores={n: 75.794 - (480 - z) * 0.118 for n, z in POINTS},
    shortest_mm={upper: float(gap) for upper, lower, gap in GAPS if lower != "L6"},
)
AXIAL = Known(axis=Axis.AXIAL)


def truth(low, high, points=POINTS, known=AXIAL):
    return truth_of(points, np.arange(low, high + 1, 5.0), known, PRIORS)


def test_a_crop_is_judged_by_landmarks_that_it_cut_off():
    whole, chest = truth(0, 500), truth(AT["T11"], 500)
    assert (whole.t12.containment, whole.l3.containment) == (Containment.INSIDE, Containment.INSIDE)
    assert (chest.t12.containment, chest.l3.containment) == (Containment.OUTSIDE, Containment.OUTSIDE)
    assert whole.t12.z_mm == AT["T12"]
    assert [m.name for m in chest.landmarks] == [f"T{n}" for n in range(11, 0, -1)]
    assert whole.landmarks[0].name == "L5"


@pytest.mark.parametrize(
    ("beyond_mm", "expected"),
    [(-10.5, "inside"), (-9.5, "edge"), (0, "edge"), (9.5, "edge"), (10.5, "outside")],
)
def test_a_level_at_an_end_of_the_field_may_be_told_or_not(beyond_mm, expected):
    below = truth_of(POINTS, np.array([AT["L3"] + beyond_mm, 500.0]), AXIAL, PRIORS)
    above = truth_of(POINTS, np.array([0.0, AT["L3"] - beyond_mm]), AXIAL, PRIORS)
    assert below.l3.containment.value == above.l3.containment.value == expected


@pytest.mark.parametrize(("low", "expected"), [(200.0, "unknown"), (232.0, "unknown"), (240.0, "outside")])
def test_a_level_that_was_not_read_is_outside_where_the_spine_leaves_no_room(low, expected):
    """T10 at 266.4 and at least 20 + 20 mm to T12: 226.4 is lower than 240 - 10, and not than 232 - 10."""
    points = [(n, z) for n, z in POINTS if n in {f"T{k}" for k in range(1, 11)}]
    assert AT["T10"] == pytest.approx(266.4, abs=0.1)
    assert PRIORS.shortest_mm["T10"] + PRIORS.shortest_mm["T11"] == 40
    assert truth(low, 500, points).t12.containment.value == expected
    assert truth(low, 500, points).t12.z_mm is None


def test_a_level_above_the_field_is_outside_by_its_lower_neighbours():
    points = [(n, z) for n, z in POINTS if n.startswith("L") and n != "L1"]
    assert truth(0, AT["L2"] + 5, points).t12.containment is Containment.OUTSIDE
    assert truth(0, AT["L2"] + 60, points).t12.containment is Containment.UNKNOWN


def covered(t12, l3):
    return Covered(
        required=frozenset({Region.HEAD}),
        allowed=frozenset({Region.HEAD}),
        series_class="Head",
        t12=t12,
        l3=l3,
    )


def test_where_nothing_was_read_the_catalogue_speaks_and_else_nobody():
    known = Known(
        axis=Axis.AXIAL, covered=covered(Containment.OUTSIDE, Containment.UNKNOWN), series_class="Head"
    )
    said, silent = truth(0, 100, [], known), truth(0, 100, [])
    assert (said.t12.containment, said.l3.containment) == (Containment.OUTSIDE, Containment.UNKNOWN)
    assert said.regions == RegionTruth(required=frozenset({Region.HEAD}), allowed=frozenset({Region.HEAD}))
    assert said.series_class == "Head"
    assert (silent.t12.containment, silent.regions, silent.series_class) == (Containment.UNKNOWN, None, None)


def test_doubtful_numbers_of_vertebrae_are_held_against_nobody():
    doubtful = truth(0, 500, known=Known(axis=Axis.AXIAL, names_sure=False))
    assert (doubtful.t12.containment, doubtful.t12.z_mm) == (Containment.UNKNOWN, None)
    assert len(doubtful.landmarks) == len(POINTS)


def test_regions_come_from_the_landmarks_and_crops_have_their_own():
    def exact(low, high):
        return truth(low, high).regions.exact

    assert exact(AT["L5"], 500) == {Region.ABDOMEN, Region.CHEST}
    assert exact(AT["T10"], 490) == {Region.CHEST}
    assert exact(AT["L5"] - 5, AT["T9"] + 5) == {Region.ABDOMEN}


@pytest.mark.parametrize(("high", "expected"), [(AT["T9"] + 8, "Abdomen"), (490, None)])
def test_a_likely_class_stands_only_where_the_regions_are_just_its_own(high, expected):
    known = Known(axis=Axis.AXIAL, class_if_regions="Abdomen")
    assert truth(AT["L5"] - 5, high, known=known).series_class == expected


def test_arms_and_other_planes_have_no_scores_to_be_held_against():
    said = truth(0, 500, known=Known(axis=Axis.CORONAL, scored=False))
    assert (said.landmarks, said.regions) == ((), None)
    assert said.t12.z_mm == AT["T12"]


def test_contrast_stands_where_all_sources_agree():
    said = [("a", "yes (portal) + oral"), ("a", "yes"), ("b", "yes"), ("b", "no"), ("c", "no (oral only)")]
    said += [
        ("d", "n/a"),
        ("d", "?"),
        ("e", "header yes, visually NOT enhanced"),
        ("f", "unclear"),
        ("f", "yes"),
    ]
    assert agreed_contrast(said) == {
        "a": Contrast.YES,
        "c": Contrast.NO,
        "e": Contrast.NO,
        "f": Contrast.YES,
    }
