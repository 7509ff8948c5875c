"""Our own node under every attack: it does what it must, keeps what it must, and nothing is left over."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.filereader import read_dataset

from node.hostile import on_commands, on_instances, on_load, on_pdus, on_requests, on_states
from node.hostile.attack import Attack
from node.hostile.suite import Outcome, outcomes
from storage.stores import StoreKind
from tests.hostile.scps import aimed
from tests.node.receiving import Receiver, receiver
from tests.waiting import eventually

SETTINGS = {"artim_s": 2, "network_timeout_s": 2, "max_instance_mb": 5, "max_half_open": 64}
GROUPS = {
    "pdus": on_pdus.attacks,
    "requests": on_requests.attacks,
    "states": on_states.attacks,
    "commands": on_commands.attacks,
    "instances": on_instances.attacks,
    "load": on_load.attacks,
}
KEPT_OPEN = 6
"""Descriptors that the first instance opens for good: the database's and the segment's."""

pytestmark = pytest.mark.filterwarnings("ignore")


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - a count


def attack(node: Receiver, attacks: Iterator[Attack]) -> list[Outcome]:
    return list(outcomes(aimed(node.port), list(attacks)))


def wrong(found: list[Outcome]) -> list[str]:
    return [f"{each.attack.name}: {each.happened}; {each.good_peer}" for each in found if not each.ok]


@pytest.mark.parametrize("group", GROUPS)
def test_the_node_withstands(tmp_path: Path, group: str) -> None:
    with receiver(tmp_path, kind="segments", **SETTINGS) as node:
        threads, files = threading.active_count(), descriptors()
        assert wrong(attack(node, GROUPS[group]())) == []
        eventually(lambda: threading.active_count() <= threads, what="no thread to be left")
        eventually(lambda: descriptors() <= files + KEPT_OPEN, what="no descriptor to be left")
        assert all(row.ending is not None for row in node.ended())


@pytest.mark.parametrize("kind", ["files", "segments"])
def test_nothing_is_kept_but_what_was_whole_and_named(tmp_path: Path, kind: StoreKind) -> None:
    """Not by a wrong UID, not outside the root, not a part of it; and what is kept is what was sent first."""
    root = tmp_path / "root"
    root.mkdir()
    with receiver(root, kind=kind, **SETTINGS) as node:
        attack(node, on_instances.attacks())
        kept = node.kept()
        assert kept.parts == 0
        for uid in kept.instances:
            ds = read_dataset(BytesIO(node.data_set(uid)), is_implicit_VR=True, is_little_endian=True)
            assert uid.startswith("2.25.")
            assert uid == ds.SOPInstanceUID
            assert set(ds.PixelData) <= {0}, "the content that came first"
        assert kept.aside > 0, "the other content is kept aside"
    assert [p.name for p in tmp_path.iterdir()] == ["root"]
    assert list(root.rglob("*hostile*")) == []
    assert not any(Path(p).exists() for p in ("/tmp/hostile", "/tmp/hostile.dcm"))


def test_ten_thousand_half_open_connections(tmp_path: Path) -> None:
    """Connections that say nothing, of which the node keeps 64: good peers get in all the while."""
    (half_open,) = [each for each in on_load.attacks() if each.name.startswith("half-open")]
    with receiver(tmp_path, kind="segments", **{**SETTINGS, "artim_s": 30}) as node:
        target = replace(aimed(node.port), half_open=10_000)
        (found,) = outcomes(target, [half_open])
    assert (found.ok, found.happened) == (True, "every good peer was served 10000 half-open")
