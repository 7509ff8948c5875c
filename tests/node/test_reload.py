"""Which changes run at once, which wait; when the file is read; and what a receiver makes of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from node import authors, reloading, running
from node.config import Config, Node, Peer, Storage, load
from node.config_change import KEYS, WHOLE, change, is_running
from node.config_file import ConfigFile
from node.receiving import take_over
from node.reloading import TELLING, Reloading
from node.supervisor import Child, Supervisor, Takes
from storage.errors import ConfigError, OutOfSpace
from storage.ledger import Ledger
from tests.documents.blocks import ROOT
from tests.node.receiving import ct, receiver, rejection, request, send

BASE = """\
peers:
  - {name: a, ae_title: A, may_send: true, hosts: [10.0.0.1]}
  - {name: b, ae_title: B, gets_results: true, hosts: [10.0.0.2], port: 104, results: [sr], instead: {sr: sc}}
destinations:
  - {name: f, folder: results}
storage: {root: data, database: 'postgresql+psycopg://u:pass-word@h/x'}
"""


def config_of(folder: Path, text: str = BASE) -> Config:
    file = folder / "config.yaml"
    file.write_text(text)
    return load(file, environment={})


@pytest.mark.parametrize(
    ("old", "new", "taken", "held"),
    [
        ("hosts: [10.0.0.1]", "hosts: [10.0.0.3]", ["peer a: hosts"], []),
        ("name: a,", "name: c,", ["peer a removed", "peer c added"], []),
        ("port: 104", "port: 105, tls: false, commitment: true", ["peer b: commitment, port"], []),
        ("folder: results", "folder: elsewhere", ["destination f: folder"], []),
        ("peers:", "assembly: {quiet_s: 5}\npeers:", ["assembly.quiet_s"], []),
        ("peers:", "inference: {device: cpu}\npeers:", ["inference.device"], []),
        ("root: data", "root: data, retention_days: 3", ["storage.retention_days"], []),
        ("root: data", "root: other, reserve_mb: 3", ["storage.reserve_mb"], ["storage.root"]),
        ("u:pass-word", "u:other", [], ["storage.database"]),
        (
            "peers:", "node: {port: 104, max_associations: 3}\npeers:",
            ["node.max_associations"], ["node.port"],
        ),
        (
            "peers:", "console: {enabled: false, idle_minutes: 3}\npeers:",
            ["console.idle_minutes"], ["console.enabled"],
        ),
        ("peers:", "node: {receivers: 3, ae_title: X}\npeers:", [], ["node.ae_title", "node.receivers"]),
        ("peers:", "# nothing\npeers:", [], []),
        (
            "peers:", "audit: {enabled: false, file: a.log, file_mb: 9, syslog_host: h}\npeers:",
            ["audit.file_mb", "audit.syslog_host"], ["audit.enabled", "audit.file"],
        ),
        ("peers:", "console: {metrics_from: [10.0.0.9]}\npeers:", ["console.metrics_from"], []),
    ],
)  # fmt: skip
def test_what_is_taken_over_and_what_waits(
    tmp_path: Path, old: str, new: str, taken: list[str], held: list[str]
) -> None:
    before = config_of(tmp_path)
    found = change(before, config_of(tmp_path, BASE.replace(old, new, 1)))
    assert (list(found.taken), list(found.held)) == (taken, held)
    for dotted in held:
        section, key = dotted.split(".")
        assert getattr(getattr(found.config, section), key) == getattr(getattr(before, section), key)
    assert (found.config == before) is not bool(taken)


def test_the_order_of_peers_counts_for_it_decides_who_is_admitted(tmp_path: Path) -> None:
    before = config_of(tmp_path)
    lines = BASE.splitlines(keepends=True)
    found = change(before, config_of(tmp_path, "".join([lines[0], lines[2], lines[1], *lines[3:]])))
    assert found.taken == ("order of peers",)


def test_a_key_that_nobody_thought_about_waits() -> None:
    assert not is_running("node", "port") and not is_running("tls", "authorities")
    assert not is_running("a new section", "key") and not is_running("node", "new")


def test_the_runbook_says_what_is_taken_over() -> None:
    runbook = (ROOT / "deploy" / "RUNBOOK.md").read_text()
    keys = [f"{section}.{key}" for section, names in KEYS.items() for key in names]
    assert [name for name in (*WHOLE, *keys) if f"`{name}`" not in runbook] == []


def test_a_peer_by_tls_waits_with_the_authorities_that_it_needs(tmp_path: Path) -> None:
    """Taken over alone, it would be called without TLS."""
    before = config_of(tmp_path)
    wanted = BASE.replace("port: 104", "port: 104, tls: true") + "tls: {authorities: ca.pem}\n"
    with pytest.raises(ConfigError, match=r"peers\[1\]\.tls.*needs a restart, for tls\.authorities changed"):
        change(before, config_of(tmp_path, wanted))


def test_a_peer_keeps_its_tls_when_something_else_waits(tmp_path: Path) -> None:
    text = BASE.replace("port: 104", "port: 104, tls: true") + "tls: {authorities: ca.pem}\n"
    before = config_of(tmp_path, text)
    found = change(before, config_of(tmp_path, "node: {port: 104}\n" + text.replace("10.0.0.1", "10.0.0.4")))
    address = found.config.peers[1].address
    assert address is not None and address.secured is not None
    assert address.secured.authorities == tmp_path / "ca.pem"


def test_what_runs_is_read_as_it_was_written_and_holds_no_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    config = config_of(tmp_path)
    file = running.write(config)
    monkeypatch.setenv(running.RUNNING, str(file))
    monkeypatch.setenv(running.LEDGER_URL, config.storage.database_url)
    assert running.read() == config
    assert "pass-word" not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    file.write_text(file.read_text()[:-100])
    with pytest.raises(ConfigError, match="cannot be read"):
        running.read()


class World:
    """A file, a clock, and what was handed over."""

    def __init__(self, folder: Path) -> None:
        (folder / "data").mkdir()
        self.file = folder / "config.yaml"
        self.text = BASE.replace(", database: 'postgresql+psycopg://u:pass-word@h/x'", "")
        config = config_of(folder, self.text)
        Ledger(config.storage.database_url).migrate()
        self.now = 0.0
        self.given: list[Config] = []
        self.reloading = Reloading(
            self.file, config, hand_over=self.given.append, monotonic=lambda: self.now, clock=lambda: 7.0
        )

    def write(self, old: str, new: str) -> None:
        self.file.write_text(self.file.read_text().replace(old, new))

    def look(self, seconds: float) -> None:
        """A round every tenth of a second."""
        for _ in range(round(seconds * 10)):
            self.now += 0.1
            self.reloading.look()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with capture_logs() as logs:
        made = World(tmp_path)
        made.logs = logs  # type: ignore[attr-defined]
        yield made
        written()


def written() -> None:
    """What was told is in the ledger: its folder may go."""
    for each in threading.enumerate():
        if each.name == TELLING:
            each.join(20)
            assert not each.is_alive()


def said(world: World) -> list[str]:
    lines: list[dict[str, Any]] = world.logs  # type: ignore[attr-defined]
    return [line["event"] for line in lines]


def test_a_change_is_seen_when_it_has_settled_and_once(world: World) -> None:
    world.look(2.5)
    world.write("10.0.0.1", "10.0.0.77")
    world.look(1.6)
    assert world.given == []  # seen once
    world.write("10.0.0.77", "10.0.0.8")  # still being written
    world.look(0.5)
    assert world.given == []
    world.look(1.0)
    assert [config.peers[0].hosts for config in world.given] == [("10.0.0.8",)]
    world.look(10)
    assert len(world.given) == 1 and said(world).count("configuration changed") == 1


def test_at_a_signal_it_is_read_at_once_changed_or_not(world: World) -> None:
    world.reloading.ask()
    world.look(0.1)
    assert said(world) == ["configuration unchanged"]
    world.write("10.0.0.1", "10.0.0.8")
    world.reloading.ask()
    world.look(0.1)
    assert len(world.given) == 1
    world.look(10)
    assert len(world.given) == 1


@pytest.mark.parametrize("wrong", ["peers: [", "node: {port: x}", "peers:\n  - {name: a}\n"])
def test_what_is_wrong_is_told_once_and_nothing_changes(world: World, wrong: str) -> None:
    world.file.write_text(wrong)
    world.look(10)
    assert (world.given, said(world)) == ([], ["configuration refused"])
    world.file.write_text(world.text.replace("10.0.0.1", "10.0.0.8"))
    world.look(10)
    assert len(world.given) == 1


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "- " * 5000 + "x"])
def test_lists_in_lists_without_end_are_refused_as_any_mistake(world: World, text: str) -> None:
    world.file.write_text(text)
    world.look(10)
    assert (world.given, said(world)) == ([], ["configuration refused"])


def test_an_error_that_nobody_foresaw_ends_no_node(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reloading, "change", lambda *_: 1 // 0)
    world.write("10.0.0.1", "10.0.0.8")
    world.look(5)
    assert (world.given, said(world)) == ([], ["configuration not taken over"])
    monkeypatch.undo()
    world.reloading.ask()
    world.look(0.1)
    assert len(world.given) == 1


@pytest.mark.parametrize("note", ["[]", "{}", "nothing", '{"by": 1}', ""])
def test_a_note_of_the_author_that_is_none_is_nobody_s(world: World, note: str) -> None:
    (world.file.parent / "data" / authors.NOTE).write_text(note)
    world.write("10.0.0.1", "10.0.0.8")
    world.look(5)
    assert said(world) == ["configuration changed"]
    lines: list[dict[str, Any]] = world.logs  # type: ignore[attr-defined]
    assert lines[0]["reason"] == "peer a: hosts (by file)"


def test_who_cannot_write_a_note_changes_the_file_all_the_same(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", refuse)
        ConfigFile(path=world.file, by="eve").remove_peer("a")
    world.look(5)
    assert [[peer.name for peer in config.peers] for config in world.given] == [["b"]]


def test_a_file_that_is_away_for_a_moment_is_nothing_and_at_a_signal_it_is_told(world: World) -> None:
    world.file.unlink()
    world.look(5)
    assert said(world) == []
    world.reloading.ask()
    world.look(5)
    assert said(world) == ["configuration refused"]


def test_a_disk_that_is_full_is_told_and_the_old_one_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_config: Config) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(reloading.running, "write", full)
    world.write("10.0.0.1", "10.0.0.8")
    world.look(5)
    assert (world.given, said(world)) == ([], ["configuration refused"])
    monkeypatch.undo()
    world.reloading.ask()
    world.look(0.1)
    assert len(world.given) == 1  # against what runs, not against what failed


LATE = Peer(name="late", ae_title="LATE", may_send=True, hosts=("127.0.0.1",))


def test_a_receiver_admits_by_the_new_peers_and_limits_and_reserve(tmp_path: Path) -> None:
    with receiver(tmp_path) as node:
        assert request(node.port, calling="SCU").is_established
        peers = Config(
            node=Node(**{**dict(node.config.node), "max_associations": 1}),
            peers=(LATE,),
            storage=Storage(root=tmp_path, reserve_mb=0),
        )
        take_over(node.scp, node.intake, peers)
        assert rejection(request(node.port, calling="SCU")) == (1, 1, 3)
        full = rejection(request(node.port, calling="LATE"))  # the one of SCU is open still
        assert full == (2, 3, 2)
        more = peers.model_copy(update={"node": node.config.node})
        take_over(node.scp, node.intake, more)
        assert send(node.port, ct(1), calling="LATE").Status == 0x0000
        nothing_left = more.model_copy(update={"storage": Storage(root=tmp_path, reserve_mb=10**9)})
        take_over(node.scp, node.intake, nothing_left)
        with pytest.raises(OutOfSpace):
            node.intake.check_ready()


class Process:
    """What a supervisor asks of a child's process."""

    stdin = None

    def __init__(self) -> None:
        self.told: list[object] = []
        self.code: int | None = None

    def poll(self) -> int | None:
        return self.code

    def send_signal(self, number: int) -> None:
        self.told.append(number)

    def terminate(self) -> None:
        self.told.append("end")

    def kill(self) -> None:
        self.told.append("kill")


