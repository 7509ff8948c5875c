"""The machine: disk, clock, and the device that models run on."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from node.config import Config
from node.doctor.findings import Finding, Outcome
from node.intake import MEGABYTE

SYNCS: Final = 5
SLOW_SYNC_MS: Final = 50.0
"""Longer, and every acknowledgement is slow: a disk, or a share, that is not made for it."""
PAGE_BYTES: Final = 4096
TORCH_S: Final = 120.0
UNSYNCHRONISED: Final = 0x0040
"""STA_UNSYNC of adjtimex(2)."""
STATUS_AT: Final = 40
"""Offset of `status` in struct timex where a long has 8 bytes."""

ASK_TORCH: Final = """
import json, torch
cuda = torch.cuda.is_available()
count = torch.cuda.device_count() if cuda else 0
print(json.dumps({"torch": torch.__version__,
                  "devices": [torch.cuda.get_device_name(i) for i in range(count)],
                  "free_mb": [torch.cuda.mem_get_info(i)[0] // 1000000 for i in range(count)]}))
"""


def disk(config: Config) -> list[Finding]:
    """Free space against the reserve, and how long a page takes to be on stable storage."""
    root = config.storage.root
    if not root.is_dir():
        why = f"{root} does not exist: no node has run here yet"
        return [Finding(check="disk", outcome=Outcome.NOT_CHECKED, measured=why)]
    return [_space(root, config.storage.reserve_mb), _sync(root)]


def _space(root: Path, reserve_mb: int) -> Finding:
    free_mb = shutil.disk_usage(root).free // MEGABYTE
    measured = f"{free_mb} MB free in {root}, {reserve_mb} MB reserved"
    if free_mb < reserve_mb:
        return Finding(
            check="disk space",
            outcome=Outcome.FAILED,
            measured=f"{measured}: senders are asked to come again later",
            write=f"storage:\n  reserve_mb: {free_mb // 2}  # or free space, or keep less (retention_days)",
        )
    outcome = Outcome.OK if free_mb >= 2 * reserve_mb else Outcome.WARNING
    return Finding(check="disk space", outcome=outcome, measured=measured)


def _sync(root: Path) -> Finding:
    try:
        took_ms = [_synced_ms(root) for _ in range(SYNCS)]
    except OSError as error:
        words = f"{root} cannot be written: {error.strerror}"
        return Finding(check="disk sync", outcome=Outcome.FAILED, measured=words)
    median_ms = statistics.median(took_ms)
    outcome = Outcome.OK if median_ms < SLOW_SYNC_MS else Outcome.WARNING
    measured = f"{median_ms:.1f} ms until {PAGE_BYTES} bytes are on stable storage"
    return Finding(check="disk sync", outcome=outcome, measured=measured)


def _synced_ms(root: Path) -> float:
    with tempfile.TemporaryFile(dir=root) as file:
        begin = time.perf_counter()
        file.write(b"\0" * PAGE_BYTES)
        file.flush()
        os.fsync(file.fileno())
        return (time.perf_counter() - begin) * 1000


def clock(newest_at: float | None, now: float) -> list[Finding]:
    """Time zone, whether something keeps the clock right, and whether the ledger is ahead of it.

    Args:
        newest_at: of the newest entry in the ledger; None without one.
        now: POSIX seconds.
    """
    local = time.localtime(now)
    zone = f"{time.strftime('%Y-%m-%d %H:%M:%S', local)} {local.tm_zone}"
    kept = _synchronised()
    words = {
        True: "kept in step (NTP)",
        False: "not kept in step: no NTP service says so",
        None: "whether it is kept in step is not known here",
    }
    outcome = Outcome.WARNING if kept is False else Outcome.OK
    found = [Finding(check="clock", outcome=outcome, measured=f"{zone}, {words[kept]}")]
    if newest_at is not None and newest_at > now + 1:
        ahead = f"the ledger has entries {newest_at - now:.0f} s ahead: the clock was set back"
        found.append(Finding(check="clock and ledger", outcome=Outcome.WARNING, measured=ahead))
    return found


def _synchronised() -> bool | None:
    """What the kernel says (adjtimex(2)); None where it cannot be asked."""
    if sys.platform != "linux" or ctypes.sizeof(ctypes.c_long) != 8:
        return None
    timex = ctypes.create_string_buffer(256)
    try:
        state = ctypes.CDLL(None).adjtimex(timex)
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    return not int.from_bytes(timex.raw[STATUS_AT : STATUS_AT + 4], sys.byteorder) & UNSYNCHRONISED


def device(config: Config, *, ask: Callable[[], dict[str, Any]] | None = None) -> Finding:
    """What torch says of the device, in a process of its own: it is never loaded into this one."""
    wanted = config.inference.device
    try:
        said = (ask or _ask_torch)()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return Finding(
            check="device", outcome=Outcome.FAILED, measured=f"torch cannot be loaded: {_why(error)}"
        )
    devices = [
        f"cuda:{i} {name}, {free_mb} MB free"
        for i, (name, free_mb) in enumerate(zip(said["devices"], said["free_mb"], strict=True))
    ]
    has = "; ".join(devices) or "no CUDA device"
    measured = f"inference.device is {wanted}: torch {said['torch']}, {has}"
    number = int(wanted.partition(":")[2] or 0)
    if wanted.startswith("cuda") and number >= len(devices):
        return Finding(
            check="device", outcome=Outcome.FAILED, measured=measured, write="inference:\n  device: auto"
        )
    return Finding(check="device", outcome=Outcome.OK, measured=measured)


def _ask_torch() -> dict[str, Any]:
    command = [sys.executable, "-c", ASK_TORCH]
    done = subprocess.run(command, capture_output=True, text=True, timeout=TORCH_S, check=True)
    said: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return said


def _why(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError) and error.stderr.strip():
        return str(error.stderr.strip().splitlines()[-1])
    return str(error)
