from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.fileset import FileSet

from inference.workbench.media_directory import is_directory_file, referenced
from inference.workbench.units import gathered
from storage.errors import Unreadable
from tests.inference.series_factory import save, stack_of, uid


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    """A DICOMDIR with a series of three, and beside them a file that it does not know."""
    made = FileSet()
    for ds in stack_of(3):
        ds.PatientID, ds.PatientName, ds.StudyID = "1", "A^B", "1"
        ds.StudyDate, ds.StudyTime, ds.SeriesNumber = "20260101", "000000", 1
        made.add(ds)
    made.write(tmp_path / "medium")
    save(stack_of(3, name="stranger"), tmp_path / "medium" / "other")
    return tmp_path / "medium" / "DICOMDIR"


def test_the_files_that_it_names_are_read_and_no_others(medium: Path) -> None:
    assert is_directory_file(medium)
    with gathered(medium) as found:
        (unit,) = found.units
        assert (unit.key, len(unit.files)) == (uid("series"), 3)
        assert found.ignored == "0 foreign files, 0 DICOMDIR, 0 copies"


def test_names_are_found_in_any_case(medium: Path) -> None:
    for path in sorted(medium.parent.rglob("*"), key=lambda p: -len(p.parts)):
        if path != medium:
            path.rename(path.with_name(path.name.lower()))
    assert len(referenced(medium).files) == 3


def test_what_is_missing_or_outside_is_counted(medium: Path) -> None:
    files = referenced(medium).files
    files[0].unlink()
    secret = medium.parent.parent / "secret"
    secret.write_bytes(files[1].read_bytes())
    ds = dcmread(medium)
    images = [r for r in ds.DirectoryRecordSequence if "ReferencedFileID" in r]
    images[2].ReferencedFileID = ["..", "secret"]
    ds.save_as(medium)
    found = referenced(medium)
    assert (len(found.files), found.missing, found.outside) == (1, 1, 1)
    with gathered(medium) as units:
        assert units.ignored.endswith(
            "1 files that the DICOMDIR names are not there; 1 file IDs lead out of the file set"
        )


def test_a_link_that_leads_out_is_not_followed(medium: Path) -> None:
    file = referenced(medium).files[0]
    secret = medium.parent.parent / "secret"
    file.rename(secret)
    file.symlink_to(secret)
    assert referenced(medium).missing == 1


def test_an_image_is_no_directory(medium: Path, tmp_path: Path) -> None:
    assert not is_directory_file(referenced(medium).files[0])
    with pytest.raises(Unreadable, match="DICOMDIR cannot be parsed"):
        referenced(tmp_path / "not there")
