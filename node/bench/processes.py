"""What processes cost, as the kernel counts it: processor time, and calls that sync."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PROC: Final = Path("/proc")
TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
PARENT, OWN, CHILDREN = 1, slice(11, 13), slice(13, 15)
"""Fields of /proc/PID/stat behind the name: parent; own user and system time; that of children that ended."""

SYNCS: Final = ("fsync", "fdatasync", "sync_file_range", "syncfs")
SYNCED_WRITE: Final = re.compile(r"\bpwritev2\(.*\bRWF_D?SYNC\b")
"""As strace prints a write that is on stable storage when it returns."""


@dataclass(frozen=True, kw_only=True)
class _Stat:
    parent: int
    own_ticks: int
    ended_ticks: int  # of children that were waited for


def cpu_s(pid: int) -> float:
    """Processor time of a process and all below it, those that ended included."""
    stats = _stats()
    members = {pid}
    while below := {p for p, stat in stats.items() if stat.parent in members} - members:
        members |= below
    ticks = sum(stats[p].own_ticks + stats[p].ended_ticks for p in members if p in stats)
    return ticks / TICKS_PER_S


def _stats() -> dict[int, _Stat]:
    found = {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it ended meanwhile
                continue
            own, ended = (sum(int(n) for n in fields[part]) for part in (OWN, CHILDREN))
            found[int(folder.name)] = _Stat(parent=int(fields[PARENT]), own_ticks=own, ended_ticks=ended)
    return found


def can_trace() -> bool:
    """Whether strace is installed, and allowed here."""
    if shutil.which("strace") is None:
        return False
    tried = subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], check=False, capture_output=True)
    return tried.returncode == 0


def tracer(output: Path) -> list[str]:
    """What starts a program so that its calls that sync are written down: strace, which stands aside (-D)."""
    calls = ",".join((*SYNCS, "pwritev2"))
    return ["strace", "-D", "-f", "-qq", "-e", f"trace={calls}", "-o", str(output)]


def syncs(output: Path) -> int:
    """How many calls of that kind were begun so far."""
    lines = output.read_text(errors="replace").splitlines()
    return sum(_syncs(line) for line in lines if "resumed" not in line)


def _syncs(line: str) -> bool:
    return any(f"{name}(" in line for name in SYNCS) or SYNCED_WRITE.search(line) is not None
