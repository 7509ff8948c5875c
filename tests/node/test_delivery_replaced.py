"""A later revision replaces results that are on their way: what it replaced does not leave any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from node.proving import Resending
from storage import outcomes, proofs, schema
from storage.kinds import Kind
from storage.records import Unproven
from storage.states import DeliveryState, SeriesState
from tests.node.delivery_world import NOW, World, pacs, sop_instance_uid


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr("node.settling_deliveries.random.random", lambda: 0.0)
    return World(tmp_path)


def analysed_again(world: World, number: int = 1) -> None:
    """A second revision, of which there is no result."""
    uid, series = f"2.25.7.{number}", schema.series
    with world.store.ledger.writing() as connection:
        connection.execute(
            update(series)
            .where(series.c.series_instance_uid == uid)
            .values(state=SeriesState.QUEUED, revision=2)
        )
        assert outcomes.record_analysis(
            connection, [], [], series_instance_uid=uid, revision=2, now=world.now
        )


def during_the_seg(world: World, status: int) -> Any:
    """Answers so to the SEG, while whose series is analysed again; everything else is stored."""

    def answer(event: Any) -> int:
        if event.request.AffectedSOPInstanceUID != sop_instance_uid(1, Kind.SEG):
            return 0x0000
        analysed_again(world)
        return status

    return answer


def test_nothing_goes_in_place_of_what_was_replaced_on_its_way(world: World) -> None:
    with pacs() as peer:
        peer.answer = during_the_seg(world, 0x0122)
        peer.up()
        world.knows("pacs", peer.port, instead={"seg": "sc"})
        world.series(1)
        world.run(1)
    assert sop_instance_uid(1, Kind.SC) not in peer.came
    assert [row.result.kind for row in world.rows("pacs") if row.result.kind == Kind.SC] == []
    seg = world.row("pacs", 1, Kind.SEG)
    assert (seg.state, seg.last_error) == (DeliveryState.WITHDRAWN, "replaced by revision 2 of its series")


def test_what_was_replaced_on_its_way_and_refused_is_no_dead_letter(world: World) -> None:
    with pacs() as peer:
        peer.answer = during_the_seg(world, 0xC000)
        peer.up()
        world.knows("pacs", peer.port)
        world.series(1)
        world.run(1)
    assert world.row("pacs", 1, Kind.SEG).state is DeliveryState.WITHDRAWN
    assert world.store.events("dead letter") == []


def test_what_a_destination_lost_is_not_sent_again_once_it_was_replaced(world: World) -> None:
    """Its report comes after the series was analysed again: that result speaks for nothing any more."""
    with pacs() as peer:
        peer.up()
        world.knows("pacs", peer.port)
        world.series(1)
        world.run(1)
        analysed_again(world)
        rows = [
            Unproven(delivery=row, study_instance_uid="2.25.6", attempts=0, began_at=None)
            for row in world.rows("pacs")
        ]
        with world.store.ledger.writing() as connection:
            ids = [row.delivery.id for row in rows]
            proofs.send_again(connection, ids, at=NOW + 31, why="No such object instance", now=world.now)
            Resending(world.timeline, clock=lambda: world.now).send_again(  # type: ignore[arg-type]
                connection, rows, NOW + 31
            )
        assert world.states("pacs") == {"waiting": 2}
        world.run(60)
    assert len(peer.came) == 2
    assert world.states("pacs") == {"withdrawn": 2}
    assert world.row("pacs", 1, Kind.SR).last_error == "replaced by revision 2 of its series"
