"""A console over a filled ledger, one for each test that changes it, one for all that only look."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.config import Peer
from tests.console import filled
from tests.console.browsing import Site, site
from tests.node import results
from tests.node.receiving import free_port

workflow_template = results.workflow_template


def peers() -> tuple[Peer, ...]:
    return (
        Peer(name="CT1", ae_title="CT1", may_send=True, hosts=("10.0.0.9",)),
        Peer(name="pacs", ae_title="MAINPACS", gets_results=True, hosts=("127.0.0.1",), port=free_port()),
    )


@pytest.fixture(scope="session")
def filled_root(workflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder to copy."""
    root = tmp_path_factory.mktemp("filled") / "root"
    store = filled.prepared(workflow_template, root)
    with store.ledger.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    store.ledger.close()
    return root


@pytest.fixture
def here(filled_root: Path, tmp_path: Path) -> Iterator[Site]:
    """A console that a test may change."""
    made = site(filled.copied(filled_root, tmp_path / "root"), *peers())
    yield made
    made.console.close()


@pytest.fixture(scope="module")
def shown(filled_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A console that tests only look at."""
    made = site(filled.copied(filled_root, tmp_path_factory.mktemp("console") / "root"), *peers())
    yield made
    made.console.close()
