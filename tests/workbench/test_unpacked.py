"""Zip archives in a folder: opened within limits, told where not, and nothing of them is left behind."""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.workbench import archive
from inference.workbench.content import state_of
from inference.workbench.units import Unit, gathered
from inference.workbench.unpacked import PREFIX, unpacked
from storage.errors import CtnodeError, OutOfSpace, Refused, Unreadable
from tests.inference.series_factory import save, stack_of, uid
from tests.workbench.test_archive import zipped

METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where archives are unpacked; after each test nothing is left there."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def packed(path: Path, *names: str) -> Path:
    """An archive of the series of these names."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as made:
        for name in names:
            for file in save(stack_of(3, name=name), path.parent / "to pack"):
                made.write(file, f"{name}/{file.name}")
                file.unlink()
    return path


def keys(units: tuple[Unit, ...]) -> set[str]:
    return {unit.key for unit in units}


def test_archives_in_a_folder_are_opened(tmp_path: Path) -> None:
    packed(tmp_path / "ct" / "deep" / "one.ZIP", "a", "b")
    packed(tmp_path / "ct" / "two.zip", "c")
    save(stack_of(3, name="d"), tmp_path / "ct" / "d")
    with gathered(tmp_path / "ct") as found:
        assert keys(found.units) == {uid(name) for name in "abcd"}
        assert found.ignored == "0 foreign files, 0 DICOMDIR, 0 copies"
        assert all(len(unit.files) == 3 and unit.files[0].exists() for unit in found.units)


def test_a_series_that_is_packed_and_not_is_one_and_the_folder_s_own_is_read(tmp_path: Path) -> None:
    packed(tmp_path / "ct" / "a.zip", "a")
    own = save(stack_of(3, name="a"), tmp_path / "ct" / "z")
    with gathered(tmp_path / "ct") as found:
        (unit,) = found.units
        assert unit.files == tuple(own)
        assert found.ignored == "0 foreign files, 0 DICOMDIR, 3 copies"


def test_an_archive_that_cannot_be_opened_is_told_and_stops_nobody(tmp_path: Path) -> None:
    folder = tmp_path / "ct"
    packed(folder / "b.zip", "b")
    (folder / "Doe^Jane.zip").write_bytes(b"PK no archive")
    zipped(folder / "c.zip", {"../evil": b"1"})
    with gathered(folder) as found:
        assert keys(found.units) == {uid("b")}
    assert found.ignored.endswith(
        "; zip archive 1 of 3: the zip archive cannot be read: BadZipFile"
        "; zip archive 3 of 3: entry 1 of 1 names a place outside the archive"
    )


@pytest.mark.parametrize(("content", "error"), [(b"PK", Unreadable), (None, Refused)])
def test_an_archive_that_was_asked_for_is_an_error(content, error, tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    if content is None:
        zipped(path, {"../evil": b"1"})
    else:
        path.write_bytes(content)
    with pytest.raises(error), gathered(path):
        raise AssertionError("it was read")


def test_all_archives_share_one_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archives = [zipped(tmp_path / f"{n}.zip", {"x": bytes(100)}) for n in range(4)]
    monkeypatch.setattr(archive, "MOST_BYTES", 250)
    with unpacked(archives) as found:
        assert [p.stat().st_size for p in found.files] == [100, 100]
        assert found.reasons == tuple(
            f"zip archive {n} of 4: the zip archive unpacks to 100 bytes; at most 50 are unpacked"
            for n in (3, 4)
        )


def test_a_full_disk_stops_and_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zipped(tmp_path / "ct.zip", {"x": b"1"})
    monkeypatch.setattr(archive, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(OutOfSpace), gathered(tmp_path):
        raise AssertionError("it was read")


def test_an_archive_within_an_archive_stays_closed(tmp_path: Path) -> None:
    inner = packed(tmp_path / "inner" / "a.zip", "a").read_bytes()
    (tmp_path / "ct").mkdir()
    zipped(tmp_path / "ct" / "outer.zip", {"a.zip": inner})
    with gathered(tmp_path / "ct") as found:
        assert (found.units, found.ignored) == ((), "1 foreign files, 0 DICOMDIR, 0 copies")


def test_files_unpacked_again_are_the_same_files_and_of_a_changed_archive_others(tmp_path: Path) -> None:
    path = packed(tmp_path / "ct" / "a.zip", "a")
    stamps = []
    for change in (False, False, True):
        if change:
            packed(path, "a")
        with gathered(tmp_path / "ct") as found:
            stamps.append(state_of(found.units[0].files).stamp)
    assert stamps[0] == stamps[1] != stamps[2]


HOLDS = """
import os, signal, sys, tempfile
from pathlib import Path
from inference.workbench.unpacked import unpacked
tempfile.tempdir = sys.argv[1]
with unpacked([Path(sys.argv[2])]):
    print("in", flush=True)
    if sys.argv[3] == "dies":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.stdin.readline()
"""


def test_what_a_killed_process_left_is_removed_and_what_another_holds_is_not(tmp_path, temporary) -> None:
    path = zipped(tmp_path / "a.zip", {"x": b"1"})

    def holding(end: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", HOLDS, str(temporary), str(path), end]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        assert process.stdout.readline() == "in\n"
        return process

    with holding("lives") as alive:
        (held,) = temporary.iterdir()
        with holding("dies") as dead:
            dead.wait()
        assert len(list(temporary.glob(f"{PREFIX}*"))) == 2
        with unpacked([path]):
            assert held in set(temporary.iterdir())
            assert len(list(temporary.iterdir())) == 2  # its own, and the living one's
        alive.communicate("\n")


def bases() -> list[bytes]:
    made = []
    for method in METHODS:
        content = BytesIO()
        with zipfile.ZipFile(content, "w", method) as file:
            file.writestr("é/ä.nii.gz", bytes(range(256)) * 4)
            file.writestr("b", b"123")
        made.append(content.getvalue())
    return made


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_a_damaged_archive_is_refused_in_words_of_ours(seed: int, tmp_path_factory) -> None:
    rng = random.Random(seed)
    content = bytearray(rng.choice(bases()))
    for _ in range(rng.randint(1, 4)):
        content[rng.randrange(len(content))] = rng.randrange(256)
    folder = tmp_path_factory.mktemp("zip")
    (folder / "a.zip").write_bytes(content[: rng.randint(1, len(content))] if seed % 5 == 0 else content)
    (folder / "to").mkdir()
    try:
        archive.unpack(folder / "a.zip", folder / "to")
    except CtnodeError as error:
        assert "ä" not in str(error)
    assert all(p.parent == folder / "to" and p.stat().st_size <= 1024 for p in (folder / "to").iterdir())


@pytest.mark.parametrize("method", METHODS)
def test_every_way_of_packing_is_read(method: int, tmp_path: Path) -> None:
    (tmp_path / "a.zip").write_bytes(bases()[METHODS.index(method)])
    with unpacked([tmp_path / "a.zip"], strict=True) as found:
        assert [p.read_bytes() for p in found.files] == [bytes(range(256)) * 4, b"123"]
        assert [p.name for p in found.files] == ["0000001.nii.gz", "0000002"]
