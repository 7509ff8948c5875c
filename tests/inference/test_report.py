from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from inference.findings import Axis
from inference.report import (
    NOT_FOR_DIAGNOSIS,
    Seconds,
    analysed,
    plain,
    refused,
    to_json,
    to_table,
    unanalysed,
)
from inference.report_fields import FIELDS
from inference.rows import finding_rows
from inference.series import ReadVolume, RefusedVolume, volumes_of
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import CORONAL, save, stack_of, uid

KEYS = [
    "series_instance_uid", "volume", "eligible", "reason", "gate", "slices", "axis", "body_part", "contrast",
    "slice_scores", "levels", "header_disagreements", "header_agreements", "model", "seconds",
    "warnings",
]  # fmt: skip
LEVEL_KEYS = [
    "found", "state", "z_mm", "slice_index", "sop_instance_uid", "confidence", "interval_mm", "reason",
    "warnings",
]  # fmt: skip
SECONDS = Seconds(read=0.5, infer=0.25)


@pytest.fixture
def read(tmp_path: Path) -> ReadVolume:
    (volume,) = volumes_of(save(stack_of(3, origin=(0, 0, -7)), tmp_path))
    assert isinstance(volume, ReadVolume)
    return volume


@pytest.fixture
def refusal(tmp_path: Path) -> RefusedVolume:
    (volume,) = volumes_of(save(stack_of(2, orientation=CORONAL), tmp_path))
    assert isinstance(volume, RefusedVolume)
    return volume


def round_trip(report):
    (back,) = json.loads(to_json([report]), parse_constant=pytest.fail)
    assert back == plain(report)
    return back


def test_an_eligible_volume(read: ReadVolume) -> None:
    uids = [s.sop_instance_uid for s in read.volume.geometry.slices]

    report = round_trip(analysed(read, findings_of(read), SECONDS))

    assert list(report) == KEYS
    assert report == {
        "series_instance_uid": uid("series"),
        "volume": 1,
        "eligible": True,
        "reason": "",
        "gate": {
            "verdict": "repair",
            "series_verdict": "accept",
            "checks": [
                {"check": "spacing", "outcome": "repaired", "detail": "resampled"},
                {"check": "scale", "outcome": "noted", "detail": "scores run backwards"},
            ],
        },
        "slices": 3,
        "axis": {"value": "axial", "confidence": 0.99, "from_header": "axial", "from_pixels": "axial"},
        "body_part": {
            "value": "ABDOMEN",
            "confidence": 0.8,
            "regions": [
                {"region": "abdomen", "start_mm": -7.0, "end_mm": 3.0, "first_slice": 0, "last_slice": 2}
            ],
            "class": "Abdomen",
            "classes": [
                {"name": "Abdomen", "probability": 0.75},
                {"name": "Abdomen-pelvis", "probability": 0.15},
            ],
        },
        "contrast": {"value": "yes", "confidence": 0.7, "probability": 0.85, "reason": ""},
        "slice_scores": [
            {"sop_instance_uid": uids[0], "z_mm": -7.0, "raw": 30.0, "score": 31.0, "sd": 1.0},
            {"sop_instance_uid": uids[1], "z_mm": -2.0, "raw": 31.0, "score": 32.0, "sd": 2.0},
            {"sop_instance_uid": uids[2], "z_mm": 3.0, "raw": 32.0, "score": 33.0, "sd": 3.0},
        ],
        "levels": {
            "T12": {
                "found": True,
                "state": "found",
                "z_mm": -2.0,
                "slice_index": 1,
                "sop_instance_uid": uids[1],
                "confidence": 0.6,
                "interval_mm": [-7.0, 3.0],
                "reason": "",
                "warnings": ["13 ribs are likely"],
            },
            "L3": {
                "found": False,
                "state": "not in field",
                "z_mm": None,
                "slice_index": None,
                "sop_instance_uid": None,
                "confidence": 0.0,
                "interval_mm": None,
                "reason": "below the lowest slice",
                "warnings": [],
            },
        },
        "header_disagreements": [{"attribute": "BodyPartExamined", "header": "CHEST", "pixels": "ABDOMEN"}],
        "header_agreements": ["ImageOrientationPatient"],
        "model": {"name": "score", "version": "1", "sha256": "ab" * 32},
        "seconds": {"read": 0.5, "infer": 0.25, "total": 0.75},
        "warnings": [NOT_FOR_DIAGNOSIS, "scores run backwards"],
    }


