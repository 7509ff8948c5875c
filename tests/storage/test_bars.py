"""Progress is drawn for people who look on, and for nobody else; what is done is the same."""

from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from storage import bars


def terminal() -> Console:
    return Console(file=StringIO(), force_terminal=True, width=80)


def drawn(console: Console) -> str:
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_on_a_terminal_it_says_what_is_done_how_much_and_how_long_it_takes() -> None:
    console = terminal()
    with bars.bar("checking", total=8, console=console) as advance:
        advance(2)
    text = drawn(console)
    assert "checking" in text and "25%" in text and "left" in text
    assert max(map(len, text.splitlines())) < 400  # one line of 80 columns, and codes that draw it


def test_of_what_has_no_end_the_time_is_told_that_has_gone() -> None:
    console = terminal()
    with bars.bar("waiting", total=None, console=console):
        pass
    assert "waiting" in drawn(console) and "0:00:00" in drawn(console) and "left" not in drawn(console)


@pytest.mark.parametrize("console", [Console(file=StringIO(), width=80), terminal()], ids=["pipe", "silent"])
def test_in_a_pipe_or_for_programs_nothing_is_drawn(console: Console) -> None:
    with bars.bar("checking", total=8, silent=console.is_terminal, console=console) as advance:
        advance(8)
    assert drawn(console) == ""


def test_elements_come_through_each_once_and_an_error_is_the_callers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert list(bars.tracked("counting", iter("abc"), total=3)) == ["a", "b", "c"]
    with pytest.raises(ZeroDivisionError):
        for number in bars.tracked("counting", range(3), total=3):
            1 // number
    assert capsys.readouterr() == ("", "")
