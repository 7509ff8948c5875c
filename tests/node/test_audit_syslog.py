"""Audit messages at a syslog server: framed, by TLS, all of them, also what waited while it was away."""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from node.audit.auditing import Auditing
from node.audit.parts import audit_file, parts
from node.audit.syslog import Forwarding
from node.config import Audit, Config, Node, Storage
from node.program import app
from storage import audits
from storage import events as ledger_events
from storage.records import Event
from tests.console import conftest, filled
from tests.console.filled import NOW, STUDY
from tests.node import results
from tests.node.audit_schema import checked
from tests.node.authority import Authority
from tests.node.receiving import Store

workflow_template = results.workflow_template
filled_root = conftest.filled_root

HEADER = re.compile(
    r"<85>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \S{1,255} ctnode \d+ DICOM\+RFC3881 - \ufeff"
    r"<\?xml version=\"1\.0\" encoding=\"UTF-8\"\?>(<AuditMessage>.*</AuditMessage>)",
    re.DOTALL,
)
"""RFC 5424 6, with the MSGID of PS3.15 A.6.1."""


@dataclass
class Server:
    """A syslog server that reads frames of RFC 5425."""

    context: ssl.SSLContext
    listening: socket.socket = field(default_factory=lambda: socket.create_server(("127.0.0.1", 0)))
    taken: list[str] = field(default_factory=list)
    answers_close: bool = False  # by close_notify; else it just closes

    @property
    def port(self) -> int:
        return int(self.listening.getsockname()[1])

    def serve(self, connections: int) -> threading.Thread:
        thread = threading.Thread(target=self._serve, args=(connections,), daemon=True)
        thread.start()
        return thread

    def _serve(self, connections: int) -> None:
        for _ in range(connections):
            plain, _ = self.listening.accept()
            try:
                with self.context.wrap_socket(plain, server_side=True) as secured:
                    data = b"".join(iter(lambda secured=secured: secured.recv(65536), b""))
                    if self.answers_close:
                        secured.unwrap()
            except OSError:
                continue
            while data:
                length, _, data = data.partition(b" ")
                self.taken.append(data[: int(length)].decode())
                data = data[int(length) :]


@pytest.fixture
def store(filled_root: Path, tmp_path: Path) -> Iterator[Store]:
    made = filled.copied(filled_root, tmp_path / "root")
    yield made
    made.ledger.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    (tmp_path / "tls").mkdir()
    return Authority(tmp_path / "tls")


