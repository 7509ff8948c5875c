"""Bytes on disk: exact, never outside the root, and a full or read-only disk says so."""

from __future__ import annotations

import errno
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from storage import blobs as module
from storage.blobs import CHUNK_BYTES, BlobName, Blobs, Shelf, is_uid
from storage.errors import InvalidIdentity, OutOfSpace, Unavailable

NOON = 12 * 3600.0
DAY_S = 86_400.0


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    return Blobs(tmp_path / "root")


def _name(
    sop: str = "1.2.3", *, series: str = "1.2", shelf: Shelf = Shelf.INSTANCES, at: float = NOON
) -> BlobName:
    return BlobName(
        shelf=shelf,
        arrived_at=at,
        series_instance_uid=series,
        sop_instance_uid=sop,
        digest="0123456789abcdef" * 4,
    )


def _files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_path_says_shelf_day_series_instance_and_digest(blobs: Blobs) -> None:
    assert _name().path == "instances/1970-01-01/1.2/1.2.3.0123456789abcdef.dcm"
    assert _name(at=DAY_S - 0.001).path.split("/")[1] == "1970-01-01"
    assert _name(at=DAY_S).path.split("/")[1] == "1970-01-02"
    assert _name(shelf=Shelf.RESULTS).path.startswith("results/")


def test_put_keeps_the_bytes_and_nothing_else(blobs: Blobs) -> None:
    path = blobs.put(_name(), [b"\0" * 128, b"DICM", memoryview(b"rest")])
    assert path == _name().path
    assert blobs.absolute(path).read_bytes() == b"\0" * 128 + b"DICMrest"
    assert _files(blobs.root) == {path}


CHUNKS = st.lists(
    st.binary(max_size=300)
    | st.integers(CHUNK_BYTES - 2, 3 * CHUNK_BYTES).map(lambda n: bytes(i % 251 for i in range(n))),
    max_size=5,
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=CHUNKS)
def test_the_bytes_are_exact(blobs: Blobs, chunks: list[bytes]) -> None:
    path = blobs.put(_name(), chunks)
    assert blobs.absolute(path).read_bytes() == b"".join(chunks)


