"""T12 and L3: errors, other vertebrae, and what is told where there is nothing."""

from __future__ import annotations

import pytest

from inference.evaluation.case import Containment, Group, Kind, LevelTruth
from inference.evaluation.levels import is_wrong, level_error, level_figures
from inference.findings import LevelFinding, Presence
from tests.inference.evaluation_factory import found, inside, marks, measured, scores

SPINE = marks(L4=(160.0, 29.4), L3=(200.0, 33.8), L2=(230.0, 37.8), T12=(290.0, 45.0))


def told(level, **truth):
    return measured({"l3": level}, landmarks=SPINE, **{"l3": inside(200.0)} | truth)


def values(rows):
    return {f.name: f for f in level_figures(Kind.REAL, rows)}


@pytest.mark.parametrize(
    ("z", "wrong"),
    [(200, False), (214, False), (216, True), (181, False), (179, True), (230, True), (100, True)],
)
def test_a_level_beyond_halfway_to_the_next_vertebra_is_another(z, wrong):
    """L2 is 30 mm above, L4 40 mm below: 15 up, 20 down. The nearest vertebra by distance says the same."""
    m = told(found(float(z)))
    assert is_wrong(m, "L3", float(z), 200.0) is wrong
    nearest = min(m.case.truth.landmarks, key=lambda mark: abs(mark.z_mm - z))
    assert (nearest.name != "L3") is wrong


@pytest.mark.parametrize(("z", "wrong"), [(216.9, False), (217.1, True), (183.1, False), (182.9, True)])
def test_where_no_neighbour_was_read_the_usual_half_distance_stands(z, wrong):
    m = measured({"l3": found(z)}, landmarks=marks(L3=(200.0, 33.8)), l3=inside(200.0))
    assert level_error(m, "L3").wrong is wrong


def test_an_error_in_mm_slices_and_interval():
    m = told(found(212.0, half=11.0))
    e = level_error(m, "L3")
    assert (e.mm, e.covered, e.confidence) == (12.0, False, 0.9)
    assert e.slices == pytest.approx(2.4)  # slices are 5 mm apart, and no slice was named
    assert level_error(told(found(212.0, half=12.0)), "L3").covered is True


def test_slices_are_counted_between_the_one_told_and_the_nearest_to_the_truth():
    z = [0.0, 5.0, 10.0, 20.0, 30.0]
    level = found(29.0, slice_index=0, sop_instance_uid="1.2.4")
    m = measured({"t12": level, "slice_scores": scores(z, z)}, z_mm=z, t12=inside(6.0))
    assert level_error(m, "T12").slices == 3.0


@pytest.mark.parametrize("presence", [Presence.CANNOT_TELL, Presence.NOT_IN_FIELD])
def test_a_level_that_was_not_found_has_no_error(presence):
    assert level_error(told(LevelFinding(presence=presence)), "L3") is None


def test_errors_of_a_level_are_summed_up():
    rows = [told(found(200.0 + d), name=str(d)) for d in (0, 4, -8, 30)]
    figures = values(rows)
    assert figures["L3 error median"].value == pytest.approx(6.0)
    assert figures["L3 error mean, signed"].value == pytest.approx(6.5)
    assert figures["L3 within 10 mm"].value == 75.0
    assert figures["L3 wrong level"].value == 25.0
    assert figures["L3 interval holds it"].value == 75.0
    assert figures["L3 stated confidence"].value == 90.0
    assert figures["L3 wrong level"].met is False
    assert figures["T12 error median"].value is None


def test_presence_is_counted_by_what_is_surely_true():
    outside = LevelTruth(containment=Containment.OUTSIDE)
    edge = LevelTruth(containment=Containment.EDGE, z_mm=200.0)
    denied, silent = (LevelFinding(presence=p) for p in (Presence.NOT_IN_FIELD, Presence.CANNOT_TELL))
    rows = [
        told(found(200.0), name="a"),
        told(silent, name="b"),
        told(denied, name="c"),
        told(denied, name="d"),
        told(found(50.0), name="e", group=Group.LEGS, l3=outside),
        told(denied, name="f", l3=outside),
        told(silent, name="g", l3=outside),
        told(silent, name="h", l3=outside),
        told(silent, name="i", l3=edge),
        told(found(50.0), name="j", l3=LevelTruth(containment=Containment.UNKNOWN)),
    ]
    figures = values(rows)
    assert {n: (f.value, f.n) for n, f in figures.items() if n.startswith("L3") and "where" in n} == {
        "L3 found and within 10 mm where it is": (25.0, 4),
        "L3 found where it is": (25.0, 4),
        "L3 cannot tell where it is": (25.0, 4),
        "L3 denied where it is": (50.0, 4),
        "L3 denied where it is not": (25.0, 4),
    }
    assert (figures["L3 found without it"].value, figures["L3 found without it"].n) == (25.0, 4)
    assert (figures["L3 found without it, trunk"].value, figures["L3 found without it, trunk"].n) == (0.0, 3)
    assert figures["L3 error median"].n == 1


def test_warnings_of_a_vertebras_number_are_counted_among_those_found():
    rows = [told(found(200.0, warnings=("13 ribs",)), name="a"), told(found(200.0), name="b")]
    assert values(rows)["L3 found with a warning of its number"].value == 50.0
