"""Whose exams are: whatever may be one patient's is never parted by a split."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from inference.preparation.commands import app
from inference.preparation.exams import numbered
from inference.preparation.patients import Signs, folded, patients_of, signs_of
from inference.training.folds import fold_of
from inference.workbench.units import Unit, gathered
from tests.preparation.exam_folder import exam, read, table


def parted(signs: dict[str, Signs], told: dict[str, str] | None = None) -> set[frozenset[str]]:
    """The exams of each patient."""
    words = patients_of(signs, told or {})
    return {frozenset(e for e, w in words.items() if w == word) for word in words.values()}


def groups(*exams: str) -> set[frozenset[str]]:
    return {frozenset(e) for e in exams}


@pytest.mark.parametrize("name", ["abc 1", "ABC 1", " abc  1 ", "ＡＢＣ1", "abc\t1"])
def test_case_width_and_blanks_do_not_tell_patients_apart(name: str) -> None:
    assert folded(name) == "abc1"


def test_names_that_differ_otherwise_do() -> None:
    assert len({folded(n) for n in ("1", "01", "l", "1-", "")}) == 5
    assert folded(None) == ""


def test_exams_of_one_id_or_one_study_are_one_patient_s() -> None:
    signs = {
        "a": Signs(patient_id="p", study="1"),
        "b": Signs(patient_id="p", study="2"),
        "c": Signs(study="2"),  # its Patient ID was removed, its study was not
        "d": Signs(patient_id="q", study="3"),
        "e": Signs(),
        "f": Signs(),
    }
    assert parted(signs) == groups("abc", "d", "e", "f")


def test_what_a_user_says_counts_before_a_header_that_says_the_same_of_all() -> None:
    signs = dict.fromkeys("abcd", Signs(patient_id="anonymous"))
    told = {"a": "one", "b": "two", "c": "ONE ", "d": "three"}
    assert parted(signs, told) == groups("ac", "b", "d")


def test_an_exam_that_the_user_left_out_joins_all_that_it_may_belong_to() -> None:
    signs = {"a": Signs(patient_id="p"), "b": Signs(patient_id="p"), "c": Signs(patient_id="q")}
    assert parted(signs, {"a": "one", "c": "two"}) == groups("ab", "c")
    same = dict.fromkeys("abc", Signs(patient_id="anonymous"))
    assert parted(same, {"a": "one", "b": "two"}) == groups("abc")  # better too few patients than a leak


def test_a_word_of_the_user_is_no_patient_id() -> None:
    assert parted({"a": Signs(patient_id="p"), "b": Signs()}, {"b": "p"}) == groups("a", "b")


@given(
    ids=st.lists(st.sampled_from(["", "p", "q", "r"]), min_size=1, max_size=9),
    studies=st.lists(st.sampled_from(["", "1", "2", "3"]), min_size=9, max_size=9),
    told=st.lists(st.sampled_from([None, None, "x", "y"]), min_size=9, max_size=9),
)
def test_no_two_exams_that_share_something_are_parted(ids, studies, told) -> None:
    exams = [f"e{n}" for n in range(len(ids))]
    signs = {e: Signs(patient_id=i, study=s) for e, i, s in zip(exams, ids, studies, strict=False)}
    said = {e: t for e, t in zip(exams, told, strict=False) if t}
    names = numbered(patients_of(signs, said), {})
    for a in exams:
        for b in exams:
            shares = set(signs[a].all()) & set(signs[b].all())
            open_pair = a not in said or b not in said
            if (said.get(a) and said.get(a) == said.get(b)) or (shares and open_pair):
                assert fold_of(names[a]) == fold_of(names[b])


def test_headers_are_read_and_a_nifti_says_nothing(tmp_path: Path) -> None:
    exam(tmp_path, "a", slices=3, PatientID=" Doe 7 ", StudyInstanceUID="1.2.3")
    exam(tmp_path, "b", slices=3, PatientID="", StudyInstanceUID="1.2.3")
    with gathered(tmp_path) as found:
        signs = [signs_of(unit) for unit in found.units]
    assert sorted(s.patient_id for s in signs) == ["", "doe7"]
    assert {s.study for s in signs} == {"1.2.3"}
    assert signs_of(Unit(key="nifti-1", files=(tmp_path,), is_nifti=True)) == Signs()


def test_a_split_that_parts_a_study_without_patient_ids_is_refused(tmp_path: Path) -> None:
    for name, patient in (("one", ""), ("two", "SECRET"), ("three", "secret ")):
        exam(tmp_path / "ct", name, PatientID=patient, StudyInstanceUID="1.2.3" if name != "three" else "9")
    exams = table(tmp_path / "e.csv", ("exam_id", "split"), ("one", 0), ("three", 1))
    options = [tmp_path / "ct", "--out", tmp_path / "out", "--exams", exams]
    done = CliRunner().invoke(app, [str(w) for w in options])
    assert str(done.exception).startswith("1 patients are in more than one split")
    assert not (tmp_path / "out").exists()


def test_how_many_patients_there_are_and_of_how_many_exams_nobody_knows_is_told(tmp_path: Path) -> None:
    for name, patient, study in (("one", "A", "1.1"), ("two", "a ", "1.2"), ("three", "", "1.3")):
        exam(tmp_path / "ct", name, PatientID=patient, StudyInstanceUID=study)
    done = CliRunner().invoke(app, [str(w) for w in (tmp_path / "ct", "--out", tmp_path / "out")])
    assert done.exit_code == 0, done.output
    assert "3 volumes of 2 patients, 0 with levels, 0 left out" in done.output
    assert "1 exams name no patient" in done.output
    assert len({row["patient"] for row in read(tmp_path / "out" / "catalog.csv")}) == 2
