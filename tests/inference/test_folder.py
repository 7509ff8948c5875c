from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.fileset import FileSet

from inference.commands import _series_or_contradiction
from inference.findings import Findings
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


def test_copies_of_one_image_are_ignored_and_two_images_under_one_uid_are_told(tmp_path: Path) -> None:
    stack = stack_of(3)
    save(stack, tmp_path / "a")
    save(stack, tmp_path / "b")
    stack[1].PatientComments = "written again by another program"
    save(stack[1:2], tmp_path / "c")
    found = find(tmp_path)
    assert (found.copies, found.contradictions) == (4, {})

    stack[1].PixelData = bytes(len(stack[1].PixelData))
    save(stack[1:2], tmp_path / "d")
    told = f"SOP Instance UID {stack[1].SOPInstanceUID} is in two files that hold two images"
    assert find(tmp_path).contradictions == {uid("series"): told}


def test_two_images_at_two_places_under_one_uid_are_told(tmp_path: Path) -> None:
    stack = stack_of(3)
    save(stack, tmp_path / "a")
    stack[2].ImagePositionPatient = [0, 0, 999]
    save(stack[2:], tmp_path / "b")
    assert "two images" in find(tmp_path).contradictions[uid("series")]


@pytest.mark.parametrize(
    ("keyword", "values", "told"),
    [
        (
            "PatientID",
            ("a", "a", "b"),
            "PatientID differs within the series: 2 files of value 1, 1 files of value 2",
        ),
        ("PatientName", ("Doe^Jane", "DOE^JANE^^", ""), None),
        ("StudyInstanceUID", ("1.2", "1.3", "1.3"), "StudyInstanceUID differs within the series: 2 files"),
    ],
)
def test_a_series_of_two_patients_or_studies_is_told_without_their_names(
    tmp_path: Path, keyword: str, values: tuple[str, ...], told: str | None
) -> None:
    stack = stack_of(3)
    for ds, value in zip(stack, values, strict=True):
        setattr(ds, keyword, value)
    save(stack, tmp_path)
    found = find(tmp_path).contradictions
    if told is None:
        assert found == {}
    else:
        assert found[uid("series")].startswith(told)
        assert not any(value in found[uid("series")].split() for value in values)


def test_a_contradicted_series_is_not_analysed(tmp_path: Path) -> None:
    stack = stack_of(3)
    stack[0].PatientID = "another"
    stack[1].PatientID = "one"
    save(stack, tmp_path)

    def never(read: object) -> Findings:
        raise AssertionError("its pixels were read")

    found = find(tmp_path)
    (paths,) = found.series.values()
    (report,) = _series_or_contradiction(uid("series"), paths, found.contradictions[uid("series")], never)
    assert (report["eligible"], report["gate"]["verdict"]) == (False, "hold")
    assert "PatientID differs" in report["reason"]


def test_a_copy_that_ends_too_early_is_told_and_stops_nobody(tmp_path: Path) -> None:
    paths = save(stack_of(3), tmp_path / "a")
    save(stack_of(3, name="other"), tmp_path / "c")
    cut = tmp_path / "b" / "cut.dcm"
    cut.parent.mkdir()
    cut.write_bytes(paths[1].read_bytes()[:-7])
    assert dcmread(cut, stop_before_pixels=True).SOPInstanceUID
    found = find(tmp_path)
    assert "two images" in found.contradictions[uid("series")]
    assert set(found.series) == {uid("series"), uid("other")}
