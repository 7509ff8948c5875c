"""A result object that is held is owed to nobody, goes in no other's place, and is shown with its reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import update

from node import processes, standing, tables
from node.config import Assembly, Config, Peer
from node.delivery import Delivering
from storage import schema
from storage.kinds import Kind
from tests.node.receiving import SERIES, Store
from tests.node.results import UIDS, JobList, analysed, states
from tests.node.test_standing import shown

REASON = "dciodvfy: Modality(0008,0060): Wrong"
PACS = Peer(name="pacs", ae_title="PACS", gets_results=True, hosts=("127.0.0.1",), port=104)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    each = Store(tmp_path)
    analysed(each)
    with each.ledger.writing() as connection:
        row = schema.result.c.sop_instance_uid == f"{UIDS['sr']}.1"
        connection.execute(update(schema.result).where(row).values(held=REASON))
    return each


def test_it_is_owed_to_nobody_and_the_others_are(store: Store) -> None:
    jobs = JobList()
    delivering = Delivering(
        Config(peers=(PACS,)),
        store.blobs,
        store.ledger,
        jobs,  # type: ignore[arg-type]
        clock=lambda: 1000.0,
    )
    delivering.route(SERIES, 1)
    assert states(store) == {"seg": "waiting"}


def test_status_shows_it(store: Store) -> None:
    with store.ledger.reading() as connection:
        found = standing.series_standing(connection, SERIES, Assembly(), 1000.0)
    assert found is not None
    assert f"SR of volume 1 is held: {REASON}" in shown(tables.series_table(found))
    assert json.loads(json.dumps(standing.series_json(found)))["results_held"] == [
        {"kind": "SR", "volume": 1, "sop_instance_uid": f"{UIDS['sr']}.1", "reason": REASON}
    ]


def test_the_worker_is_told_what_the_destinations_want(tmp_path: Path) -> None:
    peer = PACS.model_copy(update={"results": (Kind.SEG,), "instead": {Kind.SEG: Kind.SC}})
    assert kinds_told(Config(peers=(peer,)), tmp_path) == "SC,SEG"
    assert kinds_told(Config(), tmp_path) == "SEG,SR"


def kinds_told(config: Config, folder: Path) -> str:
    children = processes._others(config, folder / "config.yaml")
    (worker,) = [child for child in children if child.role == "worker"]
    return worker.command[worker.command.index("--kinds") + 1]