@pytest.fixture
def server(authority: Authority) -> Iterator[Server]:
    pair = authority.sign("audit", ip="127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    made = Server(context)
    yield made
    made.listening.close()


def config_of(store: Store, authority: Authority, port: int) -> Config:
    audit = Audit(syslog_host="127.0.0.1", syslog_port=port, syslog_authorities=authority.certificate)
    return Config(node=Node(ae_title="HERE"), storage=Storage(root=store.root), audit=audit)


def log_out(store: Store, who: str) -> None:
    with store.ledger.writing() as connection:
        ledger_events.tell(connection, Event(at=NOW, kind="console", subject=who, detail="logged out"))


@pytest.mark.parametrize("answers_close", [True, False])
def test_every_message_is_sent_once_and_what_waited_comes_afterwards(
    store: Store, authority: Authority, server: Server, answers_close: bool
) -> None:
    server.answers_close = answers_close
    config = config_of(store, authority, server.port)
    audit = Auditing(config, store.ledger, clock=lambda: NOW)
    forwarding = Forwarding(config, store.ledger, clock=lambda: NOW)
    audit.audit()
    thread = server.serve(1)
    forwarding.forward()
    thread.join(30)
    first = [HEADER.fullmatch(each) for each in server.taken]
    assert all(first)
    assert len(first) == len(audit_file(config).read_text().splitlines())
    assert STUDY in server.taken[0] + server.taken[-1]
    for match in first:
        assert match is not None
        checked(match[1])
    with store.ledger.reading() as connection:
        reached = audits.trail(connection)
    assert reached.sent_bytes == reached.file_bytes == audit_file(config).stat().st_size
    forwarding.forward()  # nothing is new: nobody is called

    away = Forwarding(config_of(store, authority, 1), store.ledger, clock=lambda: NOW)
    for who in ("eve", "bob"):
        log_out(store, who)
        audit.audit()
    with capture_logs() as lines:
        away.forward()
        away.forward()
    assert [line["event"] for line in lines] == ["audit server away"]

    before = len(server.taken)
    thread = server.serve(1)
    forwarding.forward()
    thread.join(30)
    assert [re.search(r'UserID="(\w+)"', each)[1] for each in server.taken[before:]] == ["eve", "bob"]  # type: ignore[index]


def test_what_a_connection_lost_is_sent_again(store: Store, authority: Authority, server: Server) -> None:
    config = config_of(store, authority, server.port)
    Auditing(config, store.ledger, clock=lambda: NOW).audit()
    forwarding = Forwarding(config, store.ledger, clock=lambda: NOW)

    def reset() -> None:
        plain, _ = server.listening.accept()
        secured = server.context.wrap_socket(plain, server_side=True)
        secured.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        secured.close()

    thread = threading.Thread(target=reset, daemon=True)
    thread.start()
    forwarding.forward()
    thread.join(30)
    thread = server.serve(1)
    forwarding.forward()
    thread.join(30)
    assert len(server.taken) == len(audit_file(config).read_text().splitlines())


def test_a_server_of_another_authority_gets_nothing(
    store: Store, authority: Authority, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    config = config_of(store, other, server.port)
    Auditing(config, store.ledger, clock=lambda: NOW).audit()
    thread = server.serve(1)
    with capture_logs() as lines:
        Forwarding(config, store.ledger, clock=lambda: NOW).forward()
    thread.join(30)
    assert [line["event"] for line in lines] == ["audit server away"]
    assert server.taken == []
    with store.ledger.reading() as connection:
        assert audits.trail(connection).sent_bytes == 0


def test_a_server_under_another_name_gets_nothing(store: Store, authority: Authority) -> None:
    pair = authority.sign("elsewhere", ip="192.0.2.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    server = Server(context)
    config = config_of(store, authority, server.port)
    Auditing(config, store.ledger, clock=lambda: NOW).audit()
    thread = server.serve(1)
    Forwarding(config, store.ledger, clock=lambda: NOW).forward()
    thread.join(30)
    server.listening.close()
    assert server.taken == []


def test_a_line_that_somebody_changed_keeps_no_other_back(
    store: Store, authority: Authority, server: Server
) -> None:
    """When the trail was tampered with, the server is needed most."""
    config = config_of(store, authority, server.port)
    Auditing(config, store.ledger, clock=lambda: NOW).audit()
    path = audit_file(config)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([b"x" * (len(lines[0]) - 1) + b"\n", *lines[1:]]))
    forwarding = Forwarding(config, store.ledger, clock=lambda: NOW)
    thread = server.serve(1)
    forwarding.forward()
    thread.join(30)
    assert len(server.taken) == len(lines) - 1


def test_what_a_server_did_not_read_it_has_not_got(
    store: Store, authority: Authority, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that hangs answers nothing, and the kernel takes everything."""
    monkeypatch.setattr("node.audit.syslog.TIMEOUT_S", 0.5)
    config = config_of(store, authority, server.port)
    Auditing(config, store.ledger, clock=lambda: NOW).audit()
    held = threading.Event()

    def hang() -> None:
        plain, _ = server.listening.accept()
        secured = server.context.wrap_socket(plain, server_side=True)
        held.wait(60)
        secured.close()

    thread = threading.Thread(target=hang, daemon=True)
    thread.start()
    forwarding = Forwarding(config, store.ledger, clock=lambda: NOW)
    with capture_logs() as lines:
        forwarding.forward()
    assert [(line["event"], line["reason"]) for line in lines] == [
        ("audit server away", "it does not read what it gets")
    ]
    held.set()
    thread.join(60)
    with store.ledger.reading() as connection:
        assert audits.trail(connection).sent_bytes == 0
    thread = server.serve(1)
    forwarding.forward()
    thread.join(30)
    assert len(server.taken) == len(audit_file(config).read_text().splitlines())


def test_messages_of_files_that_ended_are_sent_in_their_order(
    store: Store, authority: Authority, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("node.audit.auditing.MEGABYTE", 1)
    config = config_of(store, authority, server.port)
    config = config.model_copy(update={"audit": config.audit.model_copy(update={"file_mb": 1})})
    audit = Auditing(config, store.ledger, clock=lambda: NOW)
    audit.audit()
    forwarding = Forwarding(config, store.ledger, clock=lambda: NOW)
    for who in ("ann", "bob", "cy"):
        log_out(store, who)
        audit.audit()
    count = len(parts(audit_file(config)))
    assert count == 4
    thread = server.serve(count)
    forwarding.forward()
    thread.join(30)
    told = [re.search(r'UserID="(ann|bob|cy)"', each) for each in server.taken]
    assert [match[1] for match in told if match is not None] == ["ann", "bob", "cy"]
    with store.ledger.reading() as connection:
        reached = audits.trail(connection)
    assert reached.sent_bytes == reached.file_bytes


def test_what_was_cut_off_a_file_keeps_the_next_one_not_back(
    store: Store, authority: Authority, server: Server
) -> None:
    config = config_of(store, authority, server.port)
    audit = Auditing(config, store.ledger, clock=lambda: NOW)
    audit.audit()
    path = audit_file(config)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:30])
    audit.audit()  # it is told, and another file begun
    audit.audit()
    thread = server.serve(2)
    Forwarding(config, store.ledger, clock=lambda: NOW).forward()
    thread.join(30)
    assert sum("110133" in each for each in server.taken) == 1  # Audit Recording Stopped
    with store.ledger.reading() as connection:
        reached = audits.trail(connection)
    assert reached.sent_bytes == reached.file_bytes


# The commands.


@pytest.fixture
def shell(store: Store, tmp_path: Path) -> Any:
    path = tmp_path / "config.yaml"
    path.write_text(f"node: {{ae_title: HERE}}\nstorage: {{root: {store.root}}}\n")
    config = Config(node=Node(ae_title="HERE"), storage=Storage(root=store.root))
    Auditing(config, store.ledger, clock=lambda: NOW).audit()

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["audit", *words, "--config", str(path)])

    return run


def test_verify_says_ok_or_the_first_line_that_is_broken(shell: Any, store: Store) -> None:
    path = store.root / "audit.log"
    count = len(path.read_text().splitlines())
    assert (shell("verify").exit_code, shell("verify").output) == (0, f"OK: {count} lines\n")
    path.write_text(path.read_text().replace("10.0.0.9", "10.0.0.8", 1))
    found = shell("verify")
    assert (found.exit_code, found.output.startswith("BROKEN: line ")) == (1, True)
    assert shell("verify", "--file", str(path)).exit_code == 1


def test_show_says_when_what_who_and_with_which_study(shell: Any) -> None:
    lines = shell("show").output.splitlines()
    (came,) = [line for line in lines if "DICOM Instances Transferred" in line]
    assert STUDY in came
    assert "> CTNODE" in came
    assert came.startswith("1970-01-12T")
    (newest,) = json.loads(shell("show", "--last", "1", "--json").output)
    assert set(newest) == {"at", "what", "outcome", "who", "about"}


def test_show_of_a_file_that_is_not_there_says_so(shell: Any, tmp_path: Path) -> None:
    found = shell("show", "--file", str(tmp_path / "none"))
    assert found.exit_code == 1
