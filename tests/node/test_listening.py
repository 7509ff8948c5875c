"""Sockets that outlive who accepts from them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from node import processes
from node.config import Config, Node, Storage, Tls
from node.listening import INHERITED, Bound, Transport, bind, inherited, told
from node.supervisor import Supervisor
from storage.errors import ConfigError
from tests.node.receiving import free_port

REPOSITORY = Path(__file__).resolve().parents[2]
ACCEPT_ONE = """
from node.listening import inherited
for each in inherited():
    connection, _ = each.socket.accept()
    connection.sendall(each.transport.encode())
    connection.close()
"""


def configured(tmp_path: Path, *, port: int, tls_port: int | None = None) -> Config:
    pem = tmp_path / "a.pem"
    return Config(
        node=Node(host="127.0.0.1", port=port),
        tls=Tls(port=tls_port, certificate=pem, key=pem, authorities=pem),
        storage=Storage(root=tmp_path),
    )


def asked(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        return connection.recv(10)


def accepting(bound: tuple[Bound, ...]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", ACCEPT_ONE],
        cwd=REPOSITORY,
        env={**os.environ, **told(bound)},
        pass_fds=[each.socket.fileno() for each in bound],
    )


def test_a_child_accepts_on_the_sockets_that_it_inherits_and_they_outlive_it(tmp_path: Path) -> None:
    plain, secured = free_port(), free_port()
    bound = bind(configured(tmp_path, port=plain, tls_port=secured))
    assert [each.transport for each in bound] == [Transport.PLAIN, Transport.TLS]
    for _ in range(2):
        child = accepting(bound)
        assert (asked(plain), asked(secured)) == (b"plain", b"tls")
        assert child.wait(30) == 0
    for each in bound:
        each.socket.close()


def test_who_calls_while_nobody_accepts_is_served_by_the_next(tmp_path: Path) -> None:
    port = free_port()
    bound = bind(configured(tmp_path, port=port))
    with socket.create_connection(("127.0.0.1", port), timeout=10) as early:
        child = accepting(bound)
        assert early.recv(10) == b"plain"
        assert child.wait(30) == 0
    bound[0].socket.close()


def test_a_port_that_is_taken_is_named_and_nothing_stays_open(tmp_path: Path) -> None:
    plain, taken = free_port(), free_port()
    with socket.socket() as other:
        other.bind(("127.0.0.1", taken))
        other.listen()
        with pytest.raises(ConfigError, match=f"^cannot listen on 127.0.0.1 port {taken}: Address already"):
            bind(configured(tmp_path, port=plain, tls_port=taken))
    bind(configured(tmp_path, port=plain))[0].socket.close()


def test_a_receiver_that_was_started_by_itself_inherits_nothing() -> None:
    assert inherited({}) is None
    assert inherited({INHERITED: ""}) is None


def test_who_calls_while_the_node_stops_is_refused_and_waits_for_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The supervisor outlives the receivers: a caller that it held would wait until it is gone as well."""
    config = configured(tmp_path, port=free_port())
    heard: list[object] = []

    class Stopping(Supervisor):
        def run(self) -> int:
            socket.create_connection(("127.0.0.1", config.node.port), timeout=10).close()
            self.before_stopping()
            with pytest.raises(ConnectionRefusedError) as refused:
                socket.create_connection(("127.0.0.1", config.node.port), timeout=10)
            heard.append(refused.type)
            return 0

    monkeypatch.setattr(processes, "Supervisor", Stopping)
    monkeypatch.setattr(processes.logs, "configure", lambda _role: None)
    monkeypatch.setenv(processes.LEDGER_URL, "")  # taken back afterwards
    assert processes.serve(config, tmp_path / "config.yaml") == 0
    assert heard == [ConnectionRefusedError]
