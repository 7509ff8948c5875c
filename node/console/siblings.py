"""The processes of the node beside this one, from /proc: one that hangs is still seen."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
ROLES: Final = {
    "node.receiving": "receiver",
    "node.dispatching": "dispatcher",
    "inference.worker": "worker",
    "node.console": "console",
}
"""Module that a process runs -> what it is."""
PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
TICKS: Final = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True)
class Sibling:
    """One process."""

    role: str  # receiver 0, dispatcher, worker, console
    pid: int
    running_s: float  # since it was started
    processor_s: float  # that it has used
    memory_bytes: int  # resident


def siblings() -> list[Sibling]:
    """The children of our supervisor; on a system without /proc, none."""
    parent = os.getppid()
    try:
        children = (PROC / str(parent) / "task" / str(parent) / "children").read_text().split()
    except OSError:
        return []
    return sorted(_found(children), key=lambda sibling: sibling.role)


def _found(pids: list[str]) -> Iterator[Sibling]:
    for pid in pids:
        try:
            words = (PROC / pid / "cmdline").read_bytes().decode(errors="replace").split("\0")
            fields = (PROC / pid / "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if role := _role(words):
            yield _sibling(role, int(pid), fields)


def _role(words: list[str]) -> str:
    name = next((ROLES[word] for word in words if word in ROLES), "")
    number = words[words.index("--number") + 1] if "--number" in words[:-1] else ""
    return f"{name} {number}".strip() if name else ""


def _sibling(role: str, pid: int, fields: list[str]) -> Sibling:
    """`fields` begin with the third of proc_pid_stat(5), the state."""
    return Sibling(
        role=role,
        pid=pid,
        running_s=max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - int(fields[19]) / TICKS),
        processor_s=(int(fields[11]) + int(fields[12])) / TICKS,
        memory_bytes=int(fields[21]) * PAGE_BYTES,
    )
