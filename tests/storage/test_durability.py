"""The first promise: what `put` returned for is on stable storage, in the one order that survives a cut."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from storage import installation
from storage.blobs import BlobName, Blobs, Shelf
from storage.installation import device_uid

NAME = BlobName(
    shelf=Shelf.INSTANCES,
    arrived_at=0.0,
    series_instance_uid="1.2",
    sop_instance_uid="1.2.3",
    digest="a" * 64,
)
DAY, SERIES = "instances/1970-01-01", "instances/1970-01-01/1.2"
Calls = list[tuple[str, str]]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What is asked of the disk: (call, path below the root), in order."""
    made: Calls = []
    root = tmp_path / "root"

    def short(path: object) -> str:
        return re.sub(r"[0-9a-f]{32}", "TEMP", os.path.relpath(str(path), root))

    def watch(owner: object, name: str, path_of: object) -> None:
        original = getattr(owner, name)

        def watched(*args: object, **kwargs: object) -> object:
            path = short(path_of(args[0]))  # type: ignore[operator]
            outcome = original(*args, **kwargs)
            made.append((name, path))
            return outcome

        monkeypatch.setattr(owner, name, watched)

    for name in ("fsync", "fdatasync"):
        watch(os, name, lambda descriptor: Path(f"/proc/self/fd/{descriptor}").readlink())
    for name in ("rename", "mkdir"):
        watch(Path, name, lambda path: path)
    return made


def test_bytes_then_name_then_folder(tmp_path: Path, calls: Calls) -> None:
    blobs = Blobs(tmp_path / "root")
    calls.clear()
    blobs.put(NAME, [b"bytes"])
    assert calls == [
        ("fdatasync", "incoming/TEMP.part"),
        ("mkdir", "instances"),
        ("fsync", "."),
        ("mkdir", DAY),
        ("fsync", "instances"),
        ("mkdir", SERIES),
        ("fsync", DAY),
        ("rename", "incoming/TEMP.part"),
        ("fsync", SERIES),
    ]


def test_a_known_folder_costs_two_syncs_for_each_instance(tmp_path: Path, calls: Calls) -> None:
    blobs = Blobs(tmp_path / "root")
    blobs.put(NAME, [b"bytes"])
    calls.clear()
    blobs.put(NAME, [b"bytes"])
    assert [name for name, _path in calls] == ["fdatasync", "rename", "fsync"]


def test_a_folder_that_another_process_made_is_synced_all_the_same(tmp_path: Path, calls: Calls) -> None:
    """The other may not have come to its fsync yet."""
    blobs = Blobs(tmp_path / "root")
    (tmp_path / "root" / SERIES).mkdir(parents=True)
    calls.clear()
    blobs.put(NAME, [b"bytes"])
    synced = [path for name, path in calls if name == "fsync"]
    assert synced == [".", "instances", DAY, SERIES]
    assert calls.index(("fsync", DAY)) < calls.index(("rename", "incoming/TEMP.part"))


def test_the_root_itself_is_synced_in_its_parent(tmp_path: Path, calls: Calls) -> None:
    Blobs(tmp_path / "root")
    assert calls == [("mkdir", "."), ("fsync", ".."), ("mkdir", "incoming"), ("fsync", ".")]


PUT = """
import sys; from pathlib import Path; from storage.blobs import BlobName, Blobs, Shelf
blobs = Blobs(Path(sys.argv[1]))
name = BlobName(shelf=Shelf.INSTANCES, arrived_at=0.0, series_instance_uid="1.2", sop_instance_uid="1.2.3",
                digest="a" * 64)
blobs.put(name, [b"b" * 200_000]); print("acknowledged", flush=True)
"""
STEPS = {
    "the bytes are written": r"write\(\d+<ROOT/incoming/\w+\.part>.*= \d+",
    "the bytes are synced": r"fdatasync\(\d+<ROOT/incoming/\w+\.part>\)",
    "the day's folder is synced": r"fsync\(\d+<ROOT/instances/1970-01-01>\)",
    "the file gets its name": r"rename(at2?)?\(.*ROOT/incoming/\w+\.part.*ROOT/instances/1970-01-01/1\.2/",
    "the series' folder is synced": r"fsync\(\d+<ROOT/instances/1970-01-01/1\.2>\)",
    "success is said": r"write\(1<.*acknowledged",
}


def test_the_kernel_sees_the_same_order(tmp_path: Path) -> None:
    """strace is the judge: the last write, then each step, then the acknowledgement."""
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not installed")
    trace, root = tmp_path / "trace", tmp_path / "root"
    command = [strace, "-f", "-y", "-o", trace, "-e", "trace=write,fsync,fdatasync,rename,renameat,renameat2"]
    ran = subprocess.run([*command, sys.executable, "-c", PUT, root], capture_output=True, timeout=60)
    if b"ptrace" in ran.stderr:
        pytest.skip(f"strace is not allowed here: {ran.stderr.decode().splitlines()[0]}")
    assert ran.stdout == b"acknowledged\n", ran.stderr
    lines = trace.read_text().replace(str(root), "ROOT").splitlines()
    last = {
        step: max((i for i, line in enumerate(lines) if re.search(pattern, line)), default=-1)
        for step, pattern in STEPS.items()
    }
    assert -1 not in last.values(), last
    assert sorted(last, key=last.__getitem__) == list(STEPS)


def test_the_uid_of_the_installation_is_made_once_and_durable(tmp_path: Path, calls: Calls) -> None:
    root = tmp_path / "root"
    root.mkdir()
    calls.clear()
    made = device_uid(root)
    assert re.fullmatch(r"2\.25\.[1-9][0-9]{0,38}", made)
    assert [name for name, _path in calls] == ["fsync", "fsync"]
    assert calls[-1] == ("fsync", ".")
    assert device_uid(root) == made
    assert [path.name for path in root.iterdir()] == [installation.FILE_NAME]


def test_another_process_that_was_first_gives_the_uid(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = os.link

    def late(source: Path, target: Path) -> None:
        target.write_text("2.25.1\n")
        link(source, target)

    monkeypatch.setattr(os, "link", late)
    assert device_uid(tmp_path) == "2.25.1"
    assert [path.name for path in tmp_path.iterdir()] == [installation.FILE_NAME]
