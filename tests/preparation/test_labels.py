"""A user's labels: both forms, and every fault with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.preparation.labels import Label, read_labels
from storage.errors import ConfigError
from tests.preparation.exam_folder import table


def test_one_line_a_level(tmp_path: Path) -> None:
    path = table(
        tmp_path / "l.csv",
        ("exam_id", "level", "slice_number", "z_mm", "reader"),
        ("a", "T12", "7", "", "x"),
        ("a", "L3", "", "-12.5", "x"),
        ("", "", "", "", ""),
    )
    assert read_labels(path) == {
        "a": (
            Label(exam_id="a", level="T12", slice_number=7.0, line=2),
            Label(exam_id="a", level="L3", z_mm=-12.5, line=3),
        )
    }


def test_one_line_an_exam_as_the_thesis_and_a_batch_write_it(tmp_path: Path) -> None:
    path = table(tmp_path / "l.csv", ("exam_id", "T12_slice_num", "z_mm"), ("a", "7.5", "99"), ("b", "", ""))
    assert read_labels(path) == {"a": (Label(exam_id="a", level="T12", slice_number=7.5, line=2),)}


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([("level",), ("T12",)], "no column exam_id"),
        ([("exam_id", "z_mm"), ("a", "1")], "neither a column level nor one like T12_slice_num"),
        ([("exam_id", "level", "z_mm"), ("", "T12", "1")], "line 2: exam_id is empty"),
        ([("exam_id", "level", "z_mm"), ("a", "T13", "1")], "line 2: level 'T13' is not one of C1, "),
        ([("exam_id", "level", "z_mm"), ("a", "L3", "")], "line 2: either slice_number or z_mm is needed"),
        (
            [("exam_id", "level", "slice_number", "z_mm"), ("a", "L3", "1", "2")],
            "line 2: either slice_number",
        ),
        ([("exam_id", "level", "z_mm"), ("a", "L3", "nan")], "line 2: z_mm is 'nan', not a number"),
        ([("exam_id", "level", "z_mm"), ("a", "L3", "x")], "line 2: z_mm is 'x', not a number"),
        ([("exam_id", "level", "z_mm"), ("a", "L3", 1), ("a", "L3", 2)], "line 3: L3 of a is given twice"),
        ([("exam_id", "T13_slice_num"), ("a", "1")], "line 2: level 'T13' is not one of"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, rows: list[tuple[str, ...]], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read_labels(table(tmp_path / "l.csv", *rows))


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"l\.csv cannot be read: UnicodeDecodeError"):
        read_labels(tmp_path / "l.csv")