def test_a_refused_volume_has_the_same_keys_and_the_axis_of_its_header(refusal: RefusedVolume) -> None:
    report = round_trip(refused(refusal, SECONDS))

    assert list(report) == KEYS
    assert (report["eligible"], report["volume"], report["slices"]) == (False, 1, 2)
    assert report["reason"] == "too few slices: 2, at least 3 make a volume (instance 1, instance 2)"
    assert report["gate"] == {
        "verdict": "hold",
        "series_verdict": "hold",
        "checks": [{"check": "too few slices", "outcome": "held", "detail": report["reason"]}],
    }
    assert report["axis"] == {
        "value": "coronal",
        "confidence": 0.0,
        "from_header": "coronal",
        "from_pixels": "undetermined",
    }
    assert report["body_part"] == {
        "value": "undetermined",
        "confidence": 0.0,
        "regions": [],
        "classes": [],
        "class": "undetermined",
    }
    assert report["contrast"] == {
        "value": "undetermined",
        "confidence": 0.0,
        "probability": None,
        "reason": "not analysed",
    }
    assert report["slice_scores"] == report["header_disagreements"] == report["header_agreements"] == []
    for level in report["levels"].values():
        assert list(level) == LEVEL_KEYS
        assert (level["found"], level["state"], level["reason"]) == (False, "cannot tell", "not analysed")
    assert report["model"] == {"name": None, "version": None, "sha256": None}
    assert report["warnings"] == [NOT_FOR_DIAGNOSIS]


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_what_json_cannot_say_is_null(number: float, read: ReadVolume) -> None:
    findings = findings_of(read)
    scores = (replace(findings.slice_scores[0], raw=number), *findings.slice_scores[1:])

    report = round_trip(analysed(read, replace(findings, slice_scores=scores), SECONDS))

    assert [score["raw"] for score in report["slice_scores"]] == [None, 31.0, 32.0]


def test_the_table_has_a_line_per_volume_and_says_what_it_is_not_for(read: ReadVolume) -> None:
    failed = unanalysed(
        series_instance_uid="1.2.3",
        number=None,
        slices=2,
        reason="no reason",
        axis=Axis.UNDETERMINED,
        seconds=SECONDS,
    )
    console = Console(width=300)
    with console.capture() as capture:
        console.print(to_table([analysed(read, findings_of(read), SECONDS), failed]))

    lines = capture.get().splitlines()
    (first,) = [line for line in lines if uid("series")[-12:] in line]
    (second,) = [line for line in lines if "1.2.3 " in line]
    assert [cell.strip() for cell in first.split("│")[2:-1]] == [
        "1", "3", "axial", "ABDOMEN", "Abdomen", "yes", "-2", "not in field",
        "spacing repaired; scores run backwards; BodyPartExamined is CHEST; T12: 13 ribs are likely",
    ]  # fmt: skip
    assert [cell.strip() for cell in second.split("│")[2:-1]] == [
        "", "2", "undetermined", "undetermined", "undetermined", "undetermined", "cannot tell", "cannot tell",
        "no reason",
    ]  # fmt: skip
    assert NOT_FOR_DIAGNOSIS in capture.get()


def test_a_series_that_could_not_be_parted_has_a_verdict_too() -> None:
    report = unanalysed(
        series_instance_uid="1.2.3",
        number=None,
        slices=2,
        reason="file 1 of 2 cannot be parsed as DICOM",
        axis=Axis.UNDETERMINED,
        seconds=SECONDS,
    )
    assert list(report) == KEYS
    assert plain(report)["gate"] == {"verdict": "hold", "series_verdict": "hold", "checks": []}


def fields(value, path=""):
    """The name of every leaf, in order; of a list of objects those of its first."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from fields(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from fields(value[0], f"{path}[]")
    else:
        yield path


def test_every_field_is_documented_and_every_documented_field_is_written(read: ReadVolume) -> None:
    report = plain(analysed(read, findings_of(read), SECONDS))
    written = [field for field in fields(report) if not field.startswith("levels.L3")]
    assert sorted(FIELDS) == sorted(written)
    assert report["levels"]["L3"].keys() == report["levels"]["T12"].keys()


def test_the_class_is_undetermined_where_none_is_likelier_than_none(read: ReadVolume) -> None:
    findings = findings_of(read)
    doubtful = replace(findings.body_part, classes=(replace(findings.body_part.classes[0], probability=0.4),))
    report = analysed(read, replace(findings, body_part=doubtful), SECONDS)
    assert (report["body_part"]["class"], report["body_part"]["classes"][0].get("probability")) == (
        "undetermined",
        0.4,
    )


def test_the_rows_of_the_ledger(read: ReadVolume) -> None:
    assert [(row.name, row.value, row.confidence) for row in finding_rows(findings_of(read))] == [
        ("axis", "axial", 0.99),
        ("body_part", "ABDOMEN", 0.8),
        ("series_class", "Abdomen", 0.75),
        ("contrast", "yes", 0.7),
        ("T12", "found", 0.6),
        ("L3", "not in field", 0.0),
        ("BodyPartExamined", "disagrees", 0.8),
        ("ImageOrientationPatient", "agrees", 0.99),
    ]
