from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import pytest

from inference.workbench import archive
from inference.workbench.units import gathered
from storage.errors import OutOfSpace, Refused, Unreadable
from tests.inference.series_factory import save, stack_of, uid


def zipped(path: Path, entries: dict[str, bytes], **mode: int) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in entries.items():
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = mode.get("external_attr", 0)
            made.writestr(entry, content)
    return path


def test_files_are_unpacked_under_numbers(tmp_path: Path) -> None:
    packed = zipped(tmp_path / "a.zip", {"Doe^Jane/1": b"one", "x.nii.gz": b"two", "empty/": b""})
    target = tmp_path / "to"
    target.mkdir()
    assert archive.unpack(packed, target) == 2
    assert {p.name: p.read_bytes() for p in target.iterdir()} == {
        "0000001": b"one",
        "0000002.nii.gz": b"two",
    }


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "a/../../evil",
        "/etc/evil",
        "..\\evil",
        "C:\\evil",
        "\\\\host\\share\\evil",
        "a\\..\\..\\evil",
    ],
)
def test_a_name_that_leads_out_is_refused_and_nothing_is_written(name: str, tmp_path: Path) -> None:
    packed = zipped(tmp_path / "a.zip", {"good": b"1", name: b"2"})
    target = tmp_path / "deep" / "to"
    target.mkdir(parents=True)
    with pytest.raises(Refused, match="entry 2 of 2 names a place outside the archive"):
        archive.unpack(packed, target)
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [packed]


def test_a_link_is_refused(tmp_path: Path) -> None:
    packed = zipped(tmp_path / "a.zip", {"link": b"/etc/passwd"}, external_attr=(stat.S_IFLNK | 0o777) << 16)
    with pytest.raises(Refused, match="entry 1 of 1 is a link"):
        archive.unpack(packed, tmp_path)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "RATIO_ASKED_FROM_BYTES", 1 << 20)
    packed = zipped(tmp_path / "a.zip", {"zeros": bytes(2 << 20)})
    with pytest.raises(Refused, match=r"unpack to 2097152: more than 200 to 1"):
        archive.unpack(packed, tmp_path)
    assert list(tmp_path.iterdir()) == [packed]


def test_more_than_may_be_unpacked_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zipped(tmp_path / "a.zip", {"a": b"12", "b": b"345"})
    monkeypatch.setattr(archive, "MOST_BYTES", 4)
    with pytest.raises(Refused, match="unpacks to 5 bytes; at most 4"):
        archive.unpack(packed, tmp_path)
    monkeypatch.setattr(archive, "MOST_ENTRIES", 1)
    with pytest.raises(Refused, match="holds 2 files; at most 1"):
        archive.unpack(packed, tmp_path)


def test_a_disk_that_cannot_hold_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed = zipped(tmp_path / "a.zip", {"a": b"12"})
    monkeypatch.setattr(archive, "RESERVE_BYTES", 1 << 60)
    with pytest.raises(OutOfSpace):
        archive.unpack(packed, tmp_path)


def test_an_entry_that_is_longer_than_it_says_is_not_written_on(tmp_path: Path) -> None:
    packed = zipped(tmp_path / "a.zip", {"a": bytes(1000)})
    content = bytearray(packed.read_bytes())
    at = content.rindex(b"PK\x01\x02")  # the directory's size, not the entry's
    struct.pack_into("<I", content, at + 24, 10)
    packed.write_bytes(content)
    target = tmp_path / "to"
    target.mkdir()
    with pytest.raises((Refused, Unreadable)):
        archive.unpack(packed, target)
    assert sum(p.stat().st_size for p in target.iterdir()) <= 10


def test_what_is_no_archive_is_unreadable(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(Unreadable, match="cannot be read: BadZipFile"), gathered(path):
        raise AssertionError("it was read")


def test_an_archive_holds_the_same_series_as_its_folder(tmp_path: Path) -> None:
    paths = save(stack_of(3), tmp_path / "ct")
    entries = {f"x/{p.name}": p.read_bytes() for p in paths} | {"inner.txt": b"no DICOM"}
    packed = zipped(tmp_path / "a.zip", entries)
    with gathered(packed) as found:
        (unit,) = found.units
        assert (unit.key, len(unit.files), found.ignored) == (
            uid("series"), 3, "1 foreign files, 0 DICOMDIR, 0 copies",
        )  # fmt: skip
        assert unit.files[0].read_bytes() == paths[0].read_bytes()
        folder = unit.files[0].parent
    assert not folder.exists()
