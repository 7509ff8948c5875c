"""What a destination refuses: a class, our AE title, for now or for good; another one never notices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from storage.kinds import SOP_CLASSES, Kind
from storage.states import DeliveryState, Trouble
from tests.node.delivery_world import CONTEXTS, NOW, World, pacs, sop_instance_uid
from tests.node.scu_peers import listener, rejects

DAY_S = 86_400.0
UNREACHABLE = "unreachable: PACS@127.0.0.1:"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("node.settling_deliveries.random.random", lambda: 0.0)
    return World(tmp_path)


def _takes_no_seg(how: str) -> dict[str, Any]:
    seg = SOP_CLASSES[Kind.SEG]
    if how == "context":
        return {"contexts": [each for each in CONTEXTS if each != seg]}
    status = int(how, 16)
    return {"answer": lambda event: status if event.request.AffectedSOPClassUID == seg else 0x0000}


SAYS_NO = {
    "context": "the peer does not accept Segmentation Storage in Explicit VR Little Endian: "
    "abstract syntax not supported",
    "0122": "0122 SOP Class Not Supported",
    "A900": "A900 Error: Data Set does not match SOP Class",
}


@pytest.mark.parametrize("how", SAYS_NO)
def test_refuses_seg_and_gets_the_picture_instead(world: World, how: str) -> None:
    with pacs(**_takes_no_seg(how)) as peer:
        peer.up()
        world.knows("pacs", peer.port, instead={"seg": "sc"})
        world.series(1)
        world.series(2)
        world.run(1)
    for number in (1, 2):
        seg, picture = (world.row("pacs", number, kind) for kind in (Kind.SEG, Kind.SC))
        assert (seg.state, picture.state) == (DeliveryState.WITHDRAWN, DeliveryState.STORED)
        assert seg.last_error == f"{SAYS_NO[how]}; SC goes instead"
    assert world.states("pacs") == {"stored": 4, "withdrawn": 2}
    assert world.told("pacs") == [(0, "class not taken", f"SEG: {SAYS_NO[how]}")]  # once
    assert world.store.events("dead letter") == []
    world.healthy({1: 0, 2: 0})


def test_refuses_seg_and_nothing_is_to_go_instead(world: World) -> None:
    with pacs(**_takes_no_seg("context")) as peer:
        peer.up()
        world.knows("pacs", peer.port)
        world.knows("vna", peer.port, instead={"seg": "pdf"})
        world.series(1)
        world.run(1)
    assert world.states("pacs") == world.states("vna") == {"stored": 1, "dead": 1}
    assert world.row("pacs", 1, Kind.SEG).last_error == SAYS_NO["context"]
    assert (
        world.row("vna", 1, Kind.SEG).last_error == f"{SAYS_NO['context']}; and there is no PDF to go instead"
    )
    world.healthy({1: 0})


def test_what_it_takes_again_goes_again(world: World) -> None:
    """A PACS that was upgraded gets the class with the next series; nobody has to tell us."""
    with pacs(**_takes_no_seg("context")) as peer:
        peer.up()
        world.knows("pacs", peer.port, instead={"seg": "sc"})
        world.series(1)
        world.run(1)
        peer.down()
        peer.contexts = CONTEXTS
        peer.up()
        world.series(2)
        world.run(2)
    assert world.row("pacs", 2, Kind.SEG).state is DeliveryState.STORED
    assert sop_instance_uid(2, Kind.SC) not in peer.came


def _rejected(world: World, until_s: float) -> int:
    """Three series to a peer that does not know us; how often it was called."""
    calls = []

    def talk(connection: Any) -> None:
        calls.append(world.now - NOW)
        rejects(1, 1, 3)(connection)

    with listener(talk) as address:
        world.knows("pacs", address.port)
        for number in (1, 2, 3):
            world.series(number)
        world.run(until_s)
    assert calls == [0, 0, 0, *range(900, int(until_s) + 1, 900)]
    return address.port


def test_our_ae_title_is_rejected_until_its_administrator_adds_it(world: World) -> None:
    """Few tries, then one in a quarter of an hour: no dead letter, and it flows as soon as we are known."""
    port = _rejected(world, 3599)
    circuit = world.circuit("pacs")
    assert circuit is not None and circuit.trouble is Trouble.BLOCKED
    assert (circuit.since, circuit.next_try_at) == (NOW, NOW + 3600)
    assert (
        "does not accept calling AE 'CTNODE'; give its administrator this line: "
        "AE title CTNODE, address 127.0.0.1" in circuit.reason
    )
    assert world.states("pacs") == {"waiting": 6}
    with pacs(port) as peer:
        peer.up()
        world.run(3600)
    assert world.states("pacs") == {"stored": 6}
    assert [kind for _, kind, _ in world.told("pacs")] == ["destination fails", "destination answers"]
    world.healthy({1: 0, 2: 0, 3: 0})


def test_our_ae_title_is_added_and_somebody_does_not_want_to_wait(world: World) -> None:
    port = _rejected(world, 1000)
    with pacs(port) as peer:
        peer.up()
        world.retry("pacs")
        world.run(1001)
    assert world.states("pacs") == {"stored": 6}
    assert world.circuit("pacs") is None


def test_one_delivery_that_is_retried_and_comes_through_takes_all_others_with_it(world: World) -> None:
    port = _rejected(world, 1000)
    with pacs(port) as peer:
        peer.up()
        world.retry(world.row("pacs", 2, Kind.SR).id)
        world.run(1001)
    assert world.states("pacs") == {"stored": 6}
    world.healthy({1: 0, 2: 0, 3: 0})


def test_a_retry_in_vain_opens_the_circuit_at_once_and_forgets_nothing(world: World) -> None:
    _rejected(world, 1000)
    world.retry("pacs")
    world.run(1001)
    circuit = world.circuit("pacs")  # nobody listens there any more
    assert circuit is not None
    assert (circuit.trouble, circuit.failures, circuit.since) == (Trouble.UNREACHABLE, 3, NOW)
    assert sum(row.attempts for row in world.rows("pacs")) == 2 * 5
    assert [(kind, detail.split(":")[0]) for _, kind, detail in world.told("pacs")] == [
        ("destination fails", "blocked"),
        ("destination fails", "unreachable"),
    ]


def test_busy_is_asked_soon(world: World) -> None:
    calls = []

    def talk(connection: Any) -> None:
        calls.append(world.now - NOW)
        rejects(2, 3, 2)(connection)

    with listener(talk) as address:
        world.knows("pacs", address.port)
        world.series(1)
        world.run(600)
    assert calls == [0, 30, 90, 210, 330, 450, 570]  # never more than two minutes between
    circuit = world.circuit("pacs")
    assert circuit is not None and circuit.trouble is Trouble.BUSY
    world.healthy({1: 0})


def test_own_results_go_back_to_who_sent_the_series_and_to_nobody_else(world: World) -> None:
    with pacs() as one, pacs() as other:
        one.up()
        other.up()
        own = {"gets_results": "own", "may_send": True, "results": ("sr",)}
        world.knows("ws1", one.port, ae_title="WS1", **own)
        world.knows("ws2", other.port, ae_title="WS2", **own)
        world.series(1, sender="WS1")
        world.series(2, sender="CT1")
        world.run(1)
    assert (one.came, other.came) == ([sop_instance_uid(1, Kind.SR)], [])
    world.healthy({1: 0, 2: 0})
