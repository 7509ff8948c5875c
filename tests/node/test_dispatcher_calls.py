"""The dispatcher tells peers of their commitments and asks PACS, at its own pace."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from node import dispatcher
from node.addresses import PeerAddress
from node.config import Config, Peer, Query, Storage
from node.dispatcher import Dispatcher
from node.intake import Intake
from storage import commitments
from storage.expectations import expected
from storage.states import CommitmentState, Source
from tests.node import results
from tests.node.query_peers import Find, counting
from tests.node.receiving import SERIES, Store, ct, free_port, take
from tests.node.results import workflow_ledger
from tests.node.workflow import PAIRS, TRANSACTION, Told, commitment
from tests.stores import reading
from tests.waiting import eventually

workflow_template = results.workflow_template


class NoJobs:
    """An executor that runs nothing."""

    def __init__(self, *_arguments: object, **_settings: object) -> None:
        pass

    def start(self, *_arguments: object) -> None:
        pass

    def beat(self, *_arguments: object) -> None:
        pass

    def stop(self, **_settings: object) -> None:
        pass


def test_both_are_called(tmp_path: Path, workflow_template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "Executor", NoJobs)
    monkeypatch.setattr(dispatcher, "CALLS_S", 0.05)
    told, pacs, port = Told(), Find(counting(3)), free_port()
    with workflow_ledger(workflow_template, tmp_path) as store, told.listening(port):
        taken(store)
        with pacs.listening() as called, running(store, port, called):
            eventually(lambda: (c := commitment(store)) is not None and c.state is CommitmentState.REPORTED)
            eventually(lambda: Source.QUERY in sources(store))
    assert [event_type for event_type, _ds in told.reports] == [1]


def taken(store: Store) -> None:
    """Two instances that came ten seconds ago, and a request for both."""
    then = time.time() - 10
    store.association(opened_at=then)
    intake = Intake(store.instances, store.ledger, reserve_bytes=0, clock=lambda: then)
    for number in (1, 2):
        take(intake, ct(number))
    with store.ledger.writing() as connection:
        commitments.ask(
            connection, transaction_uid=TRANSACTION, calling_ae="SCU", instances=PAIRS, now=time.time()
        )


def sources(store: Store) -> list[Any]:
    with store.ledger.reading() as connection:
        return [each.source for each in expected(connection, [SERIES]).get(SERIES, ())]


@contextmanager
def running(store: Store, port: int, pacs: PeerAddress) -> Iterator[None]:
    """A dispatcher in a thread; nothing is complete meanwhile, for the association is open."""
    here: dict[str, Any] = {"hosts": ("127.0.0.1",)}
    scanner = Peer(name="scanner", ae_title="SCU", may_send=True, port=port, **here)
    archive = Peer(name="pacs", ae_title="PEER", port=pacs.port, query_for=("scanner",), **here)
    query = Query(quiet_s=1, every_s=0.1)
    config = Config(peers=(scanner, archive), storage=Storage(root=store.root), query=query)
    stopping = threading.Event()
    thread = threading.Thread(
        target=Dispatcher(config, store.blobs, store.ledger, store=reading(store.blobs)).run, args=(stopping,)
    )
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join(30)
