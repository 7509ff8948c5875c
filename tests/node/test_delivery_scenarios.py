"""What an administrator finds after a bad day of one destination; another one never notices.

The peers are real, the clock jumps from one job to the next.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any

import pytest

from node import attempt as attempts
from node.attempt import store
from node.config import OtherDestination
from storage.kinds import Kind
from storage.states import DeliveryState, Trouble
from tests.node.delivery_world import NOW, World, pacs, sop_instance_uid
from tests.node.scu_peers import SHORT, listener, read_pdu, silent
from tests.node.web_service import Answer, Asked, service

DAY_S = 86_400.0
UNREACHABLE = "unreachable: PACS@127.0.0.1:"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("node.settling_deliveries.random.random", lambda: 0.0)
    return World(tmp_path)


def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "store", functools.partial(store, timeouts=SHORT))


def test_down_for_ten_minutes(world: World) -> None:
    """Three series find it out, then one try at a time: 0 s, 120 s, 360 s; the fourth, at 840 s, gets in."""
    with pacs() as peer:
        world.knows("pacs", peer.port)
        for number in range(1, 6):
            world.series(number)
        world.at(300, lambda: world.series(6))
        world.at(600, peer.up)
        world.run(599)
        circuit = world.circuit("pacs")
        assert circuit is not None
        assert (circuit.trouble, circuit.failures, circuit.since) == (Trouble.UNREACHABLE, 5, NOW)
        assert circuit.next_try_at == NOW + 840
        assert "nothing listens there" in circuit.reason
        assert world.states("pacs") == {"waiting": 12}
        assert {n: world.row("pacs", n, Kind.SR).attempts for n in range(1, 7)} == {
            1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 0,
        }  # fmt: skip
        world.run(900)
    assert world.states("pacs") == {"stored": 12}
    assert {row.settled_at for row in world.rows("pacs")} == {NOW + 840}
    assert len(peer.came) == len(set(peer.came)) == 12
    assert world.circuit("pacs") is None
    (fails, answers) = world.told("pacs")
    assert (fails[:2], fails[2].startswith(UNREACHABLE)) == ((0, "destination fails"), True)
    assert answers == (840, "destination answers", "after 840 s; 10 results waited")
    world.healthy(dict.fromkeys(range(1, 6), 0) | {6: 300})


def test_flapping(world: World) -> None:
    """Up for a minute, down for four, and again: everything arrives, each object once."""
    with pacs() as peer:
        world.knows("pacs", peer.port)
        for minute in range(0, 60, 5):
            world.at(60 * minute, peer.up)
            world.at(60 * minute + 60, peer.down)
        for number in range(12):
            world.at(150 * number, functools.partial(world.series, number))
        world.run(2 * 3600)
    assert world.states("pacs") == {"stored": 24}
    assert len(peer.came) == len(set(peer.came)) == 24
    assert world.circuit("pacs") is None
    world.healthy({n: 150 * n for n in range(12)})


def test_out_of_resources_twice(world: World) -> None:
    """A peer that answers is not in trouble: its other series go on, each object waits by itself."""
    full = iter([0xA700, 0xA700])

    def answer(event: Any) -> int:
        mine = event.request.AffectedSOPInstanceUID == sop_instance_uid(1, Kind.SEG)
        return next(full, 0x0000) if mine else 0x0000

    with pacs(answer=answer) as peer:
        peer.up()
        world.knows("pacs", peer.port)
        world.series(1)
        world.run(29)
        waits = world.row("pacs", 1, Kind.SEG)
        assert (waits.state, waits.next_attempt_at) == (DeliveryState.WAITING, NOW + 30)
        assert str(waits.last_error).startswith("A700 Refused: Out of Resources")
        assert world.circuit("pacs") is None
        world.series(2)
        world.run(100)
    found = world.row("pacs", 1, Kind.SEG)
    assert (found.state, found.attempts, found.settled_at) == (DeliveryState.STORED, 3, NOW + 90)
    assert world.states("pacs") == {"stored": 4}
    assert world.told("pacs") == []
    world.healthy({1: 0, 2: 29})


def test_takes_and_never_answers(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sent, and not known to be there: sent again under the same UIDs, until it is answered."""
    short_waits(monkeypatch)
    hangs = threading.Event()
    with pacs(answer=lambda event: hangs.wait(30) and 0x0000) as peer:
        peer.up()
        world.knows("pacs", peer.port)
        world.series(1)
        world.run(0)
        sr, seg = (world.row("pacs", 1, kind) for kind in (Kind.SR, Kind.SEG))
        assert {sr.state, seg.state} == {DeliveryState.SENT, DeliveryState.WAITING}
        sent = sr if sr.state is DeliveryState.SENT else seg
        assert (sent.sent_at, sent.attempts, sent.next_attempt_at) == (NOW, 1, NOW + 30)
        assert sent.last_error == "sent twice, and no response seen: the peer may have it"
        circuit = world.circuit("pacs")
        assert circuit is not None and circuit.trouble is Trouble.SILENT
        world.run(220)
        circuit = world.circuit("pacs")
        assert circuit is not None and (circuit.failures, circuit.next_try_at) == (4, NOW + 450)
        hangs.set()
        world.run(450)
    assert world.states("pacs") == {"stored": 2}
    assert set(peer.came) == {sop_instance_uid(1, kind) for kind in (Kind.SR, Kind.SEG)}
    assert len(peer.came) > 2
    world.healthy({1: 0})


