from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.fileset import FileSet

from inference.folder import find
from inference.series import read_headers
from storage.errors import Unreadable
from tests.inference.series_factory import save, stack_of, uid


def test_files_are_grouped_by_series_at_any_depth(tmp_path: Path) -> None:
    one = save(stack_of(3, name="one"), tmp_path / "a" / "b")
    other = save(stack_of(2, name="other"), tmp_path / "c")

    found = find(tmp_path)

    assert found.series == {uid("one"): tuple(one), uid("other"): tuple(other)}
    assert (found.directories, found.copies, found.foreign) == (0, 0, 0)


def test_a_single_file(tmp_path: Path) -> None:
    paths = save(stack_of(2), tmp_path)

    assert find(paths[1]).series == {uid("series"): (paths[1],)}


def test_foreign_files_copies_and_directories_are_counted_and_left_out(tmp_path: Path) -> None:
    paths = save(stack_of(2), tmp_path)
    (tmp_path / "notes.txt").write_text("not DICOM")
    (tmp_path / "empty").touch()
    (tmp_path / "cut").write_bytes(paths[0].read_bytes()[:140])
    shutil.copy(paths[0], tmp_path / "zz-copy.dcm")
    media = FileSet()
    for ds in map(dcmread, paths):
        ds.PatientID, ds.StudyDate, ds.StudyTime, ds.StudyID, ds.SeriesNumber = (
            "p",
            "20200101",
            "1200",
            "1",
            1,
        )
        ds.PatientName, ds.AccessionNumber = "p", ""
        media.add(ds)
    media.write(tmp_path / "media")
    shutil.rmtree(next(p for p in (tmp_path / "media").iterdir() if p.is_dir()))

    found = find(tmp_path)

    assert found.series == {uid("series"): tuple(paths)}
    assert (found.directories, found.copies, found.foreign) == (1, 1, 3)


def test_nothing_is_found_in_an_empty_folder(tmp_path: Path) -> None:
    assert find(tmp_path).series == {}


def test_a_file_that_cannot_be_parsed_is_told_by_number_not_by_name(tmp_path: Path) -> None:
    paths = save(stack_of(3), tmp_path)
    paths[1].write_bytes(b"Doe^Jane")

    with pytest.raises(Unreadable, match=r"^file 2 of 3 cannot be parsed as DICOM: InvalidDicomError$"):
        read_headers(paths)


def test_one_instance_in_two_files_is_refused(tmp_path: Path) -> None:
    paths = save(stack_of(3), tmp_path)

    with pytest.raises(Unreadable, match="is in two files"):
        read_headers([*paths, paths[0]])
