"""The dispatcher is killed while a PACS is about to answer; the report comes to a receiver meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from node.config import Peer
from storage import workflows
from storage.states import DeliveryState, PromiseState
from tests.node.proof_peers import SEG, SR, Bench, CommittingPacs, report, tell
from tests.node.receiving import receiver
from tests.node.results import analysed
from tests.node.scu_peers import free_port
from tests.waiting import eventually


@contextmanager
def dispatcher(config: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process as `ctnode serve` starts it."""
    command = [sys.executable, "-m", "node.dispatching", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)


def test_a_kill_loses_no_promise_and_the_other_destination_is_unaffected(tmp_path: Path) -> None:
    port, other_port = free_port(), free_port()
    peers: list[dict[str, Any]] = [
        {
            "name": name,
            "ae_title": ae,
            "gets_results": True,
            "commitment": True,
            "hosts": ["127.0.0.1"],
            "port": at,
        }
        for name, ae, at in (("pacs", "PACS", port), ("archive", "ARCHIVE", other_port))
    ]
    known = [Peer(**{**each, "hosts": ("127.0.0.1",)}) for each in peers]
    with receiver(tmp_path / "node", known) as node:
        workflows.prepare(node.ledger)
        config = tmp_path / "config.yaml"
        settings = {"storage": {"root": str(node.root)}, "peers": peers, "proof": {"report_wait_s": 0.1}}
        config.write_text(yaml.safe_dump(settings))
        analysed(node)
        bench = Bench(node, port)
        bench.now = time.time()
        bench.stored("pacs", "archive")
        running: list[subprocess.Popen[bytes]] = []

        def kill(association: Any, _transaction: str, _uids: list[str]) -> None:
            os.kill(running[0].pid, signal.SIGKILL)
            running[0].wait(10)

        with dispatcher(config) as process, CommittingPacs(within=kill).listening(port):
            running.append(process)
            eventually(lambda: process.poll() is not None, what="the dispatcher to be killed", timeout_s=60)
        (promise,) = [each for each in bench.promises() if each.destination == "pacs"]
        assert promise.state is PromiseState.ASKED
        assert bench.states() == {SR: DeliveryState.STORED, SEG: DeliveryState.STORED}
        late = report(promise.transaction_uid, [SR], [(SEG, 0x0119)])
        assert tell(node.port, late, event_type=2) == 0x0000

        def other(_association: Any, transaction: str, uids: list[str]) -> None:
            tell(node.port, report(transaction, uids), calling="ARCHIVE")

        def settled() -> bool:
            mine = bench.states() == {SR: DeliveryState.COMMITTED, SEG: DeliveryState.DEAD}
            return mine and set(bench.states("archive").values()) == {DeliveryState.COMMITTED}

        with CommittingPacs(say=other, ae_title="ARCHIVE").listening(other_port), dispatcher(config):
            all_are_due(bench)
            eventually(settled, what="the report to count after the kill", timeout_s=60)
        (letter,) = node.events("dead letter")
        assert letter.detail.startswith("SEG to pacs: stored, but not committed to: 0119")


def all_are_due(bench: Bench) -> None:
    """The archive was away when it was first asked: a minute passes."""
    with bench.node.ledger.writing() as connection:
        connection.exec_driver_sql("UPDATE proof SET next_at = 0")
