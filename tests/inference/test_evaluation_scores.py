"""The slice score's figures, against numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from inference.evaluation.case import Group, Kind
from inference.evaluation.scores import (
    LandmarkError,
    landmark_errors,
    lmse_as_bpr,
    lmse_by_table,
    place_mm,
    score_figures,
    spearman,
)
from tests.inference.evaluation_factory import Z, marks, measured, scores

RISING = 0.1 * np.asarray(Z)  # 0 at 0 mm, 39.5 at 395 mm


def errors(patient, **by_landmark):
    return tuple(
        LandmarkError(patient=patient, landmark=n, score=s, expected=e, error_mm=0.0)
        for n, (s, e) in by_landmark.items()
    )


def test_a_landmark_is_wrong_by_the_way_from_it_to_where_the_curve_has_its_score():
    m = measured(
        {"slice_scores": scores(Z, RISING)[::-1]},
        landmarks=marks(L3=(100.0, 12.0), T12=(200.0, 17.5)),
    )
    at = {e.landmark: e for e in landmark_errors(m)}
    assert at["L3"].score == pytest.approx(10.0)
    assert at["L3"].error_mm == pytest.approx(20.0)
    assert at["T12"].error_mm == pytest.approx(-25.0)


def test_a_landmark_that_the_curve_never_reaches_still_counts():
    """39.5 at 395 mm; 45.4 is 5.9 units on, 50 mm at 0.118 units/mm; -1.18 is 10 mm below the field."""
    assert place_mm(np.asarray(Z), RISING, 45.4) == pytest.approx(445.0)
    assert place_mm(np.asarray(Z), RISING, -1.18) == pytest.approx(-10.0)


def test_a_volume_without_scores_has_no_landmark_errors():
    assert landmark_errors(measured(landmarks=marks(L3=(100.0, 12.0)))) == ()


def test_both_landmark_mean_square_errors_by_hand():
    """Table: a (1 + 9) / 2 = 5, b 4: mean 4.5. BPR: mean of T12 is 22, so a 1, b 1; L3 has one patient."""
    volumes = [errors("a", T12=(21.0, 20.0), L3=(13.0, 10.0)), errors("b", T12=(23.0, 21.0))]
    assert lmse_by_table(volumes) == pytest.approx(4.5)
    assert lmse_as_bpr(volumes) == pytest.approx(1.0)


def test_an_error_common_to_all_is_forgiven_by_bodypartregressions_measure_alone():
    volumes = [errors(p, T12=(30.0, 20.0), L3=(20.0, 10.0)) for p in "abc"]
    assert lmse_as_bpr(volumes) == 0.0
    assert lmse_by_table(volumes) == 100.0


def test_each_volume_weighs_the_same_however_many_landmarks_it_has():
    volumes = [errors("a", **{f"T{n}": (1.0, 0.0) for n in range(1, 10)}), errors("b", T1=(3.0, 0.0))]
    assert lmse_by_table(volumes) == pytest.approx(5.0)


@given(arrays(float, (3, 4), elements=st.floats(0, 100)))
def test_the_measure_of_bodypartregression_is_the_variance_over_volumes(s):
    """With every landmark in every volume it is the mean over landmarks of numpy's variance."""
    volumes = [errors(str(i), **{f"T{j}": (v, 0.0) for j, v in enumerate(row, 1)}) for i, row in enumerate(s)]
    assert lmse_as_bpr(volumes) == pytest.approx(s.var(axis=0).mean(), abs=1e-9)


def test_spearman_counts_ranks_as_the_textbook_does():
    """1 - 6 sum d^2 / (n (n^2 - 1)): two neighbours swapped of five, d^2 = 2, 1 - 12/120 = 0.9."""
    z = [0.0, 10.0, 20.0, 30.0, 40.0]
    m = measured({"slice_scores": scores(z, [1, 2, 4, 3, 5], [1, 2, 3, 4, 5])})
    assert spearman(m) == pytest.approx((0.9, 1.0))


@pytest.mark.parametrize("z", [[0.0, 40.0], [0.0, 5.0, 10.0]])
def test_too_few_or_too_near_slices_have_no_rank_correlation(z):
    assert spearman(measured({"slice_scores": scores(z, z)})) is None


def test_groups_are_measured_apart_and_named():
    rows = [
        measured({"slice_scores": scores(Z, RISING)}, name="a", landmarks=marks(L3=(100.0, 12.0))),
        measured({"slice_scores": scores(Z, -RISING)}, name="b", group=Group.LEGS),
        measured({}, name="c", group=Group.LEGS),
    ]
    figures = {f.name: f for f in score_figures(Kind.REAL, rows)}
    assert figures["LMSE by the table, all"].value == figures["LMSE by the table, trunk"].value == 4.0
    assert figures["landmark error median, trunk"].value == pytest.approx(20.0)
    assert "LMSE by the table, legs" not in figures
    assert figures["Spearman raw median, trunk"].value == 1.0
    assert figures["Spearman raw least, legs"].value == -1.0
    assert figures["Spearman raw median, legs"].met is False
    assert figures["volumes with scores, legs"].value == 50.0


def test_landmarks_are_counted_beside_the_patients_that_they_come_from():
    rows = [
        measured(
            {"slice_scores": scores(Z, RISING)},
            name=name,
            patient=patient,
            landmarks=marks(L3=(100.0, 12.0), T12=(200.0, 20.0)),
        )
        for name, patient in (("a", "p"), ("b", "p"), ("c", "q"))
    ]
    figure = next(f for f in score_figures(Kind.REAL, rows) if f.name == "landmark error median, all")
    assert (figure.n, figure.patients) == (6, 2)


def test_legs_count_in_all_but_not_in_what_bodypartregression_is_measured_by():
    rows = [
        measured({"slice_scores": scores(Z, RISING)}, name="a", landmarks=marks(L3=(100.0, 12.0))),
        measured(
            {"slice_scores": scores(Z, RISING)},
            name="b",
            group=Group.LEGS,
            landmarks=marks(knee=(100.0, -20.0), pelvis_start=(100.0, 0.0), head_end=(100.0, 100.5)),
        ),
    ]
    figures = {f.name: f for f in score_figures(Kind.REAL, rows)}
    on_the_scale, everything = (figures[f"LMSE by the table, {g}"] for g in ("pelvis to eyes", "all"))
    assert (on_the_scale.n, everything.n) == (2, 4)
    assert on_the_scale.value == pytest.approx((4.0 + 100.0) / 2)
    assert on_the_scale.goal is not None and on_the_scale.met is False
