"""Header against pixels."""

from __future__ import annotations

import pytest

from inference.agreement import disagreements, named_regions
from inference.findings import Axis, BodyPartFinding, Disagreement, Region, RegionExtent


def part(value, *regions):
    extents = tuple(
        RegionExtent(region=r, start_mm=0.0, end_mm=1.0, first_slice=0, last_slice=1) for r in regions
    )
    return BodyPartFinding(value=value, confidence=1.0, regions=extents)


TRUNK = part("CHEST-ABDOMEN", Region.ABDOMEN, Region.CHEST)


@pytest.mark.parametrize("term", ["HEAD", "Brain", "LEG", "C_SPINE", "PELVIS", "KNEE"])
def test_a_part_that_is_not_in_the_field_is_a_disagreement(term):
    assert disagreements(term, TRUNK, Axis.AXIAL, Axis.AXIAL) == (
        Disagreement(attribute="BodyPartExamined", header=term, pixels="CHEST-ABDOMEN"),
    )


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
def test_a_part_that_is_in_the_field_is_none(term):
    assert disagreements(term, TRUNK, Axis.AXIAL, Axis.AXIAL) == ()


@pytest.mark.parametrize("term", [None, "", "  ", "EXTREMITY", "WHOLEBODY", "SPEZIAL 3"])
def test_blank_and_vague_terms_contradict_nothing(term):
    assert named_regions(term) == frozenset()
    assert disagreements(term, TRUNK, Axis.AXIAL, Axis.AXIAL) == ()


def test_what_is_undetermined_contradicts_nothing():
    assert disagreements("HEAD", part("undetermined"), Axis.AXIAL, Axis.UNDETERMINED) == ()


def test_an_axis_that_the_pixels_deny_is_a_disagreement():
    assert disagreements(None, TRUNK, Axis.AXIAL, Axis.CORONAL) == (
        Disagreement(attribute="ImageOrientationPatient", header="axial", pixels="coronal"),
    )
