"""Every code that is written, looked up in pydicom's copy of the standard."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.sr.coding import Code

from inference.findings import Axis, Contrast, Region
from inference.results import codes

FREE_OF_CONTEXT = {"Procedure Context", "Score", "Source"}
"""SNOMED attributes, "Procedure context (attribute)" and its kin in pydicom's dictionary."""

CONTEXT_GROUPS = [
    (6312, [code for axis, code in codes.AXES.items() if axis is not Axis.UNDETERMINED]),
    (10014, [code for value, code in codes.CONTRASTS.items() if value is not Contrast.UNDETERMINED]),
    (4031, list(codes.REGIONS.values())),
    (7151, list(codes.REGIONS.values())),
    (7603, list(codes.VERTEBRAE.values())),
    (230, [codes.UNDETERMINED]),
    (1010, [codes.PLANE_THROUGH_CENTER]),
    (210, [codes.TOPOGRAPHICAL_MODIFIER]),
    (211, [codes.CENTRAL]),
    (219, [codes.CENTER]),
    (100, [codes.CT_PROCEDURE]),
    (7162, [codes.ARTIFICIAL_INTELLIGENCE]),
    (7005, [codes.PROCESSING_EQUIPMENT]),
    (7150, [codes.ANATOMICAL_STRUCTURE, codes.SPATIAL_CONCEPT]),
    (7196, [codes.REFERENCE_REGION]),
    (6044, [codes.MEETS_STANDARD, codes.BELOW_STANDARD]),
    (7010, [codes.OF_INTEREST]),
    (7464, [codes.STANDARD_DEVIATION, codes.MEDIAN]),
]


def entries(code: Code) -> list[tuple[str, list[int]]]:
    """Meaning and context groups of every dictionary entry with this value."""
    return [e[code.value] for e in concepts[code.scheme_designator].values() if code.value in e]


def written() -> Iterator[Code]:
    for value in vars(codes).values():
        if isinstance(value, Code):
            yield value
    for table in (codes.VERTEBRAE, codes.AXES, codes.CONTRASTS, codes.REGIONS):
        yield from table.values()
    for several in codes.BODY_PARTS.values():
        yield from several


@pytest.mark.parametrize("code", sorted(set(written())), ids=lambda c: f"{c.value}-{c.meaning}")
def test_code_is_standard_and_means_what_we_write(code: Code) -> None:
    meanings = {meaning for meaning, _ in entries(code)}
    if code.meaning in FREE_OF_CONTEXT:
        assert f"{code.meaning} (attribute)".lower() in {m.lower() for m in meanings}
    else:
        assert code.meaning in meanings


@pytest.mark.parametrize(("cid", "members"), CONTEXT_GROUPS)
def test_codes_are_of_the_context_group(cid: int, members: list[Code]) -> None:
    for code in members:
        assert any(cid in groups for meaning, groups in entries(code) if meaning == code.meaning), code
    assert cid in cid_concepts


def test_every_body_part_code_is_in_cid_4_or_4028_or_4031() -> None:
    several = {c for values in codes.BODY_PARTS.values() for c in values} - {codes.UNDETERMINED}
    outside = {c for c in several if not any({4, 4028, 4031} & set(groups) for _, groups in entries(c))}
    assert outside == set()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("CHEST-ABDOMEN-PELVIS", ["416775004"]),
        ("Chest-abdomen-pelvis", ["416775004"]),
        ("Head and neck", ["774007"]),
        ("C and T spine", ["1217257000"]),
        ("Face/Orbits/Sinus", ["89545001"]),
        ("HEAD-NECK-CHEST", ["774007", "816094009"]),
        ("HEAD-CHEST", ["69536005", "816094009"]),  # no code of its own: one for each region
        ("legs", ["61685007"]),  # the lower limb, not 30021000, which is the lower leg
        ("undetermined", ["373068000"]),
    ],
)
def test_body_part_codes(value: str, expected: list[str]) -> None:
    assert [c.value for c in codes.body_part_codes(value) or ()] == expected


@pytest.mark.parametrize("value", ["", "ELBOW", "CHEST-ELBOW", "NONE"])
def test_unknown_body_part_is_not_guessed(value: str) -> None:
    assert codes.body_part_codes(value) is None


def test_every_value_of_the_findings_has_a_code() -> None:
    assert set(codes.AXES) == set(Axis)
    assert set(codes.CONTRASTS) == set(Contrast)
    assert set(codes.REGIONS) == set(Region)
