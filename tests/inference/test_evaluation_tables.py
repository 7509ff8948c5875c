"""Tables of an evaluation: errors by case and by stratum, histogram, confusion matrices, classes."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from inference.evaluation.answers import Answer, answers_of, class_rows, confusion_rows
from inference.evaluation.case import Kind
from inference.evaluation.csv_tables import write_csv_tables
from inference.evaluation.strata import (
    CASE_COLUMNS,
    SUMMARY_COLUMNS,
    case_rows,
    erring,
    histogram_rows,
    spacing_band,
    summary_rows,
)
from inference.findings import Contrast, ContrastFinding
from tests.inference.evaluation_factory import found, inside, measured, part

CATALOG = {
    "a": {"manufacturer": "Acme ", "spacing_mm": "5"},
    "b": {"manufacturer": "ACME", "spacing_mm": "1"},
    "c": {"manufacturer": "", "spacing_mm": ""},
}


def erred(name, by_mm, **of):
    """A T12 at 290 mm that is told so much too high."""
    return measured({"t12": found(290.0 + by_mm)}, name=name, t12=inside(290.0), **of)


@pytest.fixture
def errors():
    return erring([erred("a", 4.0), erred("b", -10.0), erred("c", 40.0, contrast=Contrast.YES)], CATALOG)


def test_each_error_is_a_line(errors):
    rows = [dict(zip(CASE_COLUMNS, row, strict=True)) for row in case_rows(errors)]
    assert [(r["id"], r["level"], r["error_mm"], r["error_slices"], r["wrong_level"]) for r in rows] == [
        ("a", "T12", 4.0, 0.8, "no"),
        ("b", "T12", -10.0, 2.0, "no"),
        ("c", "T12", 40.0, 8.0, "yes"),
    ]
    assert [r["manufacturer"] for r in rows] == ["ACME", "ACME", "not known"]
    assert [r["spacing"] for r in rows] == ["up to 6 mm", "up to 2 mm", "not known"]
    assert [r["contrast"] for r in rows] == ["undetermined", "undetermined", "yes"]


def test_errors_are_summed_up_without_sign_and_by_stratum(errors):
    rows = [dict(zip(SUMMARY_COLUMNS, row, strict=True)) for row in summary_rows(errors)]
    by = {(r["by"], r["stratum"]): r for r in rows}
    whole = by["", "all"]
    assert (whole["levels"], whole["patients"]) == (3, 3)
    assert (whole["mean_mm"], whole["median_mm"]) == (18.0, 10.0)
    assert (whole["mean_slices"], whole["median_slices"], whole["wrong_level"]) == (3.6, 2.0, 0.333)
    assert 4 <= whole["mean_low"] < 18 < whole["mean_high"] <= 40
    assert (by["manufacturer", "ACME"]["mean_mm"], by["manufacturer", "ACME"]["levels"]) == (7.0, 2)
    alone = by["contrast", "yes"]
    assert (alone["mean_mm"], alone["mean_low"], alone["mean_high"]) == (40.0, "", "")
    assert len(rows) == 1 + 2 + 3 + 2


def test_the_histogram_has_every_bin_up_to_the_worst(errors):
    rows = histogram_rows(errors)
    assert [row[3] for row in rows] == [1, 0, 1, 0, 0, 0, 0, 0, 1]
    assert rows[0] == ("T12", 0.0, 5.0, 1) and rows[2] == ("T12", 10.0, 15.0, 1)
    worst = histogram_rows(erring([erred("a", 400.0)], CATALOG))
    assert len(worst) == 13 and worst[-1] == ("T12", 60.0, "", 1)


@pytest.mark.parametrize(
    ("text", "band"),
    [
        ("2", "up to 2 mm"),
        ("2.1", "up to 4 mm"),
        ("6", "up to 6 mm"),
        ("6.5", "over 6 mm"),
        ("", "not known"),
    ],
)
def test_bands_of_spacing(text, band):
    assert spacing_band(text) == band


def test_what_is_not_a_real_series_is_in_no_table():
    m = erred("a", 4.0, kind=Kind.CROP)
    assert erring([m], CATALOG) == () and set(answers_of([m]).values()) == {()}


ANSWERS = (
    Answer(patient="p", true="Chest", told=("Chest", "Neck")),
    Answer(patient="p", true="Chest", told=("Neck", "Chest")),
    Answer(patient="q", true="Neck", told=("Neck",)),
    Answer(patient="r", true="Head", told=()),
)


def test_a_confusion_matrix():
    assert confusion_rows(ANSWERS) == (
        ("true \\ told", "Chest", "Neck", "none told"),
        (("Chest", 1, 1, 0), ("Head", 0, 0, 1), ("Neck", 0, 1, 0)),
    )


def test_a_line_for_each_class():
    rows = {row[0]: row[1:] for row in class_rows(ANSWERS)}
    assert list(rows) == ["Chest", "Head", "Neck", "all"]
    assert rows["Chest"] == (2, 1, 1, 0.5, "", "", 1.0, 1.0)  # one patient has no interval
    assert rows["Head"] == (1, 1, 0, 0.0, "", "", "", 0.0)
    assert rows["Neck"] == (1, 1, 2, 1.0, "", "", 0.5, 1.0)
    cases, patients, told, sensitivity, low, high, precision, two = rows["all"]
    assert (cases, patients, told, sensitivity, precision, two) == (4, 3, 3, 0.5, 0.6667, 0.75)
    assert 0.0 <= low < 0.5 < high <= 1.0


def test_tables_are_written_of_what_has_a_truth(tmp_path):
    (tmp_path / "catalog.csv").write_text("id,manufacturer,spacing_mm\na,Acme,5\n", encoding="utf-8")
    m = erred("a", 4.0, series_class="Chest", contrast=Contrast.YES)
    said = {
        "body_part": part("CHEST", ("Neck", 0.6), ("Chest", 0.3)),
        "contrast": ContrastFinding(value=Contrast.NO, confidence=0.9),
    }
    m = replace(m, findings=replace(m.findings, **said))
    write_csv_tables([m], tmp_path, tmp_path)
    names = {p.stem for p in tmp_path.glob("*.csv")} - {"catalog"}
    tables = {f"{kind}-{name}" for kind in ("confusion", "table") for name in ("classes", "axis", "contrast")}
    assert names == {"levels", "level-summary", "level-histogram"} | tables
    with (tmp_path / "table-classes.csv").open(encoding="utf-8") as file:
        whole = list(csv.DictReader(file))[-1]
    assert (whole["class"], whole["sensitivity"], whole["among_first_two"]) == ("all", "0.0", "1.0")
    assert (tmp_path / "confusion-contrast.csv").read_text() == "true \\ told,no\nyes,1\n"
