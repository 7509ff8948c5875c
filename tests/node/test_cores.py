"""Each receiving process stays on a core of its own, as long as there are enough."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from node import cores
from node.cores import core_of, stay_on_one
from tests.crash.node import Node
from tests.waiting import eventually

STAY = "import os, threading\nfrom node.cores import stay_on_one\nstay_on_one(0)\n"
SHOW = "t = threading.Thread(target=lambda: print(sorted(os.sched_getaffinity(0))))\nt.start(); t.join()"


@pytest.mark.parametrize(
    ("number", "usable", "core"),
    [(0, {0, 1, 2, 3}, 3), (1, {0, 1, 2, 3}, 2), (3, {0, 1, 2, 3}, 0), (4, {0, 1, 2, 3}, 3), (1, {5}, 5)],
)
def test_from_the_last_core_down_and_round(number: int, usable: set[int], core: int) -> None:
    assert core_of(number, usable) == core


def test_threads_that_are_started_later_stay_too() -> None:
    shown = subprocess.run([sys.executable, "-c", STAY + SHOW], capture_output=True, text=True, check=True)
    assert shown.stdout == f"[{max(os.sched_getaffinity(0))}]\n"


def test_as_many_receivers_as_cores_that_may_be_used() -> None:
    """Those of a container's cpuset; and a receiver that keeps to one core still knows of all."""
    usable = os.sched_getaffinity(0)
    count = "from node.config_network import Node\nprint(Node().receiver_count)\n"
    one = f"import os\nos.sched_setaffinity(0, {{{min(usable)}}})\n"
    stay = "from node.cores import stay_on_one\nstay_on_one(0)\nprint(Node().receiver_count)"
    shown = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
        for script in (one + count, count + stay)
    ]
    assert shown == ["1\n", f"{min(4, len(usable))}\n" * 2]


def test_where_it_is_not_allowed_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(cores.os, "sched_setaffinity", refuse)
    with capture_logs() as logs:
        stay_on_one(0)
    assert logs == [
        {"event": "receiver on any core", "log_level": "info", "reason": "Operation not permitted"}
    ]


@pytest.mark.parametrize("pinned", [True, False])
def test_receivers_of_a_node(tmp_path: Path, pinned: bool) -> None:
    usable = os.sched_getaffinity(0)
    node = Node(folder=tmp_path, receivers=2)
    node.configure()
    config = tmp_path / "config.yaml"
    config.write_text(config.read_text().replace("receivers: 2", f"receivers: 2, pin_receivers: {pinned}"))
    node.start()
    try:
        node.wait_ready()
        eventually(lambda: node.log.read_text().count('"event": "listening"') == 2, what="both receivers")
        found = sorted(os.sched_getaffinity(p.pid) for p in node.processes() if p.role == "receiver")
        others = [os.sched_getaffinity(p.pid) for p in node.processes() if p.role != "receiver"]
    finally:
        node.stop()
    expected = [{core_of(number, usable)} for number in (0, 1)] if pinned else [usable, usable]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
    assert all(each == usable for each in others)
