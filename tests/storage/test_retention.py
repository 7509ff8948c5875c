"""The fourth promise: what is owed stays; what is settled and old goes, rows first, then files."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, inspect, select, update

from storage import arrivals, deliveries, events, marks, outcomes, retention, schema
from storage.blobs import BlobName, Blobs, Shelf
from storage.ledger import Ledger
from storage.locator import segment_of
from storage.records import Event, Instance, SegmentMark
from storage.segments.store import SegmentStore
from storage.states import Ending, SeriesState
from tests.storage.rows import OTHER_SERIES, SERIES, add_analysed, association, complete, instance, result
from tests.storage.segments.keeping import PAGE, content, keep, segment_store
from tests.storage.test_arrivals import wait_until_blocked

DAY_S = 86_400.0
OLD = 3 * DAY_S  # 4 January 1970
BEFORE = 10 * DAY_S
SETTLED_TABLES = (
    schema.series,
    schema.instance,
    schema.volume,
    schema.finding,
    schema.result,
    schema.delivery,
)


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "root")


def _put(
    blobs: Blobs,
    number: int,
    *,
    shelf: Shelf = Shelf.INSTANCES,
    at: float = OLD,
    written: float | None = None,
) -> str:
    sop = instance(number).header.sop_instance_uid
    name = BlobName(
        shelf=shelf, arrived_at=at, series_instance_uid=SERIES, sop_instance_uid=sop, digest="0" * 64
    )
    path = blobs.put(name, [b"bytes"])
    os.utime(blobs.absolute(path), (0, at if written is None else written))
    return path


def _paths(blobs: Blobs) -> set[str]:
    return {path for shelf in Shelf for path in blobs.paths(shelf)}


def _rows(ledger: Ledger) -> dict[str, int]:
    with ledger.reading() as connection:
        return {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in SETTLED_TABLES
        }


def _put_with_row(blobs: Blobs, ledger: Ledger) -> None:
    """A series that was analysed and delivered, all of it old."""
    path, result_path = _put(blobs, 1), _put(blobs, 9, shelf=Shelf.RESULTS)
    with ledger.writing() as connection:
        add_analysed(connection, result(1))
        deliveries.owe(connection, result(1).sop_instance_uid, "PACS", OLD)
        deliveries.stored(connection, _delivery_ids(connection), OLD)
        connection.execute(update(schema.instance).values(path=path))
        connection.execute(update(schema.result).values(path=result_path, created_at=OLD))


def _delivery_ids(connection: object) -> list[int]:
    return [d.id for d in deliveries.deliveries_of(connection, SERIES)]  # type: ignore[arg-type]


def test_what_is_settled_and_old_goes(ledger: Ledger, blobs: Blobs) -> None:
    _put_with_row(blobs, ledger)
    assert retention.retire(blobs, ledger, BEFORE) == 1
    assert set(_rows(ledger).values()) == {0}
    assert _paths(blobs) == set()
    assert retention.retire(blobs, ledger, BEFORE) == 0


STILL_NEEDED = {
    "owed": update(schema.delivery).values(state="waiting", settled_at=None),
    "died lately": update(schema.delivery).values(state="dead", settled_at=BEFORE, last_error="refused"),
    "stored lately": update(schema.delivery).values(settled_at=BEFORE),
    "analysed lately, perhaps not routed yet": update(schema.result).values(created_at=BEFORE),
    "completed lately": update(schema.series).values(completed_at=BEFORE),
    "received lately": update(schema.series).values(last_received_at=BEFORE),
    "receiving": update(schema.series).values(state="receiving"),
    "queued": update(schema.series).values(state="queued"),
}


@pytest.mark.parametrize("name", STILL_NEEDED)
def test_what_is_still_needed_stays(ledger: Ledger, blobs: Blobs, name: str) -> None:
    _put_with_row(blobs, ledger)
    with ledger.writing() as connection:
        connection.execute(STILL_NEEDED[name])
    rows, files = _rows(ledger), _paths(blobs)
    assert retention.retire(blobs, ledger, BEFORE) == 0
    assert (_rows(ledger), _paths(blobs)) == (rows, files)
    assert len(files) == 2


@pytest.mark.parametrize("state", [SeriesState.FAILED, SeriesState.NOT_ELIGIBLE])
def test_a_series_without_results_goes_when_it_is_old(
    ledger: Ledger, blobs: Blobs, state: SeriesState
) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1))
        connection.execute(update(schema.series).values(state=state, reason="no CT", completed_at=OLD))
    assert retention.retire(blobs, ledger, BEFORE) == 1


def test_one_series_of_many_goes(ledger: Ledger, blobs: Blobs) -> None:
    _put_with_row(blobs, ledger)
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(2, series=OTHER_SERIES, at=BEFORE))
    assert retention.retire(blobs, ledger, BEFORE) == 1
    assert _rows(ledger) == {t.name: int(t.name in ("series", "instance")) for t in SETTLED_TABLES}


def test_rows_go_before_files(ledger: Ledger, blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stop in between leaves files that the next sweep finds, never rows without bytes."""
    _put_with_row(blobs, ledger)
    rows_at_removal: list[int] = []
    remove = blobs.remove

    def watched(path: str) -> None:
        rows_at_removal.append(sum(_rows(ledger).values()))
        remove(path)

    monkeypatch.setattr(blobs, "remove", watched)
    retention.retire(blobs, ledger, BEFORE)
    assert rows_at_removal == [0, 0]


