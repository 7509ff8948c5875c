"""Intervals that hold what they say, and goals that are judged as they read."""

from __future__ import annotations

import numpy as np
import pytest

from inference.evaluation.case import Kind
from inference.evaluation.figure import BOOTSTRAPS, figure, interval, mean, median, p90
from inference.evaluation.goals import GOALS, Goal
from inference.evaluation.serial import read_figures, write_figures


def sample(values, patients=None):
    patients = patients or [f"p{n}" for n in range(len(values))]
    return list(zip(patients, values, strict=True))


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    """Mean of 100 values of sd 2: 1.96 * 0.2 either way, with nothing of ours in the expectation."""
    values = np.random.default_rng(1).normal(10, 2, 100)
    values = (values - values.mean()) / values.std() * 2 + 10
    low, high = interval(sample(list(values)), mean)
    assert low == pytest.approx(10 - 1.96 * 0.2, abs=0.04)
    assert high == pytest.approx(10 + 1.96 * 0.2, abs=0.04)


def test_the_interval_holds_the_truth_about_as_often_as_it_says(monkeypatch):
    """200 samples of 40 patients from a known law; a percentile bootstrap of a mean holds in some 93-95 %."""
    monkeypatch.setattr("inference.evaluation.figure.BOOTSTRAPS", 300)
    random = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        low, high = interval(sample(list(random.normal(0, 1, 40))), mean)
        held += low <= 0 <= high
    assert 178 <= held <= 198


def test_patients_are_drawn_and_not_volumes():
    """Four copies of each patient's value add no evidence: the interval stays as wide."""
    values = list(np.random.default_rng(3).normal(0, 1, 20))
    patients = [f"p{n}" for n in range(20)]
    once = interval(sample(values, patients), mean)
    copied = interval(sample(values * 4, patients * 4), mean)
    assert copied == pytest.approx(once, abs=1e-9)
    as_if_apart = interval(sample(values * 4), mean)
    assert as_if_apart[1] - as_if_apart[0] < 0.6 * (once[1] - once[0])


def test_the_same_sample_gives_the_same_interval():
    rows = sample([1.0, 2.0, 5.0, 9.0])
    assert interval(rows, median) == interval(rows, median)
    assert BOOTSTRAPS == 1000


@pytest.mark.parametrize(("value", "low", "high"), [(0.0, 0.0, 0.3085), (1.0, 0.6915, 1.0)])
def test_a_share_that_never_varies_keeps_its_binomial_doubt(value, low, high):
    """Clopper-Pearson of 0 in 10: 1 - 0.025^(1/10) = 0.3085, by any table."""
    assert interval(sample([value] * 10), mean, share=True) == pytest.approx((low, high), abs=1e-4)
    assert interval(sample([value] * 10), mean) == (value, value)


def test_one_patient_has_no_interval_and_nothing_has_no_value():
    one = figure("levels", "T12 error median", Kind.REAL, sample([3.0, 5.0], ["p", "p"]), median, unit="mm")
    assert (one.value, one.low, one.high, one.n, one.patients) == (4.0, None, None, 2, 1)
    none = figure("levels", "T12 error median", Kind.REAL, [], median, unit="mm")
    assert (none.value, none.n, none.met) == (None, 0, None)
    assert none.goal == Goal(limit=5.0, at_most=True)


@pytest.mark.parametrize(
    ("value", "kind", "met"),
    [(5.0, Kind.REAL, True), (5.001, Kind.REAL, False), (9.0, Kind.SYNTHETIC, None), (9.0, Kind.CROP, None)],
)
def test_a_goal_holds_for_real_volumes_its_limit_included(value, kind, met):
    assert figure("levels", "L3 error median", kind, sample([value]), median).met is met


@pytest.mark.parametrize(("value", "met"), [(1.0, True), (0.99, False)])
def test_the_goal_of_the_axis_holds_for_reformats_too(value, met):
    rows = sample([value, value])
    assert figure("axis", "axis right", Kind.REFORMAT, rows, mean, unit="%").met is met
    assert figure("axis", "axis right", Kind.SYNTHETIC, rows, mean, unit="%").met is None


def test_the_goals_are_those_that_were_set():
    limits = {name: str(goal) for name, (goal, _) in GOALS.items()}
    assert limits["LMSE by the table, all"] == "<= 3"
    assert limits["landmark error median, all"] == "<= 8"
    assert limits["Spearman raw median, trunk"] == ">= 0.995"
    assert {limits[f"Spearman raw median, {g}"] for g in ("head", "neck", "legs")} == {">= 0.98"}
    for level in ("T12", "L3"):
        assert limits[f"{level} error median"] == "<= 5"
        assert limits[f"{level} error median in slices"] == "<= 1"
        assert limits[f"{level} within 10 mm"] == ">= 90"
        assert limits[f"{level} wrong level"] == "<= 5"
        assert limits[f"{level} found without it"] == "<= 2"
    assert limits["regions right"] == ">= 96"
    assert limits["axis right"] == ">= 100"
    assert [limits[f"contrast {x}"] for x in ("AUC", "right among decided", "undetermined")] == [
        ">= 0.97",
        ">= 95",
        "<= 10",
    ]


def test_statistics_of_nothing_are_not_numbers():
    assert all(np.isnan(f([])) for f in (mean, median, p90))
    assert p90(list(range(11))) == 9


def test_figures_come_back_from_json_as_they_were(tmp_path):
    figures = (
        figure("levels", "T12 error median", Kind.REAL, sample([1.0, 2.0, 7.0]), median, unit="mm"),
        figure("axis", "axis right", Kind.SYNTHETIC, [], mean, unit="%"),
    )
    write_figures(tmp_path / "f.json", figures)
    assert read_figures(tmp_path / "f.json") == figures
