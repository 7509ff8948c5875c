"""The report's classes, regions, variants and doubts, and its size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from inference.findings import Axis, AxisFinding, ClassGuess, LevelFinding, Presence, Region
from inference.results import ResultObject, build_results
from tests.inference.results_factory import PROVENANCE, extent, findings_of, level, synthetic, to_bytes
from tests.inference.test_results_sr import groups, numbers, remarks, report, texts, values

SR_MAX_BYTES = 500_000
"""For 600 slices under UIDs of the full 64 characters."""


def test_a_region_refers_to_its_first_and_its_last_slice() -> None:
    evidence, volume = synthetic()
    found = groups(report(evidence, volume, findings_of(volume)))["Region abdomen"]
    ends = [volume.geometry.slices[k].sop_instance_uid for k in (3, 11)]
    assert [i.referenced_sop_instance_uid for i in found.source_images] == ends
    assert texts(found[0]) == [
        "Slices 4 to 12 of 12 in order of position, 115.0 to 155.0 mm; the first and the last are referenced"
    ]


def test_a_region_of_one_slice_refers_to_it_once() -> None:
    evidence, volume = synthetic()
    findings = findings_of(volume)
    one = replace(findings.body_part.regions[0], first_slice=5, last_slice=5)
    findings = replace(findings, body_part=replace(findings.body_part, regions=(one,)))
    found = groups(report(evidence, volume, findings))["Region pelvis"]
    assert [i.referenced_sop_instance_uid for i in found.source_images] == [evidence[5].SOPInstanceUID]


def test_the_class_and_the_next_best_have_codes_probabilities_and_names() -> None:
    evidence, volume = synthetic()
    found = groups(report(evidence, volume, findings_of(volume)))
    for name, code, probability, text in (
        ("Series class", "818982008", 0.912, "Abdomen-pelvis"),
        ("Second series class", "816092008", 0.05, "Pelvis"),
    ):
        assert values(found[name], "123014") == [code]
        assert numbers(found[name], "122157") == [probability]
        assert texts(found[name][0]) == [text]


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ((), [("Series class", ["373068000"], [])]),
        (
            (ClassGuess(name="Head and face", probability=0.4), ClassGuess(name="Head", probability=0.1)),
            [
                ("Series class", ["373068000"], []),
                ("Second series class", ["69536005", "89545001"], [0.4]),
            ],
        ),
        (
            (ClassGuess(name="Head and face", probability=0.6),),
            [("Series class", ["69536005", "89545001"], [0.6])],
        ),
    ],
)
def test_no_class_is_forced(
    classes: tuple[ClassGuess, ...], expected: list[tuple[str, list[str], list[float]]]
) -> None:
    evidence, volume = synthetic()
    findings = findings_of(volume)
    findings = replace(findings, body_part=replace(findings.body_part, classes=classes))
    found = groups(report(evidence, volume, findings))
    written = [name for name in found if name.endswith("eries class")]
    assert [(n, values(found[n], "123014"), numbers(found[n], "122157")) for n in written] == expected


def test_likely_variants_of_enumeration_stand_by_the_level_and_in_the_remarks() -> None:
    evidence, volume = synthetic()
    findings = findings_of(
        volume,
        t12=level(volume, 9, warnings=("13 ribs are likely: T12 may be T13",)),
        l3=LevelFinding(presence=Presence.CANNOT_TELL, reason="few slices", warnings=("6 lumbar vertebrae",)),
    )
    document = report(evidence, volume, findings)
    assert texts(groups(document)["T12 level slice"][0])[1:] == ["13 ribs are likely: T12 may be T13"]
    assert remarks(document) == [
        "T12: 13 ribs are likely: T12 may be T13",
        "L3: cannot tell (few slices)",
        "L3: 6 lumbar vertebrae",
    ]


def test_pixels_that_deny_the_header_s_axis_are_quoted() -> None:
    evidence, volume = synthetic()
    axis = AxisFinding(value=Axis.CORONAL, confidence=0.9, from_header=Axis.AXIAL, from_pixels=Axis.CORONAL)
    found = groups(report(evidence, volume, findings_of(volume, axis=axis)))["Imaging axis"]
    assert values(found, "130546") == ["81654009"]
    assert texts(found[0]) == ["The header says axial, the pixels say coronal"]


def test_without_standard_deviations_none_is_written() -> None:
    evidence, volume = synthetic()
    findings = findings_of(volume)
    bare = tuple(replace(score, sd=None) for score in findings.slice_scores)
    found = groups(report(evidence, volume, replace(findings, slice_scores=bare)))["Slice scores"]
    assert {m.name.value for m in found.get_measurements()} == {"246262008"}


def test_six_hundred_slices_stay_below_half_a_megabyte() -> None:
    evidence, volume = synthetic(600, 8, step_mm=(0, 0, 1.5))
    ends = ((Region.LEGS, 0, 60), (Region.PELVIS, 50, 200), (Region.ABDOMEN, 180, 360))
    more = ((Region.CHEST, 300, 480), (Region.NECK, 450, 560), (Region.HEAD, 520, 599))
    regions = tuple(extent(volume, *end) for end in (*ends, *more))
    findings = findings_of(volume)
    findings = replace(findings, body_part=replace(findings.body_part, regions=regions))
    result = build_results(evidence, volume, findings, PROVENANCE)[0]
    assert isinstance(result, ResultObject)
    assert len(to_bytes(result.dataset)) < SR_MAX_BYTES