def test_only_old_files_without_a_row_are_swept(
    ledger: Ledger, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "FILES_AT_ONCE", 2)
    known = {shelf: _put(blobs, number, shelf=shelf) for number, shelf in enumerate(Shelf, 1)}
    young_day = _put(blobs, 4, at=BEFORE)
    young_file = _put(blobs, 5, shelf=Shelf.RESULTS, written=BEFORE)  # of a repeat: its row is on its way
    stray = [_put(blobs, number, shelf=shelf) for number in (6, 7, 8) for shelf in Shelf]
    with ledger.writing() as connection:
        add_analysed(connection, result(1))
        arrivals.keep_aside(connection, _at(instance(2), known[Shelf.ASIDE]), "other content")
        connection.execute(update(schema.instance).values(path=known[Shelf.INSTANCES]))
        connection.execute(update(schema.result).values(path=known[Shelf.RESULTS]))
    assert retention.sweep_files(blobs, ledger, BEFORE) == len(stray) == 9
    assert _paths(blobs) == {*known.values(), young_day, young_file}


def test_a_file_that_is_gone_meanwhile_stops_no_sweep(
    ledger: Ledger, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = [_put(blobs, number) for number in (1, 2)]
    listed = list(blobs.paths(Shelf.INSTANCES))
    monkeypatch.setattr(blobs, "paths", lambda shelf, **_: iter(listed if shelf is Shelf.INSTANCES else []))
    blobs.remove(sorted(stray)[0])
    assert retention.sweep_files(blobs, ledger, BEFORE) == 1
    assert not blobs.absolute(sorted(stray)[1]).exists()


def _at(stored: Instance, path: str) -> Instance:
    return Instance(**{**{f: getattr(stored, f) for f in stored.__dataclass_fields__}, "path": path})


def test_what_was_kept_aside_and_told_and_closed_ages_out(ledger: Ledger, blobs: Blobs) -> None:
    aside = _put(blobs, 3, shelf=Shelf.ASIDE)
    with ledger.writing() as connection:
        arrivals.keep_aside(connection, _at(instance(3), aside), "other content")
        for id in ("idle", "open", "used"):
            arrivals.open_association(connection, association(id))
        arrivals.add_instance(connection, instance(1, association_id="used"))
        for id in ("idle", "used"):
            arrivals.close_association(connection, id, Ending.RELEASED, OLD)
        for at in (OLD, BEFORE):
            events.tell(connection, Event(at=at, kind="refused", subject="x", detail=""))
    retention.retire(blobs, ledger, BEFORE)
    with ledger.reading() as connection:
        assert connection.execute(select(schema.aside)).all() == []
        ids = select(schema.association.c.id).order_by(schema.association.c.id)
        assert connection.execute(ids).scalars().all() == ["open", "used"]
        assert [e.at for e in events.recent(connection, 9)] == [BEFORE]
    assert _paths(blobs) == set()


def test_a_slice_that_comes_while_its_series_goes_opens_it_anew(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        add_analysed(connection)
    added: list[bool] = []

    def add() -> None:
        with ledger.writing() as connection:
            added.append(arrivals.add_instance(connection, instance(2, at=BEFORE)))

    late = threading.Thread(target=add)
    with ledger.writing() as connection:
        assert retention.forget_if_expired(connection, SERIES, BEFORE)
        late.start()
        wait_until_blocked(ledger)
    late.join(20)
    assert added == [True]
    with ledger.reading() as connection:
        series = arrivals.find_series(connection, SERIES)
        assert len(arrivals.instances_of(connection, SERIES)) == 1
    assert series is not None
    assert (series.state, series.instances, series.revision) == (SeriesState.RECEIVING, 1, 0)


def test_a_slice_that_came_just_before_keeps_its_series(ledger: Ledger, blobs: Blobs) -> None:
    with ledger.writing() as connection:
        add_analysed(connection)
    gone: list[int] = []
    retire = threading.Thread(target=lambda: gone.append(retention.retire(blobs, ledger, BEFORE)))
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(2, at=BEFORE))
        retire.start()
        wait_until_blocked(ledger)
    retire.join(20)
    assert gone == [0]
    with ledger.writing() as connection:
        assert len(arrivals.instances_of(connection, SERIES)) == 2
        assert complete(connection) == 2


def test_a_dead_letter_that_is_revived_just_before_keeps_its_series(ledger: Ledger, blobs: Blobs) -> None:
    _put_with_row(blobs, ledger)
    with ledger.writing() as connection:
        dead = update(schema.delivery).values(state="dead", last_error="refused")
        connection.execute(dead)
    gone: list[int] = []
    retire = threading.Thread(target=lambda: gone.append(retention.retire(blobs, ledger, BEFORE)))
    with ledger.writing() as connection:
        deliveries.revive(connection, _delivery_ids(connection), BEFORE)
        retire.start()
        wait_until_blocked(ledger)
    retire.join(20)
    assert gone == [0]
    with ledger.reading() as connection:
        assert len(deliveries.waiting(connection, SERIES, "PACS")) == 1
        assert len(outcomes.results_of(connection, SERIES, 1)) == 1


def _segments(root: Path, ledger: Ledger, spares: int = 0) -> tuple[SegmentStore, list[str]]:
    """Two full segments and one that is written in: each with one instance, all of them indexed."""
    store = segment_store(root, pages=8, spares=spares)
    locators = [keep(store, number, content(number, 6 * PAGE)) for number in (1, 2, 3)]
    with ledger.writing() as connection:
        marks.note(connection, store.marks(locators), OLD)
    store.indexed(locators)
    return store, locators


def _row(ledger: Ledger, number: int, locator: str) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(number, at=OLD))
        where = schema.instance.c.sop_instance_uid == instance(number).header.sop_instance_uid
        place = {"path": locator, "segment": segment_of(locator)}
        connection.execute(update(schema.instance).where(where).values(**place))


