"""A running node and its configuration file: what is taken over, what is refused, and who notices.

`ctnode serve` runs; pynetdicom keeps an association open meanwhile; the file is edited as people do.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage import events
from storage.ledger import Ledger
from storage.records import Event
from tests.e2e.node_process import CONFIG, NodeProcess
from tests.e2e.ports import free_port
from tests.node.receiving import LE, associated, ct, encoded, rejection, request, store
from tests.waiting import eventually

TAKEN_S = 180.0
SCU = "  - {name: open, ae_title: SCU, may_send: true, hosts: [127.0.0.1]}\n"
LATE = "  - {name: late, ae_title: LATE, may_send: true, hosts: [127.0.0.1]}  # came later\n"


class Serving(NodeProcess):
    """A node that is known by its log: its config.yaml is edited by hand, or by `ctnode`."""

    @property
    def file(self) -> Path:
        return self.folder / "config.yaml"

    def serve(self, *options: str) -> None:
        with (self.folder / "node.log").open("ab") as log:
            self.process = subprocess.Popen(self._command("serve", *options), stderr=log, stdout=log)
        eventually(lambda: self.told("listening"), timeout_s=90, what="the node to listen")

    def told(self, event: str, **fields: Any) -> list[dict[str, Any]]:
        return [
            line
            for line in self.log()
            if line["event"] == event and all(line.get(name) == value for name, value in fields.items())
        ]

    def hear(self, event: str, count: int = 1, **fields: Any) -> list[dict[str, Any]]:
        return eventually(
            lambda: found if len(found := self.told(event, **fields)) >= count else None,
            timeout_s=TAKEN_S,
            what=f"{event}, {count} times",
        )

    def hang_up(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGHUP)

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self._command(*words), capture_output=True, text=True, timeout=60)

    def changes(self) -> list[Event]:
        ledger = Ledger(f"sqlite:///{self.folder / 'data' / 'ledger.sqlite'}")
        with ledger.reading() as connection:
            found = [e for e in events.recent(connection, 100) if e.kind == "configuration changed"]
        ledger.close()
        return found[::-1]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Serving]:
    port = free_port()
    text = CONFIG.format(port=port, console_port=free_port(), pacs_ae="PACS", pacs_port=free_port())
    text = text.replace("node: {", "node: {receivers: 1, ").replace("assembly:", f"{SCU}assembly:")
    (tmp_path / "config.yaml").write_text(text)
    made = Serving(folder=tmp_path, port=port)
    try:
        yield made
    finally:
        made.stop()


def is_let_in(node: Serving, calling: str) -> bool:
    association = request(node.port, calling=calling)
    if not association.is_established:
        assert rejection(association) == (1, 1, 3)
        return False
    association.release()
    return True


def test_a_peer_comes_and_goes_while_an_open_association_goes_on_storing(node: Serving) -> None:
    """The file is edited by hand; nobody sends a signal, nothing is started again."""
    node.serve("--receivers-only")
    before = node.file.read_text()
    with associated(node.port) as association:

        def stored(number: int) -> int:
            ds = ct(number)
            uid = str(ds.SOPInstanceUID)
            return int(store(association, encoded(ds, LE), sop_instance_uid=uid).Status)

        assert stored(1) == 0x0000
        assert not is_let_in(node, "LATE")
        node.file.write_text(before.replace(SCU, LATE))
        node.hear("configuration taken over")
        assert is_let_in(node, "LATE")
        assert not is_let_in(node, "SCU")
        assert stored(2) == 0x0000
    assert len(node.told("process started")) == 1
    assert node.told("process died") == []
    (event,) = eventually(node.changes)
    assert (event.subject, event.detail) == ("file", "peer open removed; peer late added")


def test_a_broken_file_is_refused_by_line_and_everything_goes_on(node: Serving) -> None:
    node.serve("--receivers-only")
    whole = node.file.read_text()
    node.file.write_text(whole.replace("hosts: [127.0.0.1]}\nassembly", "hosts: [127.0.0.1.9/40]}\nassembly"))
    node.hang_up()
    (refused, *_) = node.hear("configuration refused")
    assert "config.yaml:6:" in refused["reason"] and "peers[3].hosts" in refused["reason"]
    assert is_let_in(node, "SCU")
    node.kill("receiver 0")  # what is started again must not meet the broken file
    node.hear("listening", count=2)
    assert is_let_in(node, "SCU")
    node.file.write_text("peers: [")
    node.hear("configuration refused", count=2)
    node.file.write_text(whole)
    node.hear("configuration unchanged")
    assert node.told("configuration changed") == [] and node.changes() == []


def test_what_cannot_change_is_named_and_left_as_it_was_also_for_who_is_started_again(node: Serving) -> None:
    node.serve("--receivers-only")
    text = node.file.read_text().replace(SCU, SCU + LATE)
    other = free_port()
    node.file.write_text(text.replace(f"port: {node.port}", f"port: {other}").replace("./data", "./other"))
    node.hang_up()
    (told,) = node.hear("restart needed")
    assert told["reason"] == "node.port, storage.root"
    node.hear("configuration taken over")
    assert is_let_in(node, "LATE")
    node.kill("receiver 0")
    node.hear("listening", count=2)
    assert is_let_in(node, "LATE")
    assert not (node.folder / "other").exists()


def test_a_peer_by_command_is_signed_and_comments_stay(node: Serving) -> None:
    node.serve("--receivers-only")
    before = node.file.read_text()
    added = node.command("peers", "add", "CT2", "--ae-title", "LATE", "--host", "127.0.0.1", "--may-send")
    assert added.returncode == 0, added.stderr
    node.hear("configuration taken over")
    assert is_let_in(node, "LATE")
    removed = node.command("peers", "remove", "CT2")
    assert removed.returncode == 0, removed.stderr
    assert node.file.read_text() == before
    node.hear("configuration taken over", count=2)
    assert not is_let_in(node, "LATE")
    found = eventually(lambda: node.changes() if len(node.changes()) == 2 else None)
    assert [(e.subject, e.detail) for e in found] == [
        ("command line", "peer CT2 added"),
        ("command line", "peer CT2 removed"),
    ]


def test_the_dispatcher_is_started_again_the_worker_only_for_other_kinds_and_the_console_looks(
    node: Serving,
) -> None:
    node.serve()
    node.hear("worker runs")
    node.hear("dispatcher runs")
    node.hear("console listens")
    node.file.write_text(node.file.read_text().replace("max_s: 10", "max_s: 20"))
    node.hang_up()
    node.hear("dispatcher runs", count=2)
    node.hear("configuration taken over", process="console")
    node.hear("configuration taken over", process="receiver")
    started = [line["role"] for line in node.told("process started")]
    assert started.count("dispatcher") == 2 and len(started) == 5
    text = node.file.read_text()
    node.file.write_text(text.replace("gets_results: true", "gets_results: true, results: [sr, sc]"))
    node.hang_up()
    node.hear("worker runs", count=2)
    stopped = [(line["role"], line["exit_code"]) for line in node.told("process stopped")]
    assert sorted(stopped) == [("dispatcher", 0), ("dispatcher", 0), ("worker", 0)]
    assert node.told("process died") == []
    running = json.loads((node.folder / "data" / "running-config.json").read_text())
    assert running["delivery"]["retry_max_s"] == 20
    command = Path(f"/proc/{node.told('process started', role='worker')[-1]['pid']}/cmdline").read_bytes()
    assert b"SC,SR" in command.split(b"\0")


def test_a_signal_that_comes_before_a_process_listens_kills_nobody(tmp_path: Path) -> None:
    """Started as the supervisor starts its children: SIGHUP waits until somebody looks."""
    seen = tmp_path / "seen"
    code = (
        "import os, signal, sys; os.kill(os.getpid(), signal.SIGHUP);"
        "from storage.process import when_told_to_look, until_told_to_stop;"
        "stop = until_told_to_stop();"
        f"when_told_to_look(lambda: open({str(seen)!r}, 'w').close());"
        "stop.wait(60)"
    )
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    try:
        process = subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).resolve().parents[2])
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
    try:
        eventually(seen.exists, timeout_s=60)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        process.kill()
    assert os.environ.get("CTNODE_SUPERVISED") is None
