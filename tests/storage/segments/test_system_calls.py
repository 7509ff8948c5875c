"""strace is the judge: what an instance costs, and what comes before Success."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from storage.segments.file_system import writes_through

KEEP = """
import os, sys; from pathlib import Path
from tests.storage.segments.keeping import content, keep, segment_store
store = segment_store(Path(sys.argv[1]), pages=2048)
keep(store, 0, b"first"); os.write(1, b"ready")
data = content(1, 531_000)
for number in range(1, 11):
    keep(store, number, data); os.write(1, b"acknowledged")
"""
CALLS = (
    "trace=openat,write,pwrite64,pwritev2,fsync,fdatasync,rename,renameat,renameat2,mkdir,ftruncate,fallocate"
)


def test_an_instance_is_one_write_that_is_on_stable_storage(tmp_path: Path) -> None:
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    trace, root = tmp_path / "trace", tmp_path / "root"
    command = [strace, "-f", "-y", "-o", str(trace), "-e", CALLS, sys.executable, "-c", KEEP, str(root)]
    ran = subprocess.run(command, capture_output=True, timeout=60)
    if b"ptrace" in ran.stderr:
        pytest.skip(f"strace is not allowed here: {ran.stderr.decode().splitlines()[0]}")
    assert ran.stdout.count(b"acknowledged") == 10, ran.stderr
    lines = trace.read_text().splitlines()
    begin = next(index for index, line in enumerate(lines) if '"ready' in line)
    calls = [
        (match[1], "RWF_DSYNC" in line)
        for line in lines[begin + 1 :]
        if (match := re.search(r"\d+ +(\w+)\(\d+<[^>]*(?:\.seg|pipe:)", line))
    ]
    through = [("pwritev2", True)] if writes_through(root) else [("pwrite64", False), ("fdatasync", False)]
    assert calls == [*through, ("write", False)] * 10
    assert not any("fsync(" in line or "rename" in line for line in lines[begin + 1 :])
