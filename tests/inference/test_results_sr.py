"""The report: read back by highdicom, judged by dciodvfy."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import pytest
from pydicom.dataset import Dataset

from inference.findings import (
    Axis,
    AxisFinding,
    BodyPartFinding,
    ClassGuess,
    Contrast,
    ContrastFinding,
    Disagreement,
    Findings,
    LevelFinding,
    Presence,
)
from inference.results import BUILDERS, Inputs, ResultObject, build_results
from inference.volume import Volume
from storage.errors import InvalidResult
from storage.geometry.verdicts import Check, CheckResult, noted, repaired
from storage.kinds import Kind
from tests.inference.results_factory import (
    PROVENANCE,
    findings_of,
    run,
    synthetic,
    to_bytes,
)

AIR_DEVICE_UID = (
    "Warning - </ContributingEquipmentSequence(0018,a001)[2]/DeviceUID(0018,1002)>"
    " - Attribute is not present in standard DICOM IOD"
)
"""IHE AI Results asks for the algorithm's Device UID there; dciodvfy does not know it."""


def report(evidence: list[Dataset], volume: Volume, findings: Findings) -> Any:
    """The report after a round trip through bytes."""
    result = build_results(evidence, volume, findings, PROVENANCE)[0]
    assert isinstance(result, ResultObject)
    return hd.sr.srread(BytesIO(to_bytes(result.dataset)))


def groups(document: Any) -> dict[str, Any]:
    return {g.tracking_identifier: g for g in document.content.get_image_measurement_groups()} | {
        g.tracking_identifier: g for g in document.content.get_planar_roi_measurement_groups()
    }


def names(document: Any) -> list[str]:
    return [
        item.TextValue
        for g in document.content[0].ContentSequence[-1].ContentSequence
        for item in g.ContentSequence
        if item.ConceptNameCodeSequence[0].CodeValue == "112039"
    ]


def values(group: Any, concept: str) -> list[str]:
    return [e.value.value for e in group.get_qualitative_evaluations() if e.name.value == concept]


def numbers(group: Any, concept: str) -> list[float]:
    return [m.value for m in group.get_measurements() if m.name.value == concept]


def texts(item: Any) -> list[str]:
    return [c.TextValue for c in item.ContentSequence if c.ConceptNameCodeSequence[0].CodeValue == "121106"]


def remarks(document: Any) -> list[str]:
    found = groups(document)
    return texts(found["Remarks"][0]) if "Remarks" in found else []


def test_reads_from_top_to_bottom_as_a_radiologist_does() -> None:
    evidence, volume = synthetic()
    findings = findings_of(volume, curve_warnings=("gap of 20.0 mm after slice 4",))
    assert names(report(evidence, volume, findings)) == [
        "Body part",
        "Series class",
        "Second series class",
        "Imaging axis",
        "Intravenous contrast",
        "T12 level slice",
        "T12 level point",
        "L3 level slice",
        "L3 level point",
        "Quality",
        "Remarks",
        "Region pelvis",
        "Region abdomen",
        "Slice scores",
    ]


def test_findings_come_back() -> None:
    evidence, volume = synthetic()
    found = groups(report(evidence, volume, findings_of(volume)))
    assert values(found["Body part"], "123014") == ["818982008"]
    assert numbers(found["Body part"], "122157") == [0.87]
    assert values(found["Imaging axis"], "130546") == ["24422004"]
    assert values(found["Intravenous contrast"], "408730004") == ["27483000"]
    assert values(found["Region abdomen"], "123014") == ["818981001"]
    assert texts(found["Body part"][0]) == ["By the range that is covered: ABDOMEN-PELVIS"]
    assert texts(found["Imaging axis"][0]) == ["The header says axial, the pixels say axial"]
    assert texts(found["Intravenous contrast"][0]) == ["Probability that contrast medium is seen: 0.975"]


def test_one_score_for_each_slice_from_its_image() -> None:
    evidence, volume = synthetic()
    spread, *scores = groups(report(evidence, volume, findings_of(volume)))["Slice scores"].get_measurements()
    assert (spread.name.value, spread.value) == ("386136009", 1.11)  # median of 1 + 0.25 k / 12
    assert spread.derivation.value == "373099004"
    assert [m.value for m in scores] == [round(10 + 40.126 * k / 12, 2) for k in range(12)]
    sources = [image.referenced_sop_instance_uid for m in scores for image in m.referenced_images]
    assert sources == [s.sop_instance_uid for s in volume.geometry.slices]


