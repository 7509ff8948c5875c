"""Events, on both databases."""

from __future__ import annotations

from storage import events
from storage.ledger import Ledger
from storage.records import Event


def _event(at: float, *, kind: str = "refused", subject: str = "1.2.3", detail: str = "") -> Event:
    return Event(at=at, kind=kind, subject=subject, detail=detail)


def test_the_newest_events_come_first(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for at, subject in ((1.0, "a"), (3.0, "b"), (2.0, "a"), (3.0, "c")):
            events.tell(connection, _event(at, subject=subject))
        assert [(e.at, e.subject) for e in events.recent(connection, 3)] == [
            (3.0, "c"),
            (3.0, "b"),
            (2.0, "a"),
        ]
        assert [e.at for e in events.recent(connection, 9, subject="a")] == [2.0, 1.0]


def test_the_latest_of_a_kind_is_the_one_told_last(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        assert events.latest(connection, "refused") is None
        events.tell(connection, _event(5.0, detail="first"))
        events.tell(connection, _event(5.0, detail="second"))
        events.tell(connection, _event(9.0, kind="other"))
        assert events.latest(connection, "refused") == _event(5.0, detail="second")


def test_events_age_out(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for at in (1.0, 2.0, 3.0):
            events.tell(connection, _event(at))
        assert events.forget_before(connection, 2.0) == 1
        assert [e.at for e in events.recent(connection, 9)] == [3.0, 2.0]


def test_a_long_subject_is_cut_and_a_nul_is_blanked(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        events.tell(connection, _event(1.0, subject="s" * 200, detail="raw \0 bytes"))
        (told,) = events.recent(connection, 1)
    assert (told.subject, told.detail) == ("s" * 128, "raw   bytes")
