from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest

from inference.report import Report, Seconds, analysed, plain
from inference.series import volumes_of
from inference.workbench import tables
from inference.workbench.batch_files import strict
from inference.workbench.sidecar import sidecar
from inference.workbench.units import Unit
from inference.workbench.volume_reports import failed_report
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import save, stack_of, uid

BPREG_KEYS = {
    "cleaned slice scores", "z", "unprocessed slice scores", "body part examined", "body part examined tag",
    "look-up table", "reverse z-ordering", "valid z-spacing", "expected slope", "observed slope",
    "slope ratio", "expected z-spacing", "z-spacing", "settings",
}  # fmt: skip


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Four slices 5 mm apart, scores 31 to 34, T12 in slice 2, L3 outside."""
    (read,) = volumes_of(save(stack_of(4), tmp_path))
    return plain(analysed(read, findings_of(read), Seconds(read=1.0, infer=2.0)))


@pytest.fixture
def failed() -> Report:
    return plain(failed_report(Unit(key="1.2.3", files=()), "no CT"))


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_levels_are_written_as_the_thesis_does_and_more(report: Report, failed: Report) -> None:
    rows = [tables.level_row("T12", r) for r in (report, failed)]
    text = tables.to_csv(tables.level_columns("T12"), rows)
    assert text.split("\n")[0].startswith("exam_id,T12_slice_num,")
    found, missing = read_csv(text)
    assert found == {
        "exam_id": uid("series"),
        "T12_slice_num": "2",
        "volume": "1",
        "z_mm": "10",
        "confidence": "0.6",
        "sop_instance_uid": report["slice_scores"][2]["sop_instance_uid"],
        "state": "found",
        "interval_low_mm": "0",
        "interval_high_mm": "15",
        "reason": "",
    }
    assert (missing["exam_id"], missing["T12_slice_num"], missing["state"]) == ("1.2.3", "", "cannot tell")


def test_a_level_outside_has_no_slice_number(report: Report) -> None:
    (row,) = read_csv(tables.to_csv(tables.level_columns("L3"), [tables.level_row("L3", report)]))
    assert (row["L3_slice_num"], row["z_mm"], row["state"]) == ("", "", "not in field")


def test_a_line_of_the_cohort_has_what_selects_a_volume(report: Report, failed: Report) -> None:
    text = tables.to_csv(tables.COHORT_COLUMNS, [tables.cohort_row(r) for r in (report, failed)])
    one, two = read_csv(text)
    assert (one["body_part"], one["class"], one["axis"], one["contrast"]) == (
        "ABDOMEN", "Abdomen", "axial", "yes",
    )  # fmt: skip
    assert (one["score_low"], one["score_high"], one["regions"]) == ("31", "34", "abdomen:0-3")
    assert (one["T12_mm"], one["T12_slice"], one["L3_mm"]) == ("10", "2", "")
    assert (one["contradicted_tags"], one["verdict"]) == ("BodyPartExamined", "repair")
    assert (two["eligible"], two["reason"], two["score_low"], two["regions"]) == ("no", "no CT", "", "")


def test_the_sidecar_has_the_keys_of_body_part_regression(report: Report) -> None:
    made = sidecar(report)
    assert set(made) == BPREG_KEYS
    assert made["cleaned slice scores"] == [31.0, 32.0, 33.0, 34.0]
    assert made["unprocessed slice scores"] == [30.0, 31.0, 32.0, 33.0]
    assert made["z"] == [0.0, 5.0, 10.0, 15.0]
    assert made["body part examined"] == {
        "legs": [], "pelvis": [], "abdomen": [0, 1, 2, 3], "chest": [], "shoulder-neck": [], "head": [],
    }  # fmt: skip
    assert made["body part examined tag"] == "ABDOMEN"
    assert made["observed slope"] == pytest.approx(0.2)
    assert made["slope ratio"] == pytest.approx(0.2 / 0.118)
    assert made["valid z-spacing"] is False  # 1.69 is more than 1.28
    assert made["expected z-spacing"] == pytest.approx(0.2 * 5 / 0.118)
    assert (made["z-spacing"], made["reverse z-ordering"]) == (5.0, False)
    assert made["look-up table"]["T12"] == {"mean": 44.952}


def test_a_slope_that_anatomy_has_is_valid_and_a_falling_one_is_reversed(report: Report) -> None:
    for row in report["slice_scores"]:
        row["score"] = 50 - 0.12 * row["z_mm"]
    made = sidecar(report)
    assert (made["valid z-spacing"], made["reverse z-ordering"]) == (True, True)


def test_a_sidecar_is_strict_json_where_there_are_no_numbers(report: Report, failed: Report) -> None:
    made = sidecar(failed)
    assert (made["body part examined tag"], made["observed slope"], made["valid z-spacing"]) == (
        "NONE",
        None,
        None,
    )
    report["slice_scores"][0]["raw"] = math.nan
    text = strict(sidecar(report))
    assert "NaN" not in text
    assert json.loads(text)["unprocessed slice scores"] == [None, 31.0, 32.0, 33.0]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+1+cmd|' /C calc'!A0", "'+1+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\n=1"),
        ("a\rb\r\nc", "a\nb\nc"),
        ("-12.5", "-12.5"),
        ("+3", "+3"),
        ("-1e-05", "-1e-05"),
        (-12.5, "-12.5"),
        ("1.2.840", "1.2.840"),
        ("", ""),
        ("a=b", "a=b"),
    ],
)
def test_what_others_wrote_is_no_formula_and_numbers_stay_numbers(value: object, cell: str) -> None:
    text = tables.to_csv(("a", "b"), [(value, "x")])
    assert next(csv.reader(io.StringIO(text.partition("\n")[2], newline="")))[0] == cell


def test_a_uid_that_is_a_formula_is_none_in_any_table(report: Report) -> None:
    """Series Instance UID is whatever a file says."""
    report["series_instance_uid"] = "=1+1"
    for columns, row in (
        (tables.COHORT_COLUMNS, tables.cohort_row(report)),
        (tables.level_columns("T12"), tables.level_row("T12", report)),
    ):
        assert tables.to_csv(columns, [row]).splitlines()[1].startswith("'=1+1,")


def test_what_holds_commas_quotes_and_lines_is_read_again(report: Report) -> None:
    report["reason"] = 'a, "b"\nc'
    (row,) = read_csv(tables.to_csv(tables.COHORT_COLUMNS, [tables.cohort_row(report)]))
    assert row["reason"] == 'a, "b"\nc'
