"""When which PACS is asked, and what is believed. The clock is set by hand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from node.addresses import PeerAddress
from node.asking import PAUSE_S, Asking
from node.calls import Calls
from node.config import Config, Peer, Query, Storage
from node.intake import Intake
from storage import arrivals
from storage.expectations import expected
from storage.records import Association
from storage.states import Source
from tests.node.query_peers import Find, counting, match
from tests.node.receiving import SERIES, Store, ct, take
from tests.node.scu_peers import free_port, here, listener, silent
from tests.waiting import eventually

T0 = 1_000_000.0
OTHER = "2.25.1003"


class Now(Calls):
    """Calls here and now: what they led to is seen when `ask` returns."""

    def begin(self, name: str, call: object) -> bool:
        assert callable(call)
        call()
        return True


@dataclass
class Bench:
    """A ledger, and a PACS that is the source of what CT1 sends."""

    store: Store
    called: PeerAddress
    now: float = T0
    calls: Calls = field(default_factory=Now)
    asking: Asking = field(init=False)

    def __post_init__(self) -> None:
        ct1 = Peer(name="ct1", ae_title="CT1", may_send=True, hosts=("127.0.0.1",))
        ct2 = Peer(name="ct2", ae_title="CT2", may_send=True, hosts=("127.0.0.1",))
        pacs = Peer(
            name="pacs",
            ae_title=self.called.ae_title,
            hosts=(self.called.host,),
            port=self.called.port,
            query_for=("ct1",),
        )
        config = Config(
            peers=(ct1, ct2, pacs),
            storage=Storage(root=self.store.root),
            query=Query(quiet_s=2, every_s=4, timeout_s=0.5),
        )
        self.asking = Asking(config, self.store.ledger, self.calls, clock=lambda: self.now)

    def take(self, *numbers: int, series: str = SERIES, calling_ae: str = "CT1") -> None:
        with self.store.ledger.writing() as connection:
            row = Association(
                id=calling_ae, calling_ae=calling_ae, called_ae="CTNODE", address="127.0.0.1", opened_at=T0
            )
            arrivals.open_association(connection, row)
        intake = Intake(self.store.instances, self.store.ledger, reserve_bytes=0, clock=lambda: self.now)
        for number in numbers:
            take(intake, ct(number, series=series), association_id=calling_ae)

    def ask_at(self, seconds: float) -> None:
        self.now = T0 + seconds
        self.asking.ask()

    def told(self, series: str = SERIES) -> list[tuple[Source, str, int, int]]:
        with self.store.ledger.reading() as connection:
            found = expected(connection, [series]).get(series, ())
        return [(each.source, each.told_by, each.count, each.missing) for each in found]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    yield Store(tmp_path)


def test_a_count_is_told_when_two_answers_agree(store: Store) -> None:
    peer = Find(counting(3))
    with peer.listening() as called:
        bench = Bench(store, called)
        bench.take(1, 2)
        asked = []
        for seconds in (
            0,
            2.0,
            2.1,
            3.0,
            6.0,
            6.1,
            7.0,
            10.1,
        ):  # two instances at once lie a microsecond apart
            bench.ask_at(seconds)
            asked.append(len(peer.asked))
            assert bench.told() == ([(Source.QUERY, "pacs", 3, 1)] if seconds > 6 else [])
    assert asked == [0, 0, 1, 1, 1, 2, 2, 3]


def test_a_count_that_grows_is_not_believed(store: Store) -> None:
    """The PACS is still receiving the series, as we are."""
    with Find(counting(1, 2, 3, 3)).listening() as called:
        bench = Bench(store, called)
        bench.take(1, 2)
        for seconds in (2.1, 6.1, 10.1):
            bench.ask_at(seconds)
            assert bench.told() == []
        bench.ask_at(14.1)
    assert bench.told() == [(Source.QUERY, "pacs", 3, 1)]


def test_a_list_is_told_as_one(store: Store) -> None:
    def answer(identifier: Dataset) -> list[tuple[int, Dataset | None]]:
        uids = [""] if identifier.QueryRetrieveLevel == "SERIES" else [f"{SERIES}.1", f"{SERIES}.9"]
        return [(0xFF00, match(identifier, SOPInstanceUID=uid)) for uid in uids]

    with Find(answer).listening() as called:
        bench = Bench(store, called)
        bench.take(1, 2)
        bench.ask_at(3)
        bench.ask_at(7)
    with store.ledger.reading() as connection:
        (told,) = expected(connection, [SERIES])[SERIES]
    assert (told.count, told.missing, told.unlisted) == (2, 1, 1)


def test_only_series_of_its_senders_are_asked_for(store: Store) -> None:
    peer = Find(counting(3))
    with peer.listening() as called:
        bench = Bench(store, called)
        bench.take(1, series=SERIES, calling_ae="CT1")
        bench.take(1, series=OTHER, calling_ae="CT2")
        bench.ask_at(5)
    assert [ds.SeriesInstanceUID for ds in peer.asked] == [SERIES]


def test_a_series_that_goes_on_is_asked_for_when_it_is_quiet_again(store: Store) -> None:
    peer = Find(counting(3))
    with peer.listening() as called:
        bench = Bench(store, called)
        bench.take(1)
        bench.ask_at(2)
        bench.now = T0 + 5.5
        bench.take(2)
        bench.ask_at(6.0)
        assert len(peer.asked) == 1
        bench.ask_at(7.5)
    assert len(peer.asked) == 2


def test_nothing_is_asked_of_nobody(store: Store) -> None:
    bench = Bench(store, here(free_port()))
    bench.asking = Asking(Config(storage=Storage(root=store.root)), store.ledger, bench.calls)
    bench.take(1)
    bench.ask_at(5)
    assert bench.told() == []


def test_a_pacs_that_is_away_is_left_alone_for_a_while(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = Bench(store, here(free_port()))
    bench.take(1)
    failures = []
    for seconds in (2.0, 6.0, 2.0 + PAUSE_S - 0.1, 2.0 + PAUSE_S):
        bench.ask_at(seconds)
        failures.append("".join(capsys.readouterr()).count("query failed"))
    assert failures == [1, 0, 0, 1]
    assert bench.told() == []


def test_a_pacs_that_is_silent_does_not_hold_up_the_dispatcher(store: Store) -> None:
    """`ask` returns while the call hangs, and does not call twice."""
    came: list[object] = []

    def talk(connection: object) -> None:
        came.append(connection)
        silent(connection)  # type: ignore[arg-type]

    with listener(talk) as called:
        bench = Bench(store, called, calls=Calls())
        bench.take(1)
        bench.ask_at(2)
        assert "query/pacs" in bench.calls._under_way
        bench.ask_at(6)
        bench.ask_at(10)
        eventually(lambda: "query/pacs" not in bench.calls._under_way, what="the call to end by its time-out")
        bench.ask_at(11)  # paused
        assert "query/pacs" not in bench.calls._under_way
    assert len(came) == 1
    assert bench.told() == []


def test_what_was_heard_of_is_forgotten_with_the_series(store: Store) -> None:
    with Find(counting(3)).listening() as called:
        bench = Bench(store, called)
        bench.take(1)
        bench.ask_at(2)
        assert len(bench.asking._heard) == 1
        with store.ledger.writing() as connection:
            connection.exec_driver_sql("UPDATE series SET state = 'queued'")
        bench.ask_at(10.1)
    assert bench.asking._heard == {}
