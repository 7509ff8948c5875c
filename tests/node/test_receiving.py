"""The tests' own requestor: what it says of an answer is what the peer answered."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
from pynetdicom.transport import AssociationSocket

from node.upper_layer.pdu import a_associate_rj
from tests.node import receiving
from tests.waiting import eventually


def test_a_rejection_is_one_also_where_the_requestor_is_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """pynetdicom's requestor asks whether it is connected after its other thread may have hung up."""
    held = threading.Event()
    made = AssociationSocket.__init__

    def hold(*arguments: Any, **options: Any) -> Any:
        held.set()
        return eventually(*arguments, **options)

    def make(connection: Any, *arguments: Any, **options: Any) -> None:
        made(connection, *arguments, **options)
        wait = connection._ready.wait
        over = lambda: held.is_set() or not connection._is_connected  # noqa: E731 - one expression
        connection._ready.wait = lambda: wait() and eventually(over, what="the answer")

    monkeypatch.setattr(receiving, "eventually", hold)
    monkeypatch.setattr(AssociationSocket, "__init__", make)
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_reject_one, args=(server,), daemon=True).start()
        assert receiving.rejection(receiving.request(server.getsockname()[1])) == (1, 1, 3)


def _reject_one(server: socket.socket) -> None:
    connection, _ = server.accept()
    with connection:
        connection.recv(65_536)
        connection.sendall(a_associate_rj(1, 1, 3))
        connection.recv(1)
