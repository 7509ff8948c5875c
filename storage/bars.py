"""Progress on a terminal, on standard error: how much is done and how long it still takes.

Where standard error is no terminal (a pipe, a log) nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

Element = TypeVar("Element")
REFRESH_PER_S: Final = 4
"""A bar beside a measurement must not cost what is measured."""
Advance = Callable[[int], object]
"""So much more is done."""


@contextmanager
def bar(
    doing: str, *, total: int | None, silent: bool = False, console: Console | None = None
) -> Iterator[Advance]:
    """A bar while something lasts; it is gone afterwards.

    Args:
        doing: one or two words, such as "checking".
        total: of what is counted; None: nobody knows, and only the time is told that has gone.
        silent: nothing is drawn: what is asked for is for programs.
        console: where it is drawn; standard error by default.
    """
    shown = console or Console(stderr=True)
    with Progress(
        *_columns(total),
        console=shown,
        transient=True,
        refresh_per_second=REFRESH_PER_S,
        disable=silent or not shown.is_terminal,
    ) as progress:
        task = progress.add_task(doing, total=total)
        yield lambda count: progress.advance(task, count)


def tracked(
    doing: str, elements: Iterable[Element], *, total: int, silent: bool = False
) -> Iterator[Element]:
    """The elements, one after the other, with a bar while the caller works on them."""
    with bar(doing, total=total, silent=silent) as advance:
        for element in elements:
            yield element
            advance(1)


def _columns(total: int | None) -> tuple[ProgressColumn, ...]:
    described = TextColumn("{task.description}")
    if total is None:
        return described, BarColumn(), TimeElapsedColumn()
    return described, BarColumn(), TaskProgressColumn(), TextColumn("left"), TimeRemainingColumn()