def test_a_short_write_is_continued(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    """A raw file may take fewer bytes than it is given."""
    monkeypatch.setattr(Path, "open", lambda path, *_args, **_kw: _Short(path))
    content = bytes(range(256)) * 3
    path = blobs.put(_name(), [content])
    monkeypatch.undo()
    assert blobs.absolute(path).read_bytes() == content


class _Short:
    """A file that takes at most seven bytes at a time."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY)

    def __enter__(self) -> _Short:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def close(self) -> None:
        os.close(self._descriptor)

    def fileno(self) -> int:
        return self._descriptor

    def write(self, data: memoryview) -> int:
        return os.write(self._descriptor, data[:7])


HOSTILE = [
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "",
    "1.2/3",
    "1..2",
    ".1",
    "1.",
    "1.2\0",
    "1.2\n",
    "1.2 ",
    "1.٢",
    "1" * 65,
    "1.2.x",
]


@pytest.mark.parametrize("uid", HOSTILE)
def test_a_uid_that_is_none_becomes_no_name(uid: str) -> None:
    assert not is_uid(uid)
    with pytest.raises(InvalidIdentity):
        _name(uid)
    with pytest.raises(InvalidIdentity):
        _name(series=uid)


@pytest.mark.parametrize("uid", ["1", "1.2.840.10008.1.1", "2.25." + "9" * 59, "1.02.3"])
def test_a_uid_becomes_a_name(uid: str) -> None:
    assert is_uid(uid)
    assert uid in _name(uid).path


@given(uid=st.text(alphabet=st.sampled_from("0123456789./\\\0 x-"), max_size=70))
def test_no_name_ever_leads_out_of_its_folder(uid: str) -> None:
    if is_uid(uid):
        assert len(Path(_name(uid, series=uid).path).parts) == 4
        assert ".." not in Path(_name(uid, series=uid).path).parts


@pytest.mark.parametrize("path", ["../secret", "instances/../../secret", "/etc/passwd"])
def test_a_path_that_leads_out_of_the_root_is_refused(blobs: Blobs, path: str) -> None:
    with pytest.raises(InvalidIdentity, match="leads out"):
        blobs.absolute(path)
    with pytest.raises(InvalidIdentity):
        blobs.remove(path)


def test_a_link_that_leads_out_of_the_root_is_refused(blobs: Blobs, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (blobs.root / "instances").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidIdentity):
        blobs.absolute("instances/file")


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[Path]:
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True)
    if mount.returncode != 0:
        pytest.skip(f"mount is not allowed here: {mount.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_out_of_space_and_leaves_nothing(tmp_path: Path) -> None:
    with _mounted(tmp_path / "small", "size=1m") as folder:
        blobs = Blobs(folder)
        kept = blobs.put(_name("1.1"), [b"k" * 1000])
        with pytest.raises(OutOfSpace, match="disk full"):
            blobs.put(_name("1.2"), [b"x" * 100_000] * 20)
        assert _files(folder) == {kept}
        assert blobs.put(_name("1.3"), [b"y" * 1000]) == _name("1.3").path
        assert 0 < blobs.free_bytes() < 1 << 20


def test_a_read_only_disk_is_unavailable(tmp_path: Path) -> None:
    with _mounted(tmp_path / "read-only", "size=1m") as folder:
        blobs = Blobs(folder)
        path = blobs.put(_name("1.1"), [b"kept"])
        subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        with pytest.raises(Unavailable, match="Read-only file system"):
            blobs.put(_name("1.2"), [b"bytes"])
        with pytest.raises(Unavailable, match="Read-only file system"):
            blobs.remove(path)
        assert blobs.absolute(path).read_bytes() == b"kept"


@pytest.mark.parametrize(
    ("number", "expected"), [(errno.ENOSPC, OutOfSpace), (errno.EDQUOT, OutOfSpace), (errno.EIO, Unavailable)]
)
@pytest.mark.parametrize("call", ["fdatasync", "fsync"])
def test_a_disk_that_fails_to_sync_is_no_success(
    blobs: Blobs, monkeypatch: pytest.MonkeyPatch, call: str, number: int, expected: type[Unavailable]
) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(Unavailable) as caught:
        blobs.put(_name(), [b"bytes"])
    assert type(caught.value) is expected
    assert _files(blobs.root) == set()


def test_chunks_that_fail_leave_nothing(blobs: Blobs) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"first"
        raise RuntimeError("the association was aborted")

    with pytest.raises(RuntimeError, match="aborted"):
        blobs.put(_name(), chunks())
    assert _files(blobs.root) == set()


def test_a_root_that_went_away_is_unavailable(blobs: Blobs) -> None:
    (blobs.root / "incoming").rmdir()
    blobs.root.rmdir()
    with pytest.raises(Unavailable):
        blobs.put(_name(), [b"bytes"])
    with pytest.raises(Unavailable):
        blobs.free_bytes()


def test_only_what_was_being_written_is_cleared(blobs: Blobs) -> None:
    kept = blobs.put(_name(), [b"bytes"])
    for number in range(3):
        (blobs.root / "incoming" / f"{number}.part").write_bytes(b"half")
    assert blobs.clear_incoming() == 3
    assert blobs.clear_incoming() == 0
    assert _files(blobs.root) == {kept}


def test_what_another_process_is_writing_stays(blobs: Blobs) -> None:
    """The receiver clears at its start while a worker may be writing a result."""

    def chunks() -> Iterator[bytes]:
        yield b"first"
        assert Blobs(blobs.root).clear_incoming() == 0
        yield b"second"

    path = blobs.put(_name(), chunks())
    assert blobs.absolute(path).read_bytes() == b"firstsecond"


def test_paths_are_those_of_the_shelf_and_the_days(blobs: Blobs) -> None:
    days = {day: blobs.put(_name(f"1.{day}", at=day * DAY_S), [b"x"]) for day in range(4)}
    blobs.put(_name(shelf=Shelf.ASIDE), [b"x"])
    assert list(blobs.paths(Shelf.INSTANCES)) == [days[0], days[1], days[2], days[3]]
    assert list(blobs.paths(Shelf.INSTANCES, from_day="1970-01-02")) == [days[1], days[2], days[3]]
    assert list(blobs.paths(Shelf.INSTANCES, before_day="1970-01-03")) == [days[0], days[1]]
    assert list(blobs.paths(Shelf.INSTANCES, from_day="1970-01-02", before_day="1970-01-03")) == [days[1]]
    assert list(blobs.paths(Shelf.RESULTS)) == []


def test_removing_leaves_no_empty_folder_and_no_full_one_goes(blobs: Blobs) -> None:
    first, second = blobs.put(_name("1.1"), [b"x"]), blobs.put(_name("1.2"), [b"x"])
    other = blobs.put(_name("1.3", series="1.9"), [b"x"])
    blobs.remove(first)
    assert _files(blobs.root) == {second, other}
    blobs.remove(second)
    assert not (blobs.root / second).parent.exists()
    blobs.remove(other)
    assert sorted(path.name for path in blobs.root.rglob("*")) == ["incoming", "instances"]
    blobs.remove(other)  # gone already


def test_a_folder_that_was_removed_is_made_again(blobs: Blobs) -> None:
    blobs.remove(blobs.put(_name(), [b"x"]))
    assert blobs.absolute(blobs.put(_name(), [b"y"])).read_bytes() == b"y"
    Blobs(blobs.root).remove(_name().path)  # by another process
    assert blobs.absolute(blobs.put(_name(), [b"z"])).read_bytes() == b"z"


def test_the_memory_of_synced_folders_is_bounded(blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DURABLE_FOLDERS", 3)
    for number in range(10):
        blobs.put(_name(series=f"1.{number}"), [b"x"])
    assert len(blobs._durable) <= 3
    assert len(list(blobs.paths(Shelf.INSTANCES))) == 10
