from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from inference.workbench import commands
from storage.errors import Refused
from tests.inference.series_factory import save, stack_of, uid
from tests.workbench.test_structures import rtstruct


def run(*arguments: str | Path):
    return CliRunner().invoke(commands.app, [str(a) for a in arguments])


def test_a_batch_of_nothing_is_exit_code_2(tmp_path: Path) -> None:
    (tmp_path / "ct").mkdir()
    (tmp_path / "ct" / "notes.txt").write_text("no DICOM")
    result = run("batch", tmp_path / "ct", "--out", tmp_path / "out", "--jobs", "1")
    assert result.exit_code == 2
    assert "no CT found (1 foreign files" in result.output


def test_a_crop_needs_one_range(tmp_path: Path) -> None:
    save(stack_of(4), tmp_path / "ct")
    for options in ([], ["--region", "chest", "--from", "L3"]):
        result = run("crop", tmp_path / "ct", "--out", tmp_path / "out", *options)
        assert result.exit_code == 2
        assert "is needed" in result.output


def test_a_crop_to_a_structure_keeps_its_slices(tmp_path: Path) -> None:
    save(stack_of(8), tmp_path / "ct")  # 0 to 35 mm
    file = rtstruct(tmp_path / "rt.dcm", {"Lungs": [9.0, 21.0], "Liver": [0.0, 5.0]})
    result = run("crop", tmp_path / "ct", "--within", file, "--structure", "Lungs", "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "structure Lungs: slices 2 to 4 of 8, 4 files" in result.output
    result = run("crop", tmp_path / "ct", "--within", file, "--structure", "X", "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "structure 'X' is not in the file; in it are Lungs, Liver" in result.output


def test_another_frame_of_reference_is_refused(tmp_path: Path) -> None:
    save(stack_of(8, FrameOfReferenceUID="1.2.3"), tmp_path / "ct")
    file = rtstruct(tmp_path / "rt.dcm", {"Lungs": [9.0, 21.0]})
    result = run("crop", tmp_path / "ct", "--within", file, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert f"the volume's is 1.2.3, the structures' {uid('frame of reference')}" in result.output


def test_a_comparison_without_a_pair_is_refused(tmp_path: Path) -> None:
    save(stack_of(8), tmp_path / "ct")
    file = rtstruct(tmp_path / "rt.dcm", {"Lungs": [9.0, 21.0]})
    result = run("compare", tmp_path / "ct", "--with", file, "--out", tmp_path / "out")
    assert isinstance(result.exception, Refused)
    assert "give --pair; in the file are Lungs" in str(result.exception)


@pytest.mark.parametrize("command", ["crop", "compare", "view", "batch"])
def test_a_path_that_is_not_there_is_a_wrong_option(command: str, tmp_path: Path) -> None:
    assert run(command, tmp_path / "nothing", "--out", tmp_path).exit_code == 2
