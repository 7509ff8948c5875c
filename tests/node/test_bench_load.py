"""How much a turn of receiving sends, by what the machine can take."""

from __future__ import annotations

from pathlib import Path

import pytest

from node.bench import load
from node.bench.load import LEAST_BYTES, Machine, machine, turn_bytes
from node.bench.receive import WARM_UP, share_of

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("unwritten_gb", "memory_gb", "disk_gb", "sent_gb"),
    [(2, 24, 200, 5), (20, 240, 2000, 50), (2, 12, 200, 4), (2, 24, 20, 4)],
)
def test_more_than_the_page_cache_takes_where_memory_and_disk_allow(
    unwritten_gb: int, memory_gb: int, disk_gb: int, sent_gb: int
) -> None:
    here = Machine(unwritten_bytes=unwritten_gb * GB, memory_bytes=memory_gb * GB, disk_bytes=disk_gb * GB)
    assert turn_bytes(here) == sent_gb * GB


@pytest.mark.parametrize("machine", [(0, 24, 200), (2, 1, 200), (2, 24, 1)])
def test_never_less_than_a_second_or_so_takes(machine: tuple[int, int, int]) -> None:
    unwritten, memory, disk = (each * GB for each in machine)
    here = Machine(unwritten_bytes=unwritten, memory_bytes=memory, disk_bytes=disk)
    assert turn_bytes(here) == LEAST_BYTES


@pytest.mark.parametrize(("fixed", "ratio", "expected"), [(0, 10, 1_024_000), (5000, 0, 5000)])
def test_what_the_kernel_leaves_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fixed: int, ratio: int, expected: int
) -> None:
    (tmp_path / "dirty_background_bytes").write_text(f"{fixed}\n")
    (tmp_path / "dirty_background_ratio").write_text(f"{ratio}\n")
    (tmp_path / "meminfo").write_text(
        "MemTotal:       20000 kB\nMemAvailable:   10000 kB\nHugePages_Free: 0\n"
    )
    monkeypatch.setattr(load, "VM", tmp_path)
    monkeypatch.setattr(load, "MEMORY", tmp_path / "meminfo")
    found = machine(tmp_path)
    assert (found.unwritten_bytes, found.memory_bytes) == (expected, 10_240_000)
    assert found.disk_bytes > 0


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    found = machine(tmp_path)
    assert 0 < found.unwritten_bytes < found.memory_bytes


@pytest.mark.parametrize(
    ("instances", "share", "expected"), [(800, 1.0, 800), (800, 1 / 8, 100), (4, 0.1, 1)]
)
def test_a_slow_receiver_gets_a_share_of_what_is_measured(
    instances: int, share: float, expected: int
) -> None:
    assert len(share_of([Path()] * (WARM_UP + instances), share)) == WARM_UP + expected
