"""What decides completion, read from rows, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Connection, event

from storage import arrivals, expectations, progress
from storage.ledger import Ledger
from storage.progress import receiving, shape_of
from storage.records import Association, Expectation, Instance, Progress, Shape
from storage.states import Ending, Source
from tests.storage.rows import OTHER_SERIES, SERIES, analyse, complete, instance, result

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def opened(connection: Connection, id: str, *, at: float = 900.0, ae: str = "CT1") -> None:
    row = Association(id=id, calling_ae=ae, called_ae="CTNODE", address="10.0.0.1", opened_at=at)
    arrivals.open_association(connection, row)


def sent(connection: Connection, number: int, by: str | None, *, at: float, series: str = SERIES) -> None:
    arrivals.add_instance(connection, instance(number, association_id=by, at=at, series=series))


def placed(number: int, z_mm: float, *, told: int | None = None, ineligible: str | None = None) -> Instance:
    """A slice of a stack, as its row has it."""
    bare = instance(number, association_id=None, at=1000.0 + number, ineligible=ineligible)
    header = replace(
        bare.header,
        instance_number=number,
        position_mm=(0.0, 0.0, z_mm),
        orientation=AXIAL,
        pixel_spacing_mm=(0.7, 0.7),
        rows=512,
        columns=512,
        rescale_slope=1.0,
        rescale_intercept=-1024.0,
        images_in_acquisition=told,
    )
    return replace(bare, header=header)


def the_one(connection: Connection) -> Progress:
    (found,) = receiving(connection)
    return found


def test_progress_of_each_series_that_receives(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for id, ae in (("a", "CT1"), ("b", "PACS"), ("idle", "CT1"), ("closed", "CT1")):
            opened(connection, id, ae=ae)
        sent(connection, 1, "a", at=1000.0)
        sent(connection, 2, "a", at=1001.0)
        sent(connection, 3, "b", at=1002.0)
        sent(connection, 4, "closed", at=1003.0)
        sent(connection, 5, "b", at=1004.0, series=OTHER_SERIES)
        arrivals.close_association(connection, "closed", Ending.RELEASED, 1005.0)
        found = {p.series_instance_uid: p for p in receiving(connection)}
    assert found == {
        SERIES: Progress(
            series_instance_uid=SERIES,
            first_received_at=1000.0,
            last_received_at=1003.0,
            instances=4,
            calling_aes=("CT1", "PACS"),
            open_associations=2,
            released=1,
        ),
        OTHER_SERIES: Progress(
            series_instance_uid=OTHER_SERIES,
            first_received_at=1004.0,
            last_received_at=1004.0,
            instances=1,
            calling_aes=("PACS",),
            open_associations=1,
        ),
    }


def test_only_series_that_receive(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        assert receiving(connection) == []
        arrivals.add_instance(connection, instance(1))
        complete(connection)
        assert receiving(connection) == []
        analyse(connection, result(1))
        assert receiving(connection) == []
        arrivals.add_instance(connection, instance(2))
        assert [p.instances for p in receiving(connection)] == [2]


def test_a_series_of_which_nobody_knows_who_sent_it(ledger: Ledger) -> None:
    """Its rows were rebuilt from files."""
    with ledger.writing() as connection:
        sent(connection, 1, None, at=1000.0)
        found = the_one(connection)
    assert (found.calling_aes, found.open_associations, found.released) == ((), 0, 0)


@pytest.mark.parametrize("ending", [Ending.ABORTED, Ending.LOST])
def test_a_break_stands_until_a_later_association_sends(ledger: Ledger, ending: Ending) -> None:
    with ledger.writing() as connection:
        opened(connection, "a", at=900.0)
        sent(connection, 1, "a", at=1000.0)
        assert the_one(connection).broken_at is None
        arrivals.close_association(connection, "a", ending, 1001.0)
        found = the_one(connection)
        assert (found.broken_at, found.open_associations, found.released) == (1001.0, 0, 0)

        opened(connection, "beside", at=1000.5, ae="PACS")  # it was open when the other broke
        sent(connection, 2, "beside", at=1002.0)
        arrivals.close_association(connection, "beside", Ending.RELEASED, 1003.0)
        found = the_one(connection)
        assert (found.broken_at, found.released) == (1001.0, 1)

        opened(connection, "again", at=1010.0)
        assert the_one(connection).broken_at == 1001.0  # it has sent nothing yet
        sent(connection, 3, "again", at=1011.0)
        assert the_one(connection).broken_at is None
        arrivals.close_association(connection, "again", Ending.ABORTED, 1012.0)
        assert the_one(connection).broken_at == 1012.0


def test_the_pause_that_broke_the_last_completion(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for number, at in ((1, 1000.0), (2, 1007.0)):
            sent(connection, number, None, at=at)
        assert (the_one(connection).late_after_s, the_one(connection).former_rule) == (None, None)
        complete(connection)
        sent(connection, 3, None, at=1037.0)
        assert (the_one(connection).late_after_s, the_one(connection).former_rule) == (30.0, "long quiet")
        sent(connection, 4, None, at=1038.0)
        assert the_one(connection).late_after_s == 30.0
        complete(connection)
        sent(connection, 5, None, at=1040.0)
        assert the_one(connection).late_after_s == 2.0


def test_what_is_expected_comes_along(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        sent(connection, 1, None, at=1000.0)
        expectations.tell(
            connection,
            series_instance_uid=SERIES,
            source=Source.QUERY,
            told_by="PACS",
            count=3,
            sop_instance_uids=None,
            now=1001.0,
        )
        found = the_one(connection).expectations
    assert found == (Expectation(source=Source.QUERY, told_by="PACS", count=3, missing=2, unlisted=0),)


def test_the_number_of_queries_does_not_grow_with_the_series(ledger: Ledger) -> None:
    counts = []
    for number in (1, 20):
        with ledger.writing() as connection:
            opened(connection, f"a{number}")
            for each in range(number):
                uid = f"{SERIES}.{number}.{each}"
                sent(connection, 100 * number + each, f"a{number}", at=1000.0, series=uid)
        with ledger.reading() as connection:
            asked: list[str] = []
            event.listen(connection, "before_cursor_execute", lambda *a, asked=asked: asked.append(a[2]))
            receiving(connection)
        counts.append(len(asked))
    assert counts[0] == counts[1] <= 6


def test_the_shape_of_a_series(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        for number in (1, 2, 3, 5):
            arrivals.add_instance(connection, placed(number, 2.5 * number, told=5))
        found = shape_of(connection, SERIES)
        assert found.gap is not None
        assert found.acquired_missing == 1
        arrivals.add_instance(connection, placed(4, 10.0, told=5))
        assert shape_of(connection, SERIES) == Shape(gap=None, acquired_missing=0)
        arrivals.add_instance(connection, placed(6, 99.0, told=5, ineligible="not CT image data"))
        assert shape_of(connection, SERIES) == Shape(gap=None, acquired_missing=0)


def test_a_series_of_nothing_that_the_models_read_is_not_closed(ledger: Ledger) -> None:
    with ledger.writing() as connection:
        arrivals.add_instance(connection, instance(1, ineligible="not CT image data"))
        found = shape_of(connection, SERIES)
    assert found.gap is not None
    assert found.acquired_missing is None


def test_it_is_read_from_rows_alone(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shape opens no file: the rows name files that do not exist, and nothing here reads one."""
    with ledger.writing() as connection:
        for number in (1, 2, 3):
            arrivals.add_instance(connection, placed(number, 1.0 * number))
        assert progress.shape_of(connection, SERIES).gap is None
