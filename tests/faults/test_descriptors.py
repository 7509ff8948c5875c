"""A process without free descriptors: it recovers as soon as there are some."""

from __future__ import annotations

import resource
import socket
from contextlib import ExitStack
from pathlib import Path

from tests.crash.scu import Broken
from tests.faults.receiving import STORAGE, Receiver, series
from tests.waiting import eventually

LIMIT = 64


def _few_descriptors() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


def test_descriptors_that_run_out(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path, STORAGE)
    receiver.start(_few_descriptors)
    try:
        receiver.send_all(series(1))
        running = receiver.associate()
        with ExitStack() as crowd:
            for _ in range(2 * LIMIT):
                connection = socket.create_connection(("127.0.0.1", receiver.node.port), 10)
                crowd.enter_context(connection)
            try:
                answered = [receiver.send(running, each) for each in series(2)]
            except Broken:
                answered = []
            assert set(answered) <= {0x0000, 0xA700}
        eventually(lambda: _stores(receiver), timeout_s=60, what="it to receive again")
        assert receiver.node.supervisor is not None and receiver.node.supervisor.poll() is None
        running.abort()
        receiver.send_all(series(4))
        assert receiver.findings() == []
    finally:
        receiver.node.kill_all()


def _stores(receiver: Receiver) -> bool:
    try:
        receiver.send_all(series(3))
    except (Broken, AssertionError):
        return False
    return True
