"""How much a turn of receiving sends: more than a receiver can leave in the page cache.

A receiver that never syncs writes into memory until so much of it is dirty that the kernel writes it out
beside the receiver (`vm.dirty_background_ratio`). Before that nothing of its goes to the disk: a turn that
ends earlier tells how fast the machine copies memory, not which rate a receiver holds.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

VM: Final = Path("/proc/sys/vm")
MEMORY: Final = Path("/proc/meminfo")
TIMES: Final = 2.5
"""What is sent, as a multiple of what the kernel leaves in memory: most of it is then written out while it is
measured."""
LEAST_BYTES: Final = 850_000_000
MEMORY_SHARE: Final = 3
"""Senders have a third of the available memory at most: they hold all that they send."""
DISK_SHARE: Final = 5
"""Of the free disk: the files that are sent, what one receiver stores, and the segments written ahead."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a turn is measured by."""

    unwritten_bytes: int  # so much lies in the page cache before the kernel writes any of it out
    memory_bytes: int  # available
    disk_bytes: int  # free where receivers store


def turn_bytes(machine: Machine) -> int:
    """How much all senders together send in a turn."""
    most = min(machine.memory_bytes // MEMORY_SHARE, machine.disk_bytes // DISK_SHARE)
    return max(LEAST_BYTES, min(round(TIMES * machine.unwritten_bytes), most))


def machine(folder: Path) -> Machine:
    """This machine, and the disk of a folder."""
    available = _available_bytes()
    fixed = int((VM / "dirty_background_bytes").read_text())  # 0: the ratio counts
    ratio = int((VM / "dirty_background_ratio").read_text())
    return Machine(
        unwritten_bytes=fixed or available * ratio // 100,
        memory_bytes=available,
        disk_bytes=shutil.disk_usage(folder).free,
    )


def _available_bytes() -> int:
    lines = dict(line.split(":") for line in MEMORY.read_text().splitlines())
    return int(lines["MemAvailable"].split()[0]) * 1024
