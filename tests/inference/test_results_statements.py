"""The words of the picture and the PDF."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.findings import BodyPartFinding, ClassGuess, Disagreement, Findings, LevelFinding, Presence
from inference.results.statements import (
    Statement,
    image_names_of,
    percent,
    place_of,
    readable,
    sides_doubted,
    statements_of,
)
from storage.geometry.verdicts import Check, noted, repaired
from tests.inference.results_factory import PROVENANCE, findings_of, synthetic

NAMED = re.compile(r"(image|slice|frame) -?\d+")


def said(name: str, **changes: object) -> Statement:
    _, volume = synthetic()
    findings = findings_of(volume, **changes)
    return next(s for s in statements_of(volume, findings, PROVENANCE).findings if s.name == name)


def doubts(findings: Findings) -> tuple[str, ...]:
    return statements_of(synthetic()[1], findings, PROVENANCE).doubts


@pytest.mark.parametrize(
    ("probability", "shown"),
    [
        (0.0, "0 %"),
        (0.004, "<1 %"),
        (0.006, "1 %"),
        (0.5, "50 %"),
        (0.994, "99 %"),
        (0.996, ">99 %"),
        (1.0, ">99 %"),
    ],
)
def test_nothing_is_certain(probability: float, shown: str) -> None:
    assert percent(probability) == shown


def test_a_height_that_rounds_to_nought_has_no_sign() -> None:
    level = LevelFinding(presence=Presence.FOUND, z_mm=-0.3, confidence=0.9, interval_mm=(-0.4, 6.0))
    found = said("T12", t12=level)
    assert (found.value, found.remark) == ("z 0 mm", "90 % for z 0 to 6 mm")


@given(st.text())
def test_what_the_fonts_lack_is_escaped(text: str) -> None:
    assert all(" " <= c <= "~" for c in readable(text))


@given(number=st.none() | st.integers(-99999, 99999), patient=st.text(min_size=1, max_size=16))
def test_a_slice_is_called_by_its_number_alone(number: int | None, patient: str) -> None:
    evidence, volume = synthetic(count=3)
    for image in evidence:
        image.PatientName = image.PatientID = image.AccessionNumber = patient
        image.InstanceNumber = number
    names = image_names_of(evidence, volume)
    assert names == (("slice 1", "slice 2", "slice 3") if number is None else tuple([f"image {number}"] * 3))
    assert all(NAMED.fullmatch(name) for name in names)


def test_a_level_is_told_by_its_image_or_by_its_height() -> None:
    level = LevelFinding(presence=Presence.FOUND, z_mm=-12.4, slice_index=1)
    assert place_of(level, ("image 8", "image 7")) == "image 7"
    assert place_of(level, ()) == "slice 2"
    assert place_of(replace(level, slice_index=None), ("image 8",)) == "z -12 mm"
    assert place_of(LevelFinding(presence=Presence.FOUND), ()) == ""


def test_the_next_best_class_stands_beside_the_best() -> None:
    found = said("Series class")
    assert (found.value, found.confidence, found.remark) == ("Abdomen-pelvis", "91 %", "next: Pelvis 5 %")


def test_a_class_that_is_not_likely_enough_is_undetermined() -> None:
    classes = (ClassGuess(name="Chest", probability=0.3), ClassGuess(name="Neck", probability=0.2))
    part = BodyPartFinding(value="CHEST", confidence=0.5, regions=(), classes=classes)
    found = said("Series class", body_part=part)
    assert (found.value, found.confidence) == ("undetermined", "")
    assert found.remark == "likeliest: Chest 30 %, Neck 20 %"


def test_each_doubt_is_told_once() -> None:
    _, volume = synthetic()
    findings = findings_of(volume, curve_warnings=("scores run backwards",))
    checks = (repaired(Check.SPACING, "resampled"), noted(Check.SCALE, "scores run backwards"))
    warned = replace(findings.t12, warnings=("13 ribs are likely",))
    assert doubts(replace(findings, checks=checks, t12=warned)) == (
        "T12: 13 ribs are likely",
        "scores run backwards",
        "spacing, repaired: resampled",
    )


def test_what_the_pixels_bear_out_is_told_too() -> None:
    _, volume = synthetic()
    wrong = Disagreement(attribute="PatientPosition", header="HFP", pixels="front and back exchanged")
    findings = findings_of(volume, agreements=("BodyPartExamined", "ContrastBolusAgent"))
    assert statements_of(volume, findings, PROVENANCE).agreement == (
        "Borne out by the pixels: Body Part Examined, Contrast/Bolus Agent"
    )
    contradicted = findings_of(volume, disagreements=(wrong,))
    told = statements_of(volume, contradicted, PROVENANCE)
    assert told.contradictions == (
        "Patient Position: the header says HFP, the pixels say front and back exchanged",
    )
    assert told.agreement == ""
    assert statements_of(volume, findings_of(volume), PROVENANCE).agreement == "No contradiction was found."
    assert [sides_doubted(f) for f in (findings, contradicted)] == [False, True]
