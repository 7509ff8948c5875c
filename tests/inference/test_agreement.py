"""Header against pixels."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.agreement import (
    CONTRAST_SEEN,
    IN_FRONT,
    NO_CONTRAST_SEEN,
    REVERSED,
    Comparison,
    comparisons,
    named_regions,
    told_apart,
)
from inference.contrast_header import NONE_NAMED, tells_intravenous
from inference.findings import (
    Axis,
    AxisFinding,
    BodyPartFinding,
    Contrast,
    ContrastFinding,
    Disagreement,
    Findings,
    Region,
    RegionExtent,
)
from inference.rows import finding_rows
from inference.symmetry import IN_FRONT_SAID, TURNED_SAID
from storage.geometry.verdicts import Check, noted, repaired
from storage.header import Header
from tests.inference.results_factory import findings_of, synthetic

UNTOLD = AxisFinding(value=Axis.AXIAL, confidence=0.7, from_header=Axis.AXIAL)
SILENT = ContrastFinding(value=Contrast.UNDETERMINED, confidence=0.1)


def part(value: str, *regions: Region) -> BodyPartFinding:
    extents = tuple(
        RegionExtent(region=r, start_mm=0.0, end_mm=1.0, first_slice=0, last_slice=1) for r in regions
    )
    return BodyPartFinding(value=value, confidence=0.8, regions=extents)


TRUNK = part("CHEST-ABDOMEN", Region.ABDOMEN, Region.CHEST)


def header(**attributes: object) -> Header:
    uids = dict.fromkeys(
        ("sop_instance_uid", "sop_class_uid", "series_instance_uid", "study_instance_uid"), "1.2"
    )
    return Header(**uids, **attributes)  # type: ignore[arg-type]


def found(**changes: object) -> Findings:
    """Of a trunk of which the pixels tell the body part alone."""
    _, volume = synthetic(3, 16)
    return findings_of(volume, **({"body_part": TRUNK, "axis": UNTOLD, "contrast": SILENT} | changes))


def said(told: Header, findings: Findings) -> list[tuple[str, str, str, bool]]:
    return [(c.attribute, c.header, c.pixels, c.agrees) for c in comparisons(told, findings)]


@pytest.mark.parametrize("term", ["HEAD", "Brain", "LEG", "C_SPINE", "PELVIS", "KNEE"])
def test_a_part_that_is_not_in_the_field_is_a_disagreement(term: str) -> None:
    expected = ("BodyPartExamined", term, "CHEST-ABDOMEN", False)
    assert said(header(body_part_examined=term), found()) == [expected]


@pytest.mark.parametrize(
    "term",
    [
        "CHEST",
        "LIVER",
        "PANCREAS",
        "abdomen",
        "CHEST/ABD",
        "ABDOMEN PELVIS",
        "LSPINE",
        "T SPINE",
        "NECKCHEST",
    ],
)
def test_a_part_that_is_in_the_field_is_borne_out(term: str) -> None:
    expected = ("BodyPartExamined", term, "CHEST-ABDOMEN", True)
    assert said(header(body_part_examined=term), found()) == [expected]


@pytest.mark.parametrize("term", [None, "", "  ", "EXTREMITY", "WHOLEBODY", "SPEZIAL 3"])
def test_blank_and_vague_terms_are_not_compared(term: str | None) -> None:
    assert named_regions(term) == frozenset()
    assert said(header(body_part_examined=term), found()) == []


def test_what_is_undetermined_contradicts_nothing() -> None:
    assert said(header(body_part_examined="HEAD"), found(body_part=part("undetermined"))) == []


@pytest.mark.parametrize(
    ("value", "agent", "route", "expected"),
    [
        (Contrast.NO, "OMNIPAQUE 350", None, ("OMNIPAQUE 350", NO_CONTRAST_SEEN, False)),
        (Contrast.YES, "OMNIPAQUE 350", "IV", ("OMNIPAQUE 350", CONTRAST_SEEN, True)),
        (Contrast.YES, None, None, (NONE_NAMED, CONTRAST_SEEN, False)),
        (Contrast.YES, "NONE", None, ("NONE", CONTRAST_SEEN, False)),
        (Contrast.NO, None, None, (NONE_NAMED, NO_CONTRAST_SEEN, True)),
        (Contrast.NO, "ORAL", None, None),
        (Contrast.UNDETERMINED, "OMNIPAQUE 350", "IV", None),
    ],
)
def test_contrast_medium(
    value: Contrast, agent: str | None, route: str | None, expected: tuple[str, str, bool] | None
) -> None:
    told = header(contrast_bolus_agent=agent, contrast_bolus_route=route)
    contrast = ContrastFinding(value=value, confidence=0.9)
    assert said(told, found(contrast=contrast)) == ([("ContrastBolusAgent", *expected)] if expected else [])


@pytest.mark.parametrize(
    ("agent", "route", "expected"),
    [
        ("Iohexol", None, True),
        ("NON-IONIC", "", True),
        ("100 ML", None, True),
        ("ORAL & IV", None, True),
        ("GASTROGRAFIN", "INTRAVENOUS", True),
        ("APPLIED", "Intravenous", True),
        ("", "IV", False),
        ("none", None, False),
        ("W/O", None, False),
        ("no iv contrast", None, False),
        ("BARIUM", None, None),
        ("Telebrix", "ORAL", None),
        ("Omnipaque", "PER RECTAL", None),
        ("Isovist", "INTRATHECAL", None),
        ("N/A", None, None),
        ("0", None, None),
        ("-", None, None),
    ],
)
def test_what_an_agent_and_its_route_say(agent: str, route: str | None, expected: bool | None) -> None:
    assert tells_intravenous(agent, route) is expected


def test_an_axis_that_the_pixels_deny_is_a_disagreement() -> None:
    axis = replace(UNTOLD, from_pixels=Axis.CORONAL)
    assert said(header(), found(axis=axis)) == [("ImageOrientationPatient", "axial", "coronal", False)]


def test_an_axis_that_the_pixels_show_is_borne_out() -> None:
    axis = replace(UNTOLD, from_pixels=Axis.AXIAL)
    assert said(header(), found(axis=axis)) == [("ImageOrientationPatient", "axial", "axial", True)]


def test_an_oblique_plane_is_not_compared() -> None:
    axis = AxisFinding(value=Axis.OBLIQUE, confidence=0.7, from_header=Axis.OBLIQUE, from_pixels=Axis.CORONAL)
    assert said(header(), found(axis=axis)) == []


@pytest.mark.parametrize(
    ("image_type", "seen", "expected"),
    [
        (("DERIVED", "SECONDARY", "AXIAL"), Axis.CORONAL, ("coronal", False)),
        (("ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"), Axis.AXIAL, ("axial", True)),
        (("DERIVED", "SECONDARY", "REFORMATTED"), Axis.CORONAL, None),
        (("DERIVED", "SECONDARY", "AXIAL"), Axis.UNDETERMINED, None),
        (("AXIAL",), Axis.CORONAL, None),
    ],
)
def test_image_type(image_type: tuple[str, ...], seen: Axis, expected: tuple[str, bool] | None) -> None:
    axis = AxisFinding(value=seen, confidence=0.9, from_header=seen, from_pixels=seen)
    about = [c for c in said(header(image_type=image_type), found(axis=axis)) if c[0] == "ImageType"]
    assert about == ([("ImageType", "AXIAL", *expected)] if expected else [])


BACKWARDS = noted(Check.SCALE, "reversed order: score falls towards the head (-0.110 units/mm)")
PRONE = noted(Check.SYMMETRY, f"{IN_FRONT_SAID} 35 mm in front of the gas of the body in 40 of 41 rows")
TURNED = noted(Check.SYMMETRY, f"{TURNED_SAID} (0.82) and not left to right (0.11)")


@pytest.mark.parametrize(
    ("position", "checks", "expected"),
    [
        ("HFS", (BACKWARDS,), ("PatientPosition", "HFS", REVERSED)),
        ("HFS", (PRONE,), ("PatientPosition", "HFS", IN_FRONT)),
        ("FFP", (PRONE, BACKWARDS), ("PatientPosition", "FFP", f"{REVERSED}, {IN_FRONT}")),
        (None, (BACKWARDS,), ("ImagePositionPatient", "z rises to the head, y to the back", REVERSED)),
        (None, (PRONE,), ("ImageOrientationPatient", "z rises to the head, y to the back", IN_FRONT)),
        ("HFS", (TURNED,), ("ImageOrientationPatient", "axial", "axial, a quarter turn off")),
    ],
)
def test_a_body_that_lies_otherwise_than_recorded(
    position: str | None, checks: tuple[object, ...], expected: tuple[str, str, str]
) -> None:
    told = header(patient_position=position)
    assert said(told, found(checks=checks)) == [(*expected, False)]


@pytest.mark.parametrize(
    "check",
    [
        noted(Check.SCALE, "spacing does not fit anatomy: 0.2 units/mm"),
        repaired(Check.TILT, "sheared by 12 degrees"),
        noted(Check.SYMMETRY, "something else"),
    ],
)
def test_other_checks_say_nothing_of_how_the_patient_lay(check: object) -> None:
    assert said(header(patient_position="HFS"), found(checks=(check,))) == []


def test_that_a_patient_lay_as_recorded_is_never_said() -> None:
    axis = replace(UNTOLD, from_pixels=Axis.AXIAL)
    told = comparisons(header(patient_position="HFS"), found(axis=axis))
    assert [c.attribute for c in told] == ["ImageOrientationPatient"]


def test_an_attribute_is_compared_once() -> None:
    axis = replace(UNTOLD, from_pixels=Axis.AXIAL)
    assert comparisons(header(), found(axis=axis, checks=(TURNED,))) == (
        Comparison(
            attribute="ImageOrientationPatient",
            header="axial",
            pixels="axial, a quarter turn off",
            agrees=False,
        ),
    )


def test_the_findings_and_the_ledger_s_rows_say_both() -> None:
    axis = replace(UNTOLD, from_pixels=Axis.AXIAL, confidence=0.99)
    contrast = ContrastFinding(value=Contrast.YES, confidence=0.95)
    told = header(body_part_examined="HEAD", patient_position="HFS")
    findings = told_apart(found(axis=axis, contrast=contrast, checks=(BACKWARDS,)), told)
    assert findings.disagreements == (
        Disagreement(attribute="BodyPartExamined", header="HEAD", pixels="CHEST-ABDOMEN"),
        Disagreement(attribute="ContrastBolusAgent", header=NONE_NAMED, pixels=CONTRAST_SEEN),
        Disagreement(attribute="PatientPosition", header="HFS", pixels=REVERSED),
    )
    assert findings.agreements == ("ImageOrientationPatient",)
    assert [(row.name, row.value, row.confidence) for row in finding_rows(findings)[6:]] == [
        ("BodyPartExamined", "disagrees", 0.8),
        ("ContrastBolusAgent", "disagrees", 0.95),
        ("PatientPosition", "disagrees", 0.99),
        ("ImageOrientationPatient", "agrees", 0.99),
    ]