def test_each_process_takes_over_in_its_own_way(monkeypatch: pytest.MonkeyPatch) -> None:
    ways = {"r": Takes.BY_ITSELF, "d": Takes.BY_A_START, "w": Takes.BY_ITS_COMMAND, "v": Takes.BY_ITS_COMMAND}
    children = tuple(Child(role=role, command=("x",), takes=takes) for role, takes in ways.items())
    processes = {child.role: Process() for child in children}
    for child in children:
        child.process = processes[child.role]  # type: ignore[assignment]
    Supervisor(children=children).hand_over({"r": ("x",), "d": ("x",), "w": ("x",), "v": ("x", "y")})
    assert {role: each.told for role, each in processes.items()} == {
        "r": [1], "d": ["end"], "w": [], "v": ["end"],
    }  # fmt: skip


def test_one_that_was_told_to_end_is_started_at_once_and_killed_when_it_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    child = Child(role="d", command=("x",))
    process = Process()
    child.process = process  # type: ignore[assignment]
    each = Supervisor(children=(child,))
    started: list[float] = []
    monkeypatch.setattr(Supervisor, "_start", lambda _self, _child, now: started.append(now))
    each.hand_over({"d": ("y",)})
    assert child.stop_by is not None
    by = child.stop_by
    with capture_logs() as logs:
        each._tend(child, by - 0.1)
        assert process.told == ["end"]
        each._tend(child, by)
        assert process.told == ["end", "kill"]
        process.code = -9
        each._tend(child, by + 0.1)
    assert started == [by + 0.1]
    assert [line["event"] for line in logs] == ["process killed", "process stopped"]
    assert child.command == ("y",) and child.wait_s == 0.5
