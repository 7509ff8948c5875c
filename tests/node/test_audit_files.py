"""The audit trail over many files: where one ends, how they follow each other, and who may take one away."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from node.audit import chain
from node.audit.auditing import Auditing
from node.audit.chain import Broken
from node.audit.parts import numbered, parts
from node.audit.verifying import verify
from node.config import Audit, Config, Node, Storage
from node.program import app
from storage import audits
from storage import events as ledger_events
from storage.errors import LedgerDown, Unavailable
from storage.ledger import Ledger
from storage.records import Event
from tests.node.audit_schema import checked

NOW = 1_000_000_000.0
DAY_S = 86_400.0


@dataclass
class World:
    """A ledger, and a clock that is set by hand."""

    folder: Path
    ledger: Ledger
    now: float = NOW

    @property
    def path(self) -> Path:
        return self.folder / "audit.log"

    def auditing(self, **section: Any) -> Auditing:
        config = Config(node=Node(ae_title="HERE"), storage=Storage(root=self.folder), audit=Audit(**section))
        return Auditing(config, self.ledger, clock=lambda: self.now)

    def tell(self, who: str, detail: str = "logged out", kind: str = "console") -> None:
        with self.ledger.writing() as connection:
            ledger_events.tell(connection, Event(at=self.now, kind=kind, subject=who, detail=detail))

    def audit(self, who: str, **section: Any) -> None:
        """One thing happens, and is written."""
        self.tell(who)
        self.auditing(**section).audit()

    @property
    def trail(self) -> audits.Trail:
        with self.ledger.reading() as connection:
            return audits.trail(connection)

    def files(self) -> list[str]:
        return [part.path.name for part in parts(self.path)]

    def who(self) -> list[str]:
        """The accounts in the whole trail, in order."""
        found = []
        for part in parts(self.path):
            for line in part.path.read_bytes().splitlines():
                for message in json.loads(line)["messages"]:
                    root = checked(message)
                    found += [each.attrib["UserID"] for each in root.findall("ActiveParticipant")[:1]]
        return found

    def kinds(self) -> list[str]:
        with self.ledger.reading() as connection:
            return [event.kind for event in ledger_events.recent(connection, 100)]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.sqlite'}")
    ledger.migrate()
    yield World(tmp_path, ledger)
    ledger.close()


@pytest.fixture
def three(world: World) -> World:
    """Three files, a month each: ann and bob, cy, dan."""
    world.audit("ann")
    world.audit("bob")
    for who in ("cy", "dan"):
        world.now += 31 * DAY_S
        world.audit(who)
    assert world.files() == ["audit.log.000001", "audit.log.000002", "audit.log"]
    return world


# Where a file ends.


def test_a_file_ends_after_its_days_and_the_chain_goes_on_in_the_next(three: World) -> None:
    assert three.who() == ["ann", "bob", "cy", "dan"]
    assert verify(three.path, three.trail) == three.trail.lines == 6  # two of them are heads
    sizes = [part.size_bytes for part in parts(three.path)]
    assert three.trail.file_bytes == sum(sizes)
    assert [part.head.begins_at for part in parts(three.path) if part.head] == [0, sizes[0], sum(sizes[:2])]
    first, last = (three.folder / "audit.log.000001").read_bytes().splitlines(), chain.FIRST.previous
    second = (three.folder / "audit.log.000002").read_bytes().splitlines()[0]
    assert json.loads(second)["source"] == f"part:2:{sizes[0]}:{json.loads(first[-1])['sha256']}"
    assert last == "0" * 64
    assert three.kinds().count("audit trail broken") == 0


def test_a_file_of_less_than_its_days_goes_on(world: World) -> None:
    world.audit("ann", file_days=3)
    world.now += 3 * DAY_S
    world.audit("bob", file_days=3)
    assert world.files() == ["audit.log"]
    world.now += 1
    world.audit("cy", file_days=3)
    assert world.files() == ["audit.log.000001", "audit.log"]


def test_a_file_ends_when_it_is_long_enough(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("node.audit.auditing.MEGABYTE", 1200)
    names = [f"somebody{n}" for n in range(6)]
    for who in names:
        world.audit(who, file_mb=1)
    assert len(world.files()) == 3
    assert all(part.size_bytes >= 1200 for part in parts(world.path)[:-1])
    assert world.who() == names
    assert verify(world.path, world.trail) == world.trail.lines


def test_each_file_can_be_checked_by_itself(three: World) -> None:
    assert [verify(part.path) for part in parts(three.path)] == [2, 2, 2]


def test_a_clock_that_goes_back_keeps_the_chain_and_the_file(world: World) -> None:
    world.audit("ann")
    world.now -= 400 * DAY_S
    world.audit("bob")
    assert world.files() == ["audit.log"]
    assert verify(world.path, world.trail) == 2


# Who ends in between.


def test_who_ends_between_two_files_begins_the_next(three: World, monkeypatch: pytest.MonkeyPatch) -> None:
    three.now += 31 * DAY_S
    three.tell("eve")
    with monkeypatch.context() as patch:
        patch.setattr("node.audit.auditing.append", lambda *_: (_ for _ in ()).throw(Unavailable("full")))
        with pytest.raises(Unavailable):
            three.auditing().audit()
    assert not three.path.exists()
    assert verify(three.path, three.trail) == 6  # nothing is missing
    three.auditing().audit()
    assert three.who() == ["ann", "bob", "cy", "dan", "eve"]
    assert verify(three.path, three.trail) == 8
    assert "audit trail broken" not in three.kinds()


def test_a_head_that_is_torn_is_written_again(three: World) -> None:
    head = three.path.read_bytes().splitlines()[0]
    three.now += 31 * DAY_S
    three.path.rename(numbered(three.path, 3))
    three.path.write_bytes(head[:40])
    three.audit("eve")
    assert verify(three.path, three.trail) == 8
    assert "audit trail broken" not in three.kinds()


def test_who_ends_before_the_next_file_is_settled_writes_nothing_twice(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.now += 31 * DAY_S
    three.tell("eve")
    with monkeypatch.context() as patch:
        patch.setattr(audits, "done", lambda *_: (_ for _ in ()).throw(LedgerDown("killed here")))
        with pytest.raises(LedgerDown):
            three.auditing().audit()
    three.audit("fay")
    assert three.who() == ["ann", "bob", "cy", "dan", "eve", "fay"]
    assert verify(three.path, three.trail) == three.trail.lines == 9


def test_a_last_line_that_is_not_whole_is_no_tampering_where_the_ledger_does_not_know_it(
    three: World,
) -> None:
    with three.path.open("ab") as file:
        file.write(b'{"source": "event:9", "mess')
    assert verify(three.path, three.trail) == 6
    three.path.write_bytes(three.path.read_bytes()[:-40])
    with pytest.raises(Broken, match=r"audit\.log: line 2 is no line"):
        verify(three.path, three.trail)


def test_what_fsync_did_not_take_is_cut_off_and_written_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a failed fsync the pages count as clean: a second one would say yes to what is not there."""
    world.audit("ann")
    before = world.path.read_bytes()
    world.tell("bob")
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(Unavailable, match="Input/output error"):
            world.auditing().audit()
    assert world.path.read_bytes() == before
    world.auditing().audit()
    assert world.who() == ["ann", "bob"]


