"""What pauses teach: which are counted, what is learned of them, and that the bounds hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import arrivals, pace
from storage.ledger import Ledger
from storage.pace import (
    Bounds,
    Lesson,
    Pace,
    Quiet,
    after_pause,
    counted,
    learned,
    lessons,
    slowest,
    taught,
    upper_s,
)
from storage.records import Association
from tests.storage.rows import OTHER_SERIES, SERIES, instance

BOUNDS = Bounds(
    untaught=Quiet(short_s=4, long_s=60),
    least=Quiet(short_s=2, long_s=20),
    most=Quiet(short_s=15, long_s=300),
)


def histogram(*pauses: tuple[float, int]) -> list[float]:
    """Series with these longest pauses, so many of each, in this order."""
    counts: list[float] = []
    for pause_s, times in pauses:
        for _ in range(times):
            counts = counted(counts, pause_s)
    return counts


def paced(*pauses: tuple[float, int]) -> Pace:
    """A caller whose series looked whole in all their pauses."""
    return Pace(whole=histogram(*pauses), all=histogram(*pauses))


def test_bins_double_with_every_second() -> None:
    assert [upper_s(bin) for bin in (0, 2, 4, 10)] == [0.125, 0.25, 0.5, 4.0]
    assert upper_s(1) == pytest.approx(0.125 * 2**0.5)
    assert upper_s(pace.BINS - 1) == upper_s(pace.BINS - 2) == pytest.approx(1448.2, abs=0.1)


@given(st.floats(0, 1e7))
def test_a_pause_is_counted_in_the_bin_that_holds_it(pause_s: float) -> None:
    counts = counted([], pause_s)
    assert len(counts) == pace.BINS
    assert sum(counts) == 1.0
    bin = counts.index(1.0)
    assert bin == 0 or pause_s > upper_s(bin - 1)
    assert bin == pace.BINS - 1 or pause_s <= upper_s(bin)


@pytest.mark.parametrize(
    ("pace", "short_s", "long_s", "deceive"),
    [
        (Pace(), 4, 60, False),
        (paced((1.0, 4)), 4, 60, False),  # four series shorten nothing yet
        (paced((1.0, 5)), 2, 20, False),
        (paced((7.9, 1)), 12, 60, False),  # one lengthens at once; its bin reaches to 8 s
        (paced((0.05, 100)), 2, 20, False),  # a scanner that never pauses
        (paced((4.0, 100)), 6, 20, False),  # 1.5 times what all of them pause
        (paced((30.0, 1)), 15, 60, True),  # a short quiet of 48 s is not allowed
        (paced((30.0, 100)), 15, 48, True),
        (paced((150.0, 100)), 15, 271.5, True),
        (paced((250.0, 100)), 15, 300, True),
        (paced((1.0, 99), (60.0, 1)), 2, 96, False),  # one pause in a hundred: the long quiet outlasts it
        (paced((1.0, 97), (60.0, 3)), 15, 96, True),
        (paced((60.0, 1), (1.0, 190)), 2, 20, False),  # long ago: forgotten
        (paced((1.0, 95), (900.0, 5)), 2, 20, False),  # no timer of ours waits for a quarter of an hour
        (paced((900.0, 100)), 2, 20, False),
        (Pace(whole=histogram((1.0, 9)), all=histogram((40.0, 9))), 2, 67.9, False),  # gaps told it apart
    ],
)
def test_what_is_learned(pace: Pace, short_s: float, long_s: float, deceive: bool) -> None:
    found = learned(pace, BOUNDS)
    assert found.short_s == pytest.approx(short_s)
    assert found.long_s == pytest.approx(long_s, abs=0.05)
    assert found.looks_deceive is deceive


PAUSES = st.lists(st.floats(0, 1e4).map(lambda pause_s: (pause_s, 1)), max_size=60)


@given(PAUSES)
def test_what_is_learned_lies_within_the_bounds(pauses: list[tuple[float, int]]) -> None:
    found = learned(paced(*pauses), BOUNDS)
    assert 2 <= found.short_s <= 15
    assert 20 <= found.long_s <= 300


@given(PAUSES, st.floats(0, 180), st.floats(1, 1.4))
def test_longer_pauses_never_teach_shorter_times(
    pauses: list[tuple[float, int]], pause_s: float, more: float
) -> None:
    shorter, longer = (learned(paced(*pauses, (p, 1)), BOUNDS) for p in (pause_s, pause_s * more))
    assert shorter.short_s <= longer.short_s
    assert shorter.long_s <= longer.long_s
    assert shorter.looks_deceive <= longer.looks_deceive


def test_bounds_that_are_one_number_learn_nothing() -> None:
    fixed = Quiet(short_s=4, long_s=60)
    bounds = Bounds(untaught=fixed, least=fixed, most=fixed)
    for pause_s in (0.1, 2.0, 39.0):
        found = learned(paced((pause_s, 100)), bounds)
        assert (found.short_s, found.long_s) == (4, 60)


@pytest.mark.parametrize(
    ("pause_s", "looked_whole", "expected"),
    [
        (None, True, Quiet(short_s=4, long_s=60)),
        (2.0, True, Quiet(short_s=4, long_s=60)),
        (6.0, True, Quiet(short_s=9, long_s=60)),
        (10.0, True, Quiet(short_s=15, long_s=60)),
        (10.1, True, Quiet(short_s=15, long_s=60, looks_deceive=True)),
        (70.0, False, Quiet(short_s=15, long_s=105)),
        (280.0, False, Quiet(short_s=15, long_s=300)),
        (300.1, True, Quiet(short_s=4, long_s=60)),  # no timer within the bounds waits for that
    ],
)
def test_a_pause_that_broke_a_series_lengthens_its_own_wait(
    pause_s: float | None, looked_whole: bool, expected: Quiet
) -> None:
    found = after_pause(BOUNDS.untaught, pause_s, BOUNDS, looked_whole=looked_whole)
    assert found == expected


def test_the_slowest_caller_counts() -> None:
    one, other = Quiet(short_s=2, long_s=90), Quiet(short_s=6, long_s=20, looks_deceive=True)
    assert slowest([one, other]) == Quiet(short_s=6, long_s=90, looks_deceive=True)
    assert slowest([one]) == one


CAME = [(100.0, "CT1"), (101.0, "CT1"), (104.0, "PACS"), (104.5, "CT1"), (114.5, "CT1"), (115.0, "PACS")]


@pytest.mark.parametrize(
    ("since", "listening", "looked_whole", "expected"),
    [
        (100.0, 0.0, False, {"CT1": (1.0, 10.0), "PACS": (3.0, 3.0)}),  # 10 s: it had a gap, or was open
        (104.5, 0.0, False, {"CT1": (0.5, 10.0), "PACS": (0.5, 0.5)}),  # what came before has taught
        (114.5, 0.0, True, {"CT1": (10.0, 10.0), "PACS": (0.5, 0.5)}),  # it looked whole, and went on
        (114.5, 0.0, False, {"CT1": (0.0, 10.0), "PACS": (0.5, 0.5)}),
        (100.0, 110.0, False, {"CT1": (1.0, 1.0), "PACS": (3.0, 3.0)}),  # the receiver was down
    ],
)
def test_lessons(
    since: float, listening: float, looked_whole: bool, expected: dict[str, tuple[float, float]]
) -> None:
    found = lessons(CAME, since=since, listening_since=listening, short_s=4.0, looked_whole=looked_whole)
    assert found == {ae: Lesson(whole_s=whole_s, all_s=all_s) for ae, (whole_s, all_s) in expected.items()}


def test_one_instance_teaches_nothing() -> None:
    for came in (CAME[:1], []):
        assert lessons(came, since=100, listening_since=0, short_s=4, looked_whole=False) == {}


def test_a_lesson_is_one_series_more() -> None:
    before = {"CT1": paced((1.0, 2))}
    found = taught(before, {"CT1": Lesson(whole_s=3.0, all_s=9.0), "NEW": Lesson(whole_s=0.0, all_s=1.0)})
    assert found == {
        "CT1": Pace(whole=histogram((1.0, 2), (3.0, 1)), all=histogram((1.0, 2), (9.0, 1))),
        "NEW": Pace(whole=histogram((0.0, 1)), all=histogram((1.0, 1))),
    }


def test_paces_are_kept(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        assert pace.known(connection) == {}
        pace.keep(connection, {"CT1": paced((3.0, 1)), "PACS": paced((0.1, 1))}, 1000.0)
        pace.keep(connection, {"CT1": paced((3.0, 1), (9.0, 1))}, 1001.0)
    with ledger.reading() as connection:
        assert pace.known(connection) == {"CT1": paced((3.0, 1), (9.0, 1)), "PACS": paced((0.1, 1))}


def test_arrivals_of_a_series_with_their_callers(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for id, ae in (("a", "CT1"), ("b", "PACS")):
            row = Association(id=id, calling_ae=ae, called_ae="CTNODE", address="", opened_at=1.0)
            arrivals.open_association(connection, row)
        for number, id, at in ((1, "a", 1000.0), (2, "b", 999.0), (3, None, 1001.0)):
            arrivals.add_instance(connection, instance(number, association_id=id, at=at))
        arrivals.add_instance(connection, instance(4, association_id="a", series=OTHER_SERIES, at=1.0))
        assert pace.arrivals_of(connection, SERIES) == [(999.0, "PACS"), (1000.0, "CT1")]
