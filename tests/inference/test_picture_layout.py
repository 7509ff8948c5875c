"""Lines of text and places of names: properties."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from inference.results.picture.fonts import width_px
from inference.results.picture.layout import apart
from inference.results.picture.prose import wrapped
from inference.results.picture.scene import Style

STYLE = Style(size_px=13)
WORDS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=300)


@given(text=WORDS, width=st.integers(20, 400))
def test_no_line_is_wider_than_its_column_and_nothing_is_lost(text: str, width: int) -> None:
    lines = wrapped(text, STYLE, width, width_px)
    assert all(width_px(line, STYLE) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@given(
    wanted=st.lists(st.floats(0, 1000), max_size=8).map(sorted),
    distance=st.floats(1, 50),
)
def test_names_lie_apart_in_their_order(wanted: list[float], distance: float) -> None:
    placed = apart(wanted, distance, 0, 1000)
    assert len(placed) == len(wanted)
    steps = [b - a for a, b in pairwise(placed)]
    assert all(step >= distance - 1e-6 for step in steps)
    assert all(-1e-6 <= place <= 1000 + 1e-6 for place in placed)


def test_names_that_are_apart_stay_where_they_are() -> None:
    assert apart([10, 40, 90], 20, 0, 100) == [10, 40, 90]
    assert apart([10, 12, 90], 20, 0, 100) == [10, 30, 90]
    assert apart([95, 99], 20, 0, 100) == [80, 100]
