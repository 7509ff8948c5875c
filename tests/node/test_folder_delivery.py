"""Results as files in a folder: whole or not there, nothing overwritten, and what a file system refuses."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread

from node.destinations import FolderAddress
from node.folder_delivery import put
from node.outgoing import Outgoing
from node.scu import Sent
from node.store_status import Disposition
from storage.errors import PeerRefused, PeerUnavailable
from storage.kinds import Kind
from tests.faults.disks import ext4
from tests.node.delivery_world import object_bytes

SERIES, UID = "2.25.7.1", "2.25.8.1"


class Folder:
    def __init__(self, root: Path) -> None:
        self.root = root / "results"
        self.root.mkdir()
        self.file = root / "sr.dcm"
        self.file.write_bytes(object_bytes(Kind.SR, UID))
        self.name = self.root / SERIES / f"{UID}.dcm"

    def put(self, *files: Path) -> list[Sent]:
        objects = [Outgoing.of_file(each) for each in files or (self.file,)]
        return list(put(FolderAddress(folder=self.root), objects, subfolder=SERIES))

    def names(self) -> list[str]:
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*"))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_an_object_becomes_a_file_with_its_bytes(folder: Folder) -> None:
    (one,) = folder.put()
    assert (one.disposition, one.reason, one.sop_instance_uid) == (Disposition.STORED, "written", UID)
    assert folder.names() == [SERIES, f"{SERIES}/{UID}.dcm"]
    assert folder.name.read_bytes() == folder.file.read_bytes()
    assert dcmread(folder.name).SOPInstanceUID == UID


def test_the_same_again_is_there_already(folder: Folder) -> None:
    folder.put()
    before = folder.name.stat()
    (one,) = folder.put()
    assert one.disposition is Disposition.ALREADY_THERE
    assert folder.name.stat() == before


def test_other_content_is_not_overwritten(folder: Folder) -> None:
    folder.name.parent.mkdir()
    folder.name.write_bytes(b"somebody else's")
    (one,) = folder.put()
    assert (one.disposition, one.reason) == (
        Disposition.REFUSED,
        "a file with this name and other content is there",
    )
    assert folder.name.read_bytes() == b"somebody else's"
    assert folder.names() == [SERIES, f"{SERIES}/{UID}.dcm"]


@pytest.mark.parametrize(
    ("content", "expected"), [(None, Disposition.ALREADY_THERE), (b"other", Disposition.REFUSED)]
)
def test_who_takes_the_name_meanwhile_keeps_it(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, content: bytes | None, expected: Disposition
) -> None:
    content = folder.file.read_bytes() if content is None else content
    fsync = os.fsync

    def first(descriptor: int) -> None:
        if folder.name.parent.exists() and not folder.name.exists():
            folder.name.write_bytes(content)
        fsync(descriptor)

    monkeypatch.setattr("node.folder_delivery.os.fsync", first)
    (one,) = folder.put()
    assert one.disposition is expected
    assert folder.name.read_bytes() == content
    assert folder.names() == [SERIES, f"{SERIES}/{UID}.dcm"]


def test_a_file_system_without_hard_links(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(self: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", no_links)
    (one,) = folder.put()
    assert one.disposition is Disposition.STORED
    assert folder.names() == [SERIES, f"{SERIES}/{UID}.dcm"]


def test_bytes_and_both_folders_are_synced_before_it_counts(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append("part" if path.suffix == ".part" else path.name)
        assert path.suffix != ".part" or not folder.name.exists()
        fsync(descriptor)

    monkeypatch.setattr("node.folder_delivery.os.fsync", note)
    folder.put()
    assert synced == ["results", "part", SERIES]


def test_a_file_system_that_syncs_no_folders(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some of SMB and of FUSE: EINVAL, says fsync(2)."""
    fsync = os.fsync

    def files_alone(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").is_dir():
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        fsync(descriptor)

    monkeypatch.setattr("node.folder_delivery.os.fsync", files_alone)
    (one,) = folder.put()
    assert one.disposition is Disposition.STORED
    assert folder.names() == [SERIES, f"{SERIES}/{UID}.dcm"]


def test_a_mount_that_is_away_is_not_made_up_for(folder: Folder) -> None:
    folder.root.rmdir()
    with pytest.raises(PeerUnavailable, match=f"{folder.root}: No such file or directory"):
        folder.put()
    assert not folder.root.exists()


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, PeerUnavailable),
        (errno.EDQUOT, PeerUnavailable),
        (errno.EIO, PeerUnavailable),
        (errno.ESTALE, PeerUnavailable),
        (errno.EROFS, PeerRefused),
        (errno.EACCES, PeerRefused),
    ],
)
def test_what_a_file_system_refuses(
    folder: Folder, monkeypatch: pytest.MonkeyPatch, number: int, expected: type[Exception]
) -> None:
    def fails(descriptor: int) -> Any:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("node.folder_delivery.os.fsync", fails)
    with pytest.raises(expected, match=os.strerror(number)) as told:
        folder.put()
    assert type(told.value) is expected
    assert not list(folder.root.rglob("*.*cm")) and not list(folder.root.rglob(".*part"))


def test_a_source_that_is_gone_holds_up_no_other(folder: Folder, tmp_path: Path) -> None:
    other = tmp_path / "seg.dcm"
    other.write_bytes(object_bytes(Kind.SEG, "2.25.8.2"))
    objects = [Outgoing.of_file(folder.file), Outgoing.of_file(other)]
    folder.file.unlink()
    found = list(put(FolderAddress(folder=folder.root), objects, subfolder=SERIES))
    assert [each.disposition for each in found] == [Disposition.REFUSED, Disposition.STORED]


def test_a_disk_that_is_full_leaves_nothing_behind_and_takes_it_later(tmp_path: Path) -> None:
    with ext4(tmp_path / "disk", 8) as disk:
        folder = Folder(disk.folder)
        big = object_bytes(Kind.SR, UID) + bytes(2_000_000)
        folder.file = tmp_path / "sr.dcm"
        folder.file.write_bytes(big)
        ballast = disk.fill(1_000_000)
        with pytest.raises(PeerUnavailable, match="No space left on device"):
            folder.put()
        assert folder.names() == [SERIES]
        ballast.unlink()
        (one,) = folder.put()
        assert one.disposition is Disposition.STORED
        assert folder.name.read_bytes() == big


def test_a_disk_that_became_read_only_needs_a_person(tmp_path: Path) -> None:
    with ext4(tmp_path / "disk", 8) as disk:
        folder = Folder(disk.folder)
        folder.file = tmp_path / "sr.dcm"
        folder.file.write_bytes(object_bytes(Kind.SR, UID))
        disk.read_only()
        with pytest.raises(PeerRefused, match="Read-only file system"):
            folder.put()
