"""What a training step sees, and what it is taught by: windows that keep pixels and targets together."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from inference.projection import CELLS, FRONTAL, SAGITTAL_CELLS
from inference.training import windows
from inference.training.bank import Shelf
from inference.training.losses import WEIGHTS, losses, weighted
from inference.training.row_targets import RowTargets
from inference.training.split import Group
from inference.training.windows import ROWS, SHARES, Batch, Drawer, kind, window

WIDTH = CELLS + SAGITTAL_CELLS
CENTRE = 10
"""Row of the only vertebra."""


def shelf(rows=120, group=Group.TRUNK, known=True, name="a"):
    """Every pixel of a row holds a hundredth of its number; so does the score, in units."""
    number = np.arange(rows, dtype=np.float32)
    heat = np.zeros((26, rows), np.float32)
    heat[[0, 19]] = np.maximum(0, 1 - np.abs(number - CENTRE) / 10)
    view = torch.from_numpy(number / 100)[None, :, None].expand(FRONTAL, -1, WIDTH)
    return Shelf(
        identifier=name,
        patient=name,
        folds=frozenset({0}),
        group=group,
        copies=(view.half(),),
        targets=RowTargets(
            score=number,
            weight=np.full(rows, float(known), np.float32),
            heat=heat,
            known=np.ones((26, rows), np.float32),
        ),
    )


@pytest.fixture
def plain(monkeypatch):
    """Nothing is disturbed or blurred."""
    monkeypatch.setattr(windows, "_disturbed", lambda seen, rng: seen)
    monkeypatch.setattr(windows, "_blurred", lambda seen, rng: seen)


def drawn(count, **options):
    return [window(shelf(**options), np.random.default_rng(seed)) for seed in range(count)]


# ------------------------------------------------------------------ windows


@pytest.mark.parametrize("rows", [1, 2, 9, 50, 96, 120, 400])
def test_pixels_and_targets_of_a_row_belong_together(plain, rows):
    for made in drawn(30, rows=rows):
        there = made.valid.bool()
        seen = made.views[0, :, 0]
        np.testing.assert_allclose(seen[there] * 100, made.score[there], atol=0.3)  # float16
        assert bool((seen[~there] == -1).all()) and not made.weight[~there].any()
        assert not made.heat[:, ~there].any() and not made.known[:, ~there].any()
        heat = torch.clamp(1 - (made.score[there] - CENTRE).abs() / 10, 0, 1)
        np.testing.assert_allclose(made.heat[19, there], heat, atol=0.06)  # a line through the tip


def test_rows_of_a_window_are_even_and_as_far_apart_as_the_stretch_says(plain):
    stretches = []
    for made in drawn(60):
        step = np.diff(made.score[made.valid.bool()].numpy())
        np.testing.assert_allclose(step, float(made.direction / made.stretch), atol=1e-4)
        stretches.append(math.log(float(made.stretch)))
    assert abs(np.mean(stretches)) < 0.04 and np.std(stretches) == pytest.approx(0.08, rel=0.3)


def test_windows_are_cut_anywhere_and_placed_anywhere(plain):
    made = drawn(300, rows=400)
    heights = Counter(int(m.valid.sum()) for m in made)
    assert heights[ROWS] / 300 == pytest.approx(0.75, abs=0.08)
    assert min(heights) >= windows.LEAST_ROWS and max(heights) == ROWS
    lows = [float(m.score[m.valid.bool()].min()) for m in made]
    assert min(lows) < 10 and max(lows) > 290
    firsts = {int(m.valid.argmax()) for m in made if m.valid.sum() < 50}
    assert len(firsts) > 15
    whole = [float(m.score[m.valid.bool()].max()) for m in drawn(60, rows=40)]
    assert max(whole) <= 39.001 and max(whole) > 38


def test_some_windows_run_the_wrong_way_and_say_so(plain):
    made = drawn(600)
    backwards = [m for m in made if m.direction < 0]
    assert len(backwards) / 600 == pytest.approx(windows.REVERSED_CHANCE, abs=0.03)
    assert {float(m.direction) for m in made} == {1.0, -1.0}
    for m in backwards:
        assert (np.diff(m.score[m.valid.bool()]) < 0).all()


def test_nine_mm_slices_are_the_mean_of_three_rows(monkeypatch):
    view = torch.arange(12.0)[None, :, None] ** 2 * torch.ones(FRONTAL, 1, 4)
    values = {tuple(windows._blurred(view, np.random.default_rng(s))[2, :, 3].tolist()) for s in range(30)}
    squares = np.arange(12.0) ** 2
    blurred = [(0 + 1) / 2, *(squares[:-2] + squares[1:-1] + squares[2:]) / 3, (100 + 121) / 2]
    assert {tuple(np.round(v, 3)) for v in values} == {tuple(squares), tuple(np.round(blurred, 3))}


def test_disturbed_views_differ_and_may_be_missing_but_seldom_both():
    view = torch.rand(FRONTAL, 60, WIDTH, generator=torch.Generator().manual_seed(0))
    missing = Counter()
    for seed in range(300):
        made = windows._disturbed(view.clone(), np.random.default_rng(seed))
        assert made.shape == view.shape and bool(made.isfinite().all()) and not torch.equal(made, view)
        missing[tuple(float(made[0, :, a:b].std()) < 0.1 for a, b in windows.VIEWS)] += 1
    assert 5 <= missing[True, False] <= 40 and 5 <= missing[False, True] <= 40
    assert missing[True, True] <= 5


# ------------------------------------------------------------------ drawing


def same(one, other):
    return all(torch.equal(getattr(one, f.name), getattr(other, f.name)) for f in fields(Batch))


def test_a_step_has_the_same_windows_whatever_was_drawn_before():
    shelves = [shelf(name="a"), shelf(name="b", rows=50)]
    drawer = Drawer(shelves, 3, (1, 2))
    first, second = drawer.batch(0), drawer.batch(1)
    assert first.views.shape == (3, FRONTAL, ROWS, WIDTH) and first.heat.shape == (3, 26, ROWS)
    assert same(second, Drawer(shelves, 3, (1, 2)).batch(1)) and same(first, drawer.batch(0))
    assert not same(first, second)
    assert not same(first, Drawer(shelves, 3, (1, 3)).batch(0))  # another fold
    assert not same(first, Drawer(shelves, 3, (2, 2)).batch(0))  # another seed


def test_kinds_get_their_shares_and_volumes_of_a_kind_are_drawn_alike(monkeypatch):
    seen = []
    monkeypatch.setattr(windows, "window", lambda s, rng, **_: seen.append(s.identifier))
    monkeypatch.setattr(Batch, "of", classmethod(lambda cls, found: found))
    shelves = [
        shelf(name="t1"),
        shelf(name="t2"),
        shelf(name="m", group=Group.MASKED),
        shelf(name="r", group=Group.MASKED, known=False),
        shelf(name="r2", group=Group.LIMB, known=False),
        shelf(name="l", group=Group.LIMB),
    ]
    assert [kind(s) for s in shelves] == [
        "trunk",
        "trunk",
        "labelled masked",
        "rest",
        "rest",
        "labelled limb",
    ]
    Drawer(shelves, 4000, (1, 0)).batch(0)
    total = 0.44 + 0.14 + 0.13 + 0.05  # no synthetic volume and no head is there
    wanted = {"t1": 0.22, "t2": 0.22, "m": 0.14, "l": 0.13, "r": 0.025, "r2": 0.025}
    found = {n: c / 4000 for n, c in Counter(seen).items()}
    assert found == pytest.approx({n: w / total for n, w in wanted.items()}, abs=0.025)


def test_shares_add_up_and_name_every_kind():
    assert sum(SHARES.values()) == pytest.approx(1)
    assert {kind(shelf(group=g, known=k)) for g in Group for k in (True, False)} == set(SHARES)


# ------------------------------------------------------------------ losses

N, VERTEBRAE = 2, 25


def batch(**changed):
    """Two windows of 96 rows, the first rising at the usual 0.354 units a row, the second half as high."""
    score = torch.stack([30 + 0.354 * torch.arange(ROWS)] * N)
    valid = torch.ones(N, ROWS)
    valid[1, 48:] = 0
    made = Batch(
        views=torch.zeros(N, FRONTAL, ROWS, WIDTH),
        valid=valid,
        score=score,
        weight=torch.ones(N, ROWS),
        heat=torch.zeros(N, 1 + VERTEBRAE, ROWS),
        known=torch.ones(N, 1 + VERTEBRAE, ROWS),
        direction=torch.ones(N),
        stretch=torch.ones(N),
    )
    return replace(made, **changed)


def answer(score, scale=1.0, logit=0.0):
    shape = score.shape
    return (
        score,
        torch.full(shape, scale),
        torch.full(shape, logit),
        torch.full((shape[0], VERTEBRAE, shape[1]), logit),
    )


COUNT = 144
"""Rows that are there; every mean is over one more than what counts."""


def test_a_right_score_costs_nothing_and_a_wrong_one_by_huber():
    asked = batch()
    right = losses(answer(asked.score), asked)
    assert float(right["score"]) == float(right["slope"]) == 0
    # within 3 units the square over 6, beyond it straight
    for away, each in ((1.0, 1 / 6), (-3.0, 1.5), (5.0, 3.5), (-40.0, 38.5)):
        found = losses(answer(asked.score + away), asked)
        assert float(found["score"]) == pytest.approx(each * COUNT / (COUNT + 1), rel=1e-5)
        assert float(found["slope"]) == 0  # shifted, it rises as before


def test_the_scale_is_best_at_the_mean_error_and_does_not_move_the_score():
    asked = batch()
    score = (asked.score + 2).requires_grad_()
    cost = {s: float(losses(answer(score, s), asked)["scale"].detach()) for s in (1.0, 2.0, 4.0)}
    assert cost[2.0] == pytest.approx((1 + math.log(2)) * COUNT / (COUNT + 1), rel=1e-5)
    assert cost[2.0] < min(cost[1.0], cost[4.0])
    assert not losses(answer(score), asked)["scale"].requires_grad
    losses(answer(score), asked)["score"].backward()
    assert float(score.grad.abs().sum()) > 0


def test_heat_is_taught_by_cross_entropy_and_a_centre_counts_five_times():
    asked = batch()
    flat = losses(answer(asked.score), asked)
    assert float(flat["centre"]) == pytest.approx(math.log(2) * COUNT / (COUNT + 1), rel=1e-5)
    assert float(flat["name"]) == pytest.approx(20 * math.log(2) * 3600 / 3601, rel=1e-5)
    heat = asked.heat.clone()
    heat[0, 0, 7] = 1
    one = losses(answer(asked.score), replace(asked, heat=heat))
    assert float(one["centre"]) == pytest.approx(math.log(2) * (COUNT + 4) / (COUNT + 1), rel=1e-5)
    assert float(one["name"]) == pytest.approx(float(flat["name"]))


def test_what_is_not_known_or_not_there_teaches_nothing():
    weight, known = torch.ones(N, ROWS), torch.ones(N, 1 + VERTEBRAE, ROWS)
    weight[0, 10:20], known[0, :, 30:40] = 0, 0
    asked = batch(weight=weight, known=known)
    score, scale, centre, name = answer(asked.score.clone())
    before = losses((score, scale, centre, name), asked)
    score[0, 12:18] += 1.0
    centre[0, 30:40], name[0, :, 30:40] = 9.0, -9.0
    score[1, 60:], scale[1, 60:], centre[1, 60:], name[1, :, 60:] = 999.0, 0.3, 9.0, 9.0
    after = losses((score, scale, centre, name), asked)
    assert {n: float(v) for n, v in after.items()} == {n: float(v) for n, v in before.items()}


@pytest.mark.parametrize(
    ("factor", "direction", "stretch", "cost"),
    [
        (1.0, 1, 1.0, 0.0),
        (1.44, 1, 1.0, 0.0),  # within 45 %
        (2.0, 1, 1.0, 0.55),
        (0.0, 1, 1.0, 0.55),
        (-1.0, 1, 1.0, 1.55),
        (-1.0, -1, 1.0, 0.0),
        (0.5, 1, 2.0, 0.0),
        (1.0, 1, 2.0, 0.275),  # wanted half as much: 1 - 0.5 * 1.45
    ],
)
def test_the_slope_of_every_body_is_taught_whether_labelled_or_not(factor, direction, stretch, cost):
    asked = batch(
        weight=torch.zeros(N, ROWS),
        direction=torch.full((N,), float(direction)),
        stretch=torch.full((N,), stretch),
    )
    found = losses(answer(50 + factor * 0.354 * torch.arange(ROWS).expand(N, -1)), asked)
    pairs = (96 - 8) + (48 - 8)
    assert float(found["slope"]) == pytest.approx(cost * 0.354 * 8 * pairs / (pairs + 1), abs=1e-4)
    assert float(found["score"]) == 0


def test_the_sum_is_weighted():
    each = {name: torch.tensor(float(10**n)) for n, name in enumerate(WEIGHTS)}
    assert list(WEIGHTS) == ["score", "scale", "centre", "name", "slope"]
    assert float(weighted(each)) == pytest.approx(0.1 + 0.3 + 500 + 1000 + 500)