# Who else writes.


def test_while_another_process_writes_this_one_waits(world: World) -> None:
    world.audit("ann")
    world.tell("bob")
    with (world.folder / ".audit.log.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        world.auditing().audit()
        assert world.who() == ["ann"]
    world.auditing().audit()
    assert world.who() == ["ann", "bob"]


def test_two_processes_take_turns_and_the_chain_holds(world: World) -> None:
    """A dispatcher that was told to end, and the one that was started in its place."""
    old, new = world.auditing(), world.auditing()
    for turn, who in enumerate(("ann", "bob", "cy", "dan")):
        world.tell(who)
        (old if turn % 2 else new).audit()
    assert world.who() == ["ann", "bob", "cy", "dan"]
    assert verify(world.path, world.trail) == 4
    assert "audit trail broken" not in world.kinds()


def test_somebody_who_writes_there_all_the_time_does_not_fill_the_folder_with_files(world: World) -> None:
    world.audit("ann")
    auditing = world.auditing()
    for number in range(5):
        with world.path.open("ab") as file:
            file.write(b"not ours\n")
        if number == 0:
            auditing.audit()
        else:
            with pytest.raises(Unavailable, match="who else writes there"):
                auditing.audit()
    assert len(world.files()) == 2
    world.now += 61
    auditing.audit()
    assert len(world.files()) == 3


# Who changes what.


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def test_a_change_in_an_older_file_is_found_there(three: World) -> None:
    old = three.folder / "audit.log.000001"
    old.write_bytes(old.read_bytes().replace(b"bob", b"eve"))
    with pytest.raises(Broken) as found:
        verify(three.path, three.trail)
    assert str(found.value) == ("audit.log.000001: line 2 was changed, or does not follow the line before it")


def test_each_file_that_was_changed_is_named(three: World) -> None:
    for name in ("audit.log.000001", "audit.log"):
        file = three.folder / name
        file.write_bytes(file.read_bytes().replace(b"logged", b"lagged").replace(b"HERE", b"HARE"))
    with pytest.raises(Broken) as found:
        verify(three.path, three.trail)
    assert [line.partition(":")[0] for line in str(found.value).splitlines()] == [
        "audit.log.000001", "audit.log"
    ]  # fmt: skip


MISSING = {
    "the first": ("audit.log.000001", "audit.log.000002: the file before it, number 1, is missing"),
    "one between": ("audit.log.000002", "audit.log: the file before it, number 2, is missing"),
}


@pytest.mark.parametrize("which", MISSING)
def test_a_file_that_was_taken_away_is_missed(three: World, which: str) -> None:
    name, words = MISSING[which]
    (three.folder / name).unlink()
    with pytest.raises(Broken, match=words):
        verify(three.path, three.trail)


def test_the_last_file_that_was_taken_away_is_missed_by_the_ledger_alone(three: World) -> None:
    three.path.unlink()
    with pytest.raises(Broken, match="line 5 is missing: 6 were written, and the last is not here"):
        verify(three.path, three.trail)


def test_lines_that_are_cut_off_an_older_file_are_missed_by_the_next(three: World) -> None:
    old = three.folder / "audit.log.000001"
    old.write_bytes(lines(old)[0])
    with pytest.raises(Broken, match=r"audit\.log\.000002: it does not follow the file before it"):
        verify(three.path, three.trail)


def test_a_file_whose_head_was_made_up_does_not_follow(three: World) -> None:
    """From a changed line on the whole chain can be made anew, but not what the next file says of it."""
    old, previous, made = three.folder / "audit.log.000001", chain.GENESIS, []
    for line in chain.follow(lines(old)):
        said = [each.replace("bob", "eve") for each in line.messages]
        made.append(chain.line(line.source, said, previous=previous))
        previous = made[-1].sha256
    old.write_text("".join(f"{each.text()}\n" for each in made))
    assert verify(old) == 2
    with pytest.raises(Broken, match=r"audit\.log\.000002: it does not follow the file before it"):
        verify(three.path, three.trail)


@pytest.mark.parametrize("how", ["cut", "gone", "longer", "no line"])
def test_a_file_that_is_changed_while_the_node_runs_is_told_kept_and_another_one_begun(
    three: World, how: str
) -> None:
    auditing = three.auditing()
    auditing.audit()
    known = three.trail
    changed = {"cut": lines(three.path)[0], "longer": three.path.read_bytes() + b"x\n", "no line": b"x\n"}
    three.path.unlink()
    if how != "gone":
        three.path.write_bytes(changed[how])
    with capture_logs() as logs:
        auditing.audit()
        auditing.audit()
    assert [line["event"] for line in logs] == ["audit trail broken"]
    assert three.kinds().count("audit trail broken") == 1
    if how != "gone":
        assert (three.folder / "audit.log.000003").read_bytes() == changed[how]
    last = parts(three.path)[-1]
    assert last.head is not None
    assert (last.head.begin, last.head.begins_at) == ("again", known.file_bytes)
    assert verify(three.path) == 2  # the new one by itself: its head, and the alert
    with pytest.raises(Broken):
        verify(three.path, three.trail)
    assert three.trail.lines == known.lines + 2


def test_who_ends_before_it_could_tell_of_a_change_tells_at_its_next_start(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(Auditing, "_tell_broken", lambda *_: (_ for _ in ()).throw(LedgerDown("killed here")))
        with pytest.raises(LedgerDown):
            three.auditing().audit()
    three.auditing().audit()
    assert three.kinds().count("audit trail broken") == 1


# Who may take a file away.


def test_files_that_ended_before_the_days_of_retention_go_and_that_is_written_down(three: World) -> None:
    three.now += 31 * DAY_S
    auditing = three.auditing(retention_days=50)
    with capture_logs() as logs:
        auditing.retire()
    assert three.files() == ["audit.log.000002", "audit.log.000003", "audit.log"]
    assert [line["event"] for line in logs] == ["audit file aged out"]
    assert (
        verify(three.path, three.trail) == 2 + 2 + 2
    )  # those of ann and bob are gone; one says so, one is a head
    said = checked(json.loads(lines(three.path)[-1])["messages"][0])
    assert [each.attrib["csd-code"] for each in said.iter("EventID")] == ["audit-file-removed"]
    about = said.find("ParticipantObjectIdentification")
    assert about is not None and about.attrib["ParticipantObjectID"] == "audit.log.000001"
    auditing.retire()
    assert len(three.files()) == 3
    three.now += 200 * DAY_S
    auditing.retire()
    assert three.files() == ["audit.log.000004", "audit.log"]  # the fourth ended with the word of it
    assert verify(three.path, three.trail) == 2 + 3


def test_a_file_that_is_changed_when_those_before_it_are_gone_keeps_its_number(three: World) -> None:
    three.now += 31 * DAY_S
    three.audit("eve")
    three.now += 70 * DAY_S
    three.auditing(retention_days=69, file_days=1000).retire()
    assert three.files() == ["audit.log"]
    with three.path.open("ab") as file:
        file.write(b"not ours\n")
    three.auditing().audit()
    assert three.files() == ["audit.log.000004", "audit.log"]


def test_zero_days_keep_everything(three: World) -> None:
    three.now += 10_000 * DAY_S
    three.auditing(retention_days=0).retire()
    assert len(three.files()) == 3


def test_what_the_syslog_server_has_not_got_stays(three: World) -> None:
    three.now += 10_000 * DAY_S
    auditing = three.auditing(retention_days=1, syslog_host="audit.example")
    auditing.retire()
    assert len(three.files()) == 3
    second = parts(three.path)[1]
    assert second.head is not None
    with three.ledger.writing() as connection:
        audits.sent(connection, second.head.begins_at)
    auditing.retire()
    assert "audit.log.000001" not in three.files() and "audit.log.000002" in three.files()


def test_who_ends_between_the_word_and_the_deed_removes_it_the_next_time(
    three: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    three.now += 50 * DAY_S
    with monkeypatch.context() as patch:
        patch.setattr(
            "node.audit.ageing.remove", lambda *_: (_ for _ in ()).throw(Unavailable("killed here"))
        )
        with pytest.raises(Unavailable):
            three.auditing(retention_days=60).retire()
    assert "audit.log.000001" in three.files()
    verify(three.path, three.trail)
    three.auditing(retention_days=60).retire()
    assert "audit.log.000001" not in three.files()
    verify(three.path, three.trail)


# The commands.


@pytest.fixture
def shell(three: World) -> Any:
    path = three.folder / "config.yaml"
    path.write_text(f"storage: {{root: {three.folder}}}\n")

    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["audit", *words, "--config", str(path)])

    return run


def test_verify_follows_all_files(three: World, shell: Any) -> None:
    assert (shell("verify").exit_code, shell("verify").output) == (0, "OK: 6 lines\n")
    assert json.loads(shell("verify", "--json").output) == {"whole": True, "lines": 6, "broken": []}
    copy = three.folder / "copy"
    copy.write_bytes((three.folder / "audit.log.000002").read_bytes())
    assert shell("verify", "--file", str(copy)).output == "OK: 2 lines\n"
    (three.folder / "audit.log.000001").unlink()
    found = shell("verify", "--json")
    assert found.exit_code == 1
    assert json.loads(found.output) == {
        "whole": False,
        "lines": 0,
        "broken": ["audit.log.000002: the file before it, number 1, is missing"],
    }


def test_show_goes_back_through_the_files(shell: Any) -> None:
    told = json.loads(shell("show", "--last", "3", "--json").output)
    assert [each["who"][0] for each in told] == ["bob", "cy", "dan"]
    assert len(json.loads(shell("show", "--json").output)) == 4


def test_a_question_creates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("storage: {root: data}\n")
    assert CliRunner().invoke(app, ["audit", "verify", "--config", str(path)]).exit_code == 1
    assert not (tmp_path / "data").exists()