def test_what_a_peer_chokes_on_holds_up_nothing_else(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It dies of one object, without an answer: everything else arrives, and that one stays sent."""
    short_waits(monkeypatch)

    def answer(event: Any) -> int:
        if event.request.AffectedSOPInstanceUID == sop_instance_uid(1, Kind.SEG):
            event.assoc.abort()
        return 0x0000

    with pacs(answer=answer) as peer:
        peer.up()
        world.knows("pacs", peer.port)
        for number in (1, 2, 3):
            world.series(number)
        world.run(3600)
    assert world.states("pacs") == {"stored": 5, "sent": 1}
    assert world.row("pacs", 1, Kind.SEG).state is DeliveryState.SENT
    assert {world.row("pacs", n, Kind.SR).settled_at for n in (2, 3)} == {NOW}
    world.healthy({1: 0, 2: 0, 3: 0})


def test_takes_no_bytes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connected, and silent from the beginning: nothing went out, so nothing is said to be sent."""
    short_waits(monkeypatch)
    with listener(lambda connection: (read_pdu(connection), silent(connection))) as address:  # type: ignore[func-returns-value,arg-type,return-value]
        world.knows("pacs", address.port)
        world.series(1)
        world.run(0)
    circuit = world.circuit("pacs")
    assert circuit is not None and circuit.trouble is Trouble.UNREACHABLE
    assert "does not answer the association request" in circuit.reason
    assert world.states("pacs") == {"waiting": 2}
    world.healthy({1: 0})


def test_a_restart_does_not_begin_with_all_of_them(world: World) -> None:
    with pacs() as peer:
        world.knows("pacs", peer.port)
        for number in range(1, 6):
            world.series(number)
        world.run(1)
        anew = World(world.root)
        anew.peers, anew.now = world.peers, world.now
        for number in range(1, 6):
            anew.delivering.deliver(f"2.25.7.{number}", 1, "pacs")
        assert sum(row.attempts for row in anew.rows("pacs")) == 2 * 3
        anew.now = NOW + 120
        anew.delivering.probe("pacs")
        assert sum(row.attempts for row in anew.rows("pacs")) == 2 * 4


def test_seven_days_are_enough(world: World) -> None:
    """Also for what was never tried, because it waited behind the circuit; later ones live on."""
    with pacs() as peer:
        world.knows("pacs", peer.port)
        for number in range(1, 6):
            world.series(number)
        world.at(DAY_S, lambda: world.series(6))
        world.run(7 * DAY_S + 1000)
        assert world.states("pacs") == {"dead": 10, "waiting": 2}
        dead = world.row("pacs", 5, Kind.SR)
        assert str(dead.last_error).startswith("given up after 7 days: PACS@127.0.0.1:")
        assert len(world.store.events("dead letter")) == 10
        peer.up()
        world.retry("pacs")
        world.run(7 * DAY_S + 1001)
    assert world.states("pacs") == {"stored": 12}
    world.healthy(dict.fromkeys(range(1, 6), 0) | {6: DAY_S})


@pytest.mark.parametrize("status", [503, 502, 401])
def test_a_web_service_that_is_away_for_a_while(world: World, status: int) -> None:
    """By STOW-RS it is the same circuit: busy, unreachable, or blocked until somebody mends it."""
    mended = threading.Event()

    def answer(asked: Asked) -> Answer:
        return (200, b"") if mended.is_set() else (status, b"")

    with service(answer) as here:
        world.others.append(OtherDestination(name="web", url=here.url, results=("sr", "ko")))
        for number in range(1, 6):
            world.series(number)
        world.at(600, mended.set)
        world.run(599)
        circuit = world.circuit("web")
        assert circuit is not None
        expected = {503: Trouble.BUSY, 502: Trouble.UNREACHABLE, 401: Trouble.BLOCKED}
        tries = {503: 3 + 4, 502: 3 + 2, 401: 3}  # each 120 s; 120 s, 240 s; none in 900 s
        assert (circuit.trouble, len(here.asked)) == (expected[status], tries[status])
        world.run(1000)
    assert world.states("web") == {"stored": 5}  # and no SEG, nor a KO that was not made
    world.healthy(dict.fromkeys(range(1, 6), 0))


def test_a_folder_whose_mount_is_away(world: World) -> None:
    away = world.root / "mount"
    world.others.append(OtherDestination(name="mount", folder=away, results=("sr",)))
    for number in range(1, 6):
        world.series(number)
    world.at(600, away.mkdir)
    world.run(599)
    circuit = world.circuit("mount")
    assert circuit is not None and circuit.trouble is Trouble.UNREACHABLE
    assert circuit.reason == f"{away}: No such file or directory"
    world.run(840)
    assert world.states("mount") == {"stored": 5}
    world.healthy(dict.fromkeys(range(1, 6), 0))


def test_a_removed_destination_ends_in_dead_letters_though_its_circuit_is_open(world: World) -> None:
    with pacs() as peer:
        world.knows("pacs", peer.port)
        for number in range(1, 5):
            world.series(number)
        world.run(1)
        world.peers.clear()
        world.run(121)
    assert world.states("pacs") == {"dead": 8}
    assert world.circuit("pacs") is None


def test_a_stop_while_everything_is_set_going_loses_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Jobs come first, in many short transactions; the circuit closes last, so its one try is made again."""
    monkeypatch.setattr("node.delivery_jobs.ROWS_AT_ONCE", 2)
    with pacs() as peer:
        world.knows("pacs", peer.port)
        for number in range(1, 6):
            world.series(number)
        world.run(1)
        peer.up()
        with monkeypatch.context() as killed:
            killed.setattr("storage.circuits.forget", _stops)
            with pytest.raises(KeyboardInterrupt):
                world.run(120)
        assert len([job for job in world.timeline.jobs if "/answers/" in job.key]) == 4
        circuit = world.circuit("pacs")
        assert circuit is not None and circuit.next_try_at == NOW + 120
        world.delivering.probe("pacs")  # as it is taken up at the next start
        world.run(120)
    assert world.states("pacs") == {"stored": 10}
    assert len(peer.came) == len(set(peer.came)) == 10
    assert world.circuit("pacs") is None


def _stops(*_arguments: object) -> None:
    raise KeyboardInterrupt


def test_a_clock_that_was_ahead_and_is_set_back_stops_nobody(world: World) -> None:
    """What waits for a time that no wait reaches is due."""
    with pacs() as peer:
        world.knows("pacs", peer.port)
        for number in range(1, 5):
            world.series(number)
        world.run(1)
        peer.up()
        world.now = NOW - 30 * DAY_S
        world.delivering.probe("pacs")
        assert world.circuit("pacs") is None
        for number in range(1, 5):
            world.delivering.deliver(f"2.25.7.{number}", 1, "pacs")
    assert world.states("pacs") == {"stored": 8}


def test_an_open_circuit_with_nothing_to_try_is_forgotten(world: World) -> None:
    """A person withheld it all meanwhile: what comes next begins anew."""
    with pacs() as peer:
        world.knows("pacs", peer.port)
        for number in range(1, 4):
            world.series(number)
        world.run(1)
        assert world.circuit("pacs") is not None
        for row in world.rows("pacs"):
            world.store.blobs.absolute(row.result.path).unlink()
        world.run(121)
    assert world.circuit("pacs") is None
    assert world.states("pacs") == {"dead": 6}