def _noted(ledger: Ledger) -> set[str]:
    with ledger.reading() as connection:
        return set(marks.noted(connection))


def test_segments_without_any_row_are_given_back(ledger: Ledger, tmp_path: Path) -> None:
    store, locators = _segments(tmp_path, ledger)
    names = [str(segment_of(locator)) for locator in locators]
    _row(ledger, 1, locators[0])
    assert retention.give_back(store, ledger) == 1  # of the first an instance is there, the last is not full
    assert set(store.segments()) == _noted(ledger) == {names[0], names[2]}
    with ledger.writing() as connection:
        connection.execute(delete(schema.instance))
        aside = {"sop_instance_uid": "1.2", "digest": "0", "path": locators[0], "received_at": OLD}
        connection.execute(insert(schema.aside).values(**aside, reason="other", segment=names[0]))
    assert retention.give_back(store, ledger) == 0  # one is kept aside in it
    with ledger.writing() as connection:
        connection.execute(delete(schema.aside))
    assert retention.give_back(store, ledger) == 1
    assert set(store.segments()) == _noted(ledger) == {names[2]}
    store.close()


def test_as_many_as_are_wanted_become_spare_ones(ledger: Ledger, tmp_path: Path) -> None:
    writer, locators = _segments(tmp_path, ledger)
    store = segment_store(tmp_path, pages=8, spares=1)
    inodes = {writer.range(locator).path.stat().st_ino for locator in locators[:2]}
    assert retention.give_back(store, ledger) == 2
    [spare] = (tmp_path / "segments" / "spare").iterdir()
    assert spare.stat().st_ino in inodes
    assert len(store.segments()) == 1
    writer.close()
    store.close()


def test_a_stop_between_the_steps_brings_nothing_back(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mark goes last: without it the segment would be read as one that nobody has indexed."""
    store, _locators = _segments(tmp_path, ledger)
    on_disk = set(store.segments())

    def stop(_name: str) -> bool:
        assert _noted(ledger) == on_disk
        raise KeyboardInterrupt

    monkeypatch.setattr(store, "recycle", stop)
    with pytest.raises(KeyboardInterrupt):
        retention.give_back(store, ledger)
    store.close()
    monkeypatch.undo()
    again = segment_store(tmp_path, pages=8)
    with ledger.reading() as connection:
        noted = marks.noted(connection)
    assert list(again.unindexed(noted)) == []
    assert retention.give_back(again, ledger) == 2
    again.close()


def test_marks_of_segments_that_are_not_here_stay(ledger: Ledger, tmp_path: Path) -> None:
    """The folder may not be mounted: when it is again, its segments must not be read as new ones."""
    elsewhere = SegmentMark(name="a" * 32, indexed_to=4096, sealed=True)
    with ledger.writing() as connection:
        marks.note(connection, [elsewhere], OLD)
    assert retention.give_back(segment_store(tmp_path), ledger) == 0
    assert _noted(ledger) == {"a" * 32}


def test_an_association_that_ages_out_asks_an_index_whether_it_is_used(ledger: Ledger) -> None:
    """Its deletion looks for its instances twice: without an index that is all of them, and nobody writes."""
    indexes = inspect(ledger.engine).get_indexes("instance")
    assert "association_id" in [index["column_names"][0] for index in indexes]