@pytest.mark.parametrize(
    ("name", "index", "vertebra", "confidence"), [("T12", 9, "23215003", 0.912), ("L3", 6, "36470004", 0.5)]
)
def test_level_has_its_slice_its_vertebra_and_a_point(
    name: str, index: int, vertebra: str, confidence: float
) -> None:
    evidence, volume = synthetic()
    found = groups(report(evidence, volume, findings_of(volume)))
    plane, point = found[f"{name} level slice"], found[f"{name} level point"]
    assert plane.finding_type.value == "128130"
    assert [s.value.value for s in plane.finding_sites] == [vertebra]
    assert values(plane, "123014") == [vertebra]
    assert numbers(plane, "122157") == numbers(point, "122157") == [confidence]
    assert [i.referenced_sop_instance_uid for i in plane.source_images] == [evidence[index].SOPInstanceUID]
    region = next(c for c in plane[0].ContentSequence if c.ValueType == "CODE" and "ContentSequence" in c)
    assert region.ContentSequence[0].ConceptCodeSequence[0].CodeValue == "26216008"
    assert point.roi.frame_of_reference_uid == volume.geometry.frame_of_reference_uid
    assert point.roi.value[0] == pytest.approx([12, 2, 100 + 5 * index], abs=1e-4)


def test_comment_tells_the_image_and_the_interval() -> None:
    evidence, volume = synthetic()
    plane = groups(report(evidence, volume, findings_of(volume)))["L3 level slice"]
    assert texts(plane[0]) == [
        "Image 7, slice 7 of 12 in order of position; level at 130.8 mm,"
        " between 123.5 and 138.2 mm with this probability"
    ]


def test_every_group_names_the_algorithm_and_its_weights() -> None:
    evidence, volume = synthetic()
    for group in groups(report(evidence, volume, findings_of(volume))).values():
        items = {
            (c.ConceptNameCodeSequence[0].CodeValue, c.get("TextValue")) for c in group[0].ContentSequence
        }
        assert {("111001", "ctnode-trunk"), ("111003", "0.1.0"), ("122405", "ctnode")} <= items
        assert ("111002", "weights SHA-256: " + "ab" * 32) in items
        assert ("111002", "slice score scale: 0 = start of the pelvis, 100 = end of the eyes") in items
        assert ("111002", "slice scores smoothed along z by a Gaussian of 10 mm") in items


def test_says_that_it_is_not_for_diagnosis_before_anything_else() -> None:
    evidence, volume = synthetic()
    document = report(evidence, volume, findings_of(volume))
    statement, told, measurements = list(document.ContentSequence)[-3:]
    assert statement.TextValue.startswith("Not for diagnosis; research software.")
    assert (told.ValueType, measurements.ValueType) == ("TEXT", "CONTAINER")
    assert document.SeriesDescription == "ctnode CT findings - not for diagnosis"
    flags = (document.CompletionFlag, document.PreliminaryFlag, document.VerificationFlag)
    assert flags == ("COMPLETE", "PRELIMINARY", "UNVERIFIED")


def test_a_summary_stands_before_the_measurements() -> None:
    evidence, volume = synthetic()
    wrong = Disagreement(attribute="BodyPartExamined", header="HEAD", pixels="ABDOMEN-PELVIS")
    document = report(evidence, volume, findings_of(volume, disagreements=(wrong,)))
    assert document.ContentSequence[-2].TextValue == (
        "Body part: abdomen-pelvis (probability 0.87). Slices: axial (probability >0.99)."
        " Intravenous contrast medium is seen (probability 0.95)."
        " T12: image 10 (probability 0.91). L3: image 7 (probability 0.50)."
        " The header disagrees: BodyPartExamined is HEAD, the pixels say ABDOMEN-PELVIS."
    )


def test_the_summary_guesses_nothing() -> None:
    evidence, volume = synthetic()
    findings = findings_of(
        volume,
        axis=AxisFinding(value=Axis.CORONAL, confidence=0.7, from_header=Axis.CORONAL),
        body_part=BodyPartFinding(value="undetermined", confidence=0.2, regions=()),
        contrast=ContrastFinding(value=Contrast.UNDETERMINED, confidence=0.5),
        t12=LevelFinding(presence=Presence.NOT_IN_FIELD, confidence=0.8),
        l3=LevelFinding(presence=Presence.FOUND, z_mm=77.5, confidence=0.8),
    )
    assert report(evidence, volume, findings).ContentSequence[-2].TextValue == (
        "Body part: undetermined. Slices: coronal (probability 0.70)."
        " Intravenous contrast medium: undetermined. T12: not in field."
        " L3: at z 77.5 mm (probability 0.80)."
    )


