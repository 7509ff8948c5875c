"""How far segments are indexed, on both databases."""

from __future__ import annotations

from storage import marks
from storage.ledger import Ledger
from storage.records import SegmentMark


def mark(name: str, indexed_to: int, *, sealed: bool = False) -> SegmentMark:
    return SegmentMark(name=name, indexed_to=indexed_to, sealed=sealed)


def test_marks_are_kept_and_never_go_back(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        marks.note(connection, [], 1.0)
        assert marks.noted(connection) == {}
        marks.note(connection, [mark("b", 8192), mark("a", 4096)], 1.0)
        marks.note(connection, [mark("a", 12288), mark("b", 4096)], 2.0)  # an older one, written late
    with ledger.reading() as connection:
        assert marks.noted(connection) == {"a": mark("a", 12288), "b": mark("b", 8192)}
    with ledger.writing() as connection:
        marks.note(connection, [mark("a", 16384, sealed=True)], 3.0)
        marks.note(connection, [mark("a", 12288)], 4.0)
        assert marks.noted(connection)["a"] == mark("a", 16384, sealed=True)


def test_the_mark_of_one_segment(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        marks.note(connection, [mark("a", 4096), mark("b", 8192, sealed=True)], 1.0)
        assert marks.noted_of(connection, "b") == mark("b", 8192, sealed=True)
        assert marks.noted_of(connection, "c") is None
