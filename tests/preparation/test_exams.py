"""What is said of exams, and that no patient is on both sides of a split."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.preparation.exams import Exam, Shows, numbered, read_exams
from inference.training.folds import FOLDS, fold_of
from storage.errors import ConfigError
from tests.preparation.exam_folder import table


def test_everything_but_the_exam_may_be_left_out(tmp_path: Path) -> None:
    columns = ("exam_id", "patient", "split", "shows", "series_class", "iv_contrast")
    path = table(
        tmp_path / "e.csv", columns, ("a", "p", "4", "legs", "Chest", "Yes"), ("b", "", "", "", "", "")
    )
    assert read_exams(path) == {
        "a": Exam(patient="p", split=4, shows=Shows.LEGS, series_class="Chest", iv_contrast="yes"),
        "b": Exam(),
    }
    assert read_exams(table(tmp_path / "f.csv", ("exam_id",), ("c",))) == {"c": Exam()}


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("split", "5", "split is 5.0; allowed are"),
        ("split", "1.5", "split is 1.5; allowed are"),
        ("split", "test", "split is 'test', not a number"),
        ("shows", "arm", "shows is 'arm'"),
        ("series_class", "Torso", "series_class is 'Torso'"),
        ("iv_contrast", "maybe", "iv_contrast is 'maybe'"),
    ],
)
def test_a_value_that_is_not_allowed_is_named(tmp_path: Path, column: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=f"e.csv line 2: {words}"):
        read_exams(table(tmp_path / "e.csv", ("exam_id", column), ("a", value)))


def test_an_exam_is_said_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="line 3: exam_id is given twice"):
        read_exams(table(tmp_path / "e.csv", ("exam_id",), ("a",), ("a",)))


def test_patients_are_spread_over_the_folds_and_keep_together() -> None:
    whose = {f"exam{n:02}": f"p{n // 2}" for n in range(20)}
    names = numbered(whose, {})
    assert all(names[f"exam{n:02}"] == names[f"exam{n + 1:02}"] for n in range(0, 20, 2))
    folds = [fold_of(name) for name in sorted(set(names.values()))]
    assert sorted(folds) == sorted([*range(FOLDS)] * 2)
    assert not any(p in name for p, name in zip(whose.values(), names.values(), strict=True))


def test_a_split_that_is_given_is_the_fold() -> None:
    splits = {"a": 3, "b": 3, "c": None, "d": 0}
    names = numbered({"a": "p", "b": "q", "c": "q", "d": "r"}, splits)
    assert {exam: fold_of(name) for exam, name in names.items()} == {"a": 3, "b": 3, "c": 3, "d": 0}
    assert len(set(names.values())) == 3


def test_patients_in_two_splits_are_counted_and_not_named() -> None:
    whose = {"a": "Doe", "b": "Doe", "c": "Roe", "d": "Roe", "e": "Poe"}
    with pytest.raises(ConfigError, match=r"^2 patients are in more than one split") as error:
        numbered(whose, {"a": 0, "b": 1, "c": 2, "d": 3, "e": 4})
    assert not any(name in str(error.value) for name in ("Doe", "Roe", "Poe"))
