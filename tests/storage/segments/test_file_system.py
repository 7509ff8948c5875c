"""Where a write is believed, and where fdatasync is called."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from storage.segments import disk, file_system
from storage.segments.file_system import kind_of, writes_through
from tests.storage.segments.keeping import HEAD, keep, segment_store

MOUNTS = r"""
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
23 22 0:21 / /proc rw,nosuid - proc proc rw
30 22 254:1 / /data rw - xfs /dev/vdb rw,attr2
31 30 0:40 / /data/pacs rw shared:2 master:3 - fuse.sshfs host:/pacs rw
32 22 0:41 / /data\040two rw - nfs4 host:/two rw
33 22 0:42 / /data/pacs/late rw - ext4 /dev/vdc rw
34 33 0:43 / /data/pacs/late rw - 9p share rw
nonsense
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/", "ext4"),
        ("/home/node", "ext4"),
        ("/data", "xfs"),
        ("/data/segments/spare", "xfs"),
        ("/data2", "ext4"),  # begins like another one's name
        ("/data/pacs/segments", "fuse.sshfs"),
        ("/data two/segments", "nfs4"),
        ("/data/pacs/late", "9p"),  # mounted over an ext4
    ],
)
def test_the_deepest_mount_counts(folder: str, kind: str) -> None:
    assert kind_of(Path(folder), MOUNTS) == kind


def test_what_is_not_told_is_not_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kind_of(Path("/data"), "") == ""
    monkeypatch.setattr(file_system, "MOUNTS", tmp_path / "missing")
    assert not writes_through(tmp_path / "another")


def test_a_link_is_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fuse").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "fuse")
    mounts = tmp_path / "mounts"
    mounts.write_text(f"1 0 1:1 / / rw - ext4 a rw\n2 1 1:2 / {tmp_path}/fuse rw - fuse b rw\n")
    monkeypatch.setattr(file_system, "MOUNTS", mounts)
    assert writes_through(tmp_path)
    assert not writes_through(tmp_path / "link")


@pytest.mark.parametrize(("kind", "calls"), [("ext4", ["pwritev"]), ("fuse", ["pwrite", "fdatasync"])])
def test_how_a_record_is_written(
    kind: str, calls: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "writes_through", lambda _folder: kind == "ext4")
    store = segment_store(tmp_path)
    keep(store, 1, b"first")
    made: list[str] = []
    for name in ("pwrite", "pwritev", "fdatasync"):
        monkeypatch.setattr(os, name, _noted(getattr(os, name), name, made))
    locator = keep(store, 2, b"second")
    assert made == calls
    assert store.open(locator).read() == HEAD + b"second"


def _noted(call: Any, name: str, made: list[str]) -> Any:
    def noted(*arguments: Any) -> Any:
        made.append(name)
        return call(*arguments)

    return noted