def test_what_is_not_known_is_said_and_not_guessed() -> None:
    evidence, volume = synthetic()
    findings = findings_of(
        volume,
        axis=AxisFinding(value=Axis.UNDETERMINED, confidence=0.3, from_header=Axis.AXIAL),
        body_part=BodyPartFinding(value="undetermined", confidence=0.2, regions=()),
        contrast=ContrastFinding(
            value=Contrast.UNDETERMINED, confidence=0.5, probability=0.52, reason="no aorta in the field"
        ),
        t12=LevelFinding(presence=Presence.CANNOT_TELL, reason="two candidates"),
        l3=LevelFinding(presence=Presence.NOT_IN_FIELD),
        disagreements=(Disagreement(attribute="BodyPartExamined", header="LIVER", pixels="Größe"),),
        curve_warnings=("the slices run from head to feet",),
    )
    document = report(evidence, volume, findings)
    found = groups(document)
    assert values(found["Body part"], "123014") == ["373068000"]
    assert values(found["Imaging axis"], "130546") == ["373068000"]
    assert values(found["Intravenous contrast"], "408730004") == ["373068000"]
    assert numbers(found["Intravenous contrast"], "122157") == []  # of what would it be the probability?
    assert texts(found["Intravenous contrast"][0]) == [
        "Probability that contrast medium is seen: 0.520",
        "no aorta in the field",
    ]
    assert texts(found["Imaging axis"][0]) == ["The header says axial, the pixels do not tell"]
    assert texts(found["Body part"][0]) == ["By the range that is covered: undetermined"]
    assert texts(found["Series class"][0]) == ["None of the 16 series classes is likely enough"]
    assert names(document) == [
        "Body part",
        "Series class",
        "Imaging axis",
        "Intravenous contrast",
        "Header disagreements",
        "Quality",
        "Remarks",
        "Slice scores",
    ]
    assert texts(found["Header disagreements"][0]) == [
        "BodyPartExamined: the header says LIVER, the pixels say Gr\\xf6\\xdfe"
    ]
    assert remarks(document) == [
        "T12: cannot tell (two candidates)",
        "L3: not in field",
        "the slices run from head to feet",
    ]


def test_without_remarks_there_is_no_group_for_them() -> None:
    evidence, volume = synthetic()
    assert remarks(report(evidence, volume, findings_of(volume))) == []


def quality(*checks: CheckResult) -> tuple[list[str], list[str]]:
    """Code and comments of the quality group."""
    evidence, volume = synthetic()
    document = report(evidence, volume, findings_of(volume, checks=checks))
    group = groups(document)["Quality"]
    assert remarks(document) == []
    return values(group, "111050"), texts(group[0])


CHECKED = (
    "Checked: orientation, positions, spacing, rescaling, and whether the body agrees with them;"
    " not the quality of the images for diagnosis."
)


def test_a_volume_that_the_gate_accepts_meets_its_standard() -> None:
    assert quality() == (["111237"], [f"Geometry gate: accept. {CHECKED}"])
    told_apart = noted(Check.PHASES, "apart by AcquisitionNumber")
    assert quality(told_apart) == (
        ["111237"],
        [f"Geometry gate: accept. {CHECKED}", "phases, noted: apart by AcquisitionNumber"],
    )


def test_what_was_repaired_or_contradicts_the_header_is_below_the_standard() -> None:
    mended = repaired(Check.OFFSET, "HU are 1024 too high; 1024 subtracted")
    assert quality(mended) == (
        ["111236"],
        [f"Geometry gate: repair. {CHECKED}", "HU offset, repaired: HU are 1024 too high; 1024 subtracted"],
    )
    for check in (Check.SYMMETRY, Check.PLANE, Check.SCALE):
        codes, said = quality(noted(check, "12 against 34"))
        assert codes == ["111236"]
        assert said == [f"Geometry gate: accept. {CHECKED}", f"{check}, noted: 12 against 34"]


def test_a_warning_that_is_a_check_is_not_said_twice() -> None:
    evidence, volume = synthetic()
    findings = findings_of(
        volume, checks=(noted(Check.SCALE, "reversed order"),), curve_warnings=("reversed order", "a gap")
    )
    document = report(evidence, volume, findings)
    assert remarks(document) == ["a gap"]
    assert texts(groups(document)["Quality"][0])[1:] == ["scale, noted: reversed order"]


def test_without_a_frame_of_reference_there_is_no_point() -> None:
    evidence, volume = synthetic(frame=None)
    found = names(report(evidence, volume, findings_of(volume)))
    assert "L3 level slice" in found
    assert "L3 level point" not in found


def test_coronal_reformat_has_points_but_no_slices_and_no_scores() -> None:
    evidence, volume = synthetic(orientation=(1, 0, 0, 0, 0, -1), step_mm=(0, 2.0, 0))
    level = LevelFinding(presence=Presence.FOUND, z_mm=77.5, confidence=0.8)
    findings = findings_of(
        volume, slice_scores=(), t12=LevelFinding(presence=Presence.NOT_IN_FIELD), l3=level
    )
    document = report(evidence, volume, replace(findings, body_part=replace(findings.body_part, regions=())))
    assert names(document)[5:] == ["L3 level point", "Quality", "Remarks"]
    middle = (-20 + 31.5 * 0.8, -30 + 6 * 2, 77.5)
    assert groups(document)["L3 level point"].roi.value[0] == pytest.approx(middle, abs=1e-4)


def test_evidence_lists_every_slice_once() -> None:
    evidence, volume = synthetic()
    document = report(evidence, volume, findings_of(volume))
    assert [row[2] for row in document.get_evidence()] == [ds.SOPInstanceUID for ds in evidence]


def test_same_inputs_same_bytes() -> None:
    def built() -> bytes:
        evidence, volume = synthetic()
        inputs = Inputs(evidence=evidence, volume=volume, findings=findings_of(volume), provenance=PROVENANCE)
        dataset = BUILDERS[Kind.SR](inputs)
        assert isinstance(dataset, Dataset)
        return to_bytes(dataset)

    assert built() == built()


def test_dciodvfy_finds_nothing(tmp_path: Path) -> None:
    evidence, volume = synthetic()
    document = report(evidence, volume, findings_of(volume, curve_warnings=("a gap",)))
    (tmp_path / "sr.dcm").write_bytes(to_bytes(document))
    lines = run("dciodvfy", "-new", tmp_path / "sr.dcm").strip().splitlines()
    assert lines == ["Comprehensive3DSR", AIR_DEVICE_UID]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"body_part": BodyPartFinding(value="ELBOW", confidence=1.0, regions=())}, "'ELBOW'"),
        ({"contrast": ContrastFinding(value=Contrast.NO, confidence=1.5)}, "Probability is 1.5"),
        (
            {
                "body_part": BodyPartFinding(
                    value="CHEST",
                    confidence=1.0,
                    regions=(),
                    classes=(ClassGuess(name="Elbow", probability=1.0),),
                )
            },
            "'Elbow'",
        ),
        ({"contrast": ContrastFinding(value=Contrast.NO, confidence=float("nan"))}, "Probability is nan"),
        (
            {"l3": LevelFinding(presence=Presence.FOUND, slice_index=12, sop_instance_uid="1.2")},
            "slice index 12 is outside the volume of 12 slices",
        ),
        (
            {"l3": LevelFinding(presence=Presence.FOUND, slice_index=3, sop_instance_uid="1.2")},
            "the finding names 1.2",
        ),
        ({"l3": LevelFinding(presence=Presence.FOUND)}, "neither a slice nor z_mm"),
    ],
)
def test_findings_that_contradict_the_volume_are_refused(changes: dict[str, Any], message: str) -> None:
    evidence, volume = synthetic()
    with pytest.raises(InvalidResult, match=message):
        build_results(evidence, volume, findings_of(volume, **changes), PROVENANCE)


def test_scores_of_other_slices_are_refused() -> None:
    evidence, volume = synthetic()
    findings = findings_of(volume)
    for scores in (findings.slice_scores[:-1], findings.slice_scores[::-1]):
        with pytest.raises(InvalidResult, match=r"11 slice scores for 12 slices|the finding names"):
            build_results(evidence, volume, replace(findings, slice_scores=scores), PROVENANCE)


def test_evidence_of_another_order_is_refused() -> None:
    evidence, volume = synthetic()
    with pytest.raises(InvalidResult, match="the same ones in the same order"):
        build_results(evidence[::-1], volume, findings_of(volume), PROVENANCE)
