"""The key objects: what is flagged and how it is described; judged by dciodvfy, DCMTK and highdicom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import highdicom as hd
import pydicom
import pytest
from pydicom.dataset import Dataset

from inference.findings import LevelFinding, Presence
from inference.results import BUILDERS, Inputs, LeftOut, ResultObject, build_results
from inference.results.flagged import NO_LEVEL_SLICE
from inference.volume import Volume
from storage.errors import InvalidResult
from storage.kinds import Kind
from tests.dcmtk import find as dcmtk
from tests.inference.results_factory import PROVENANCE, findings_of, level, run, synthetic, to_bytes
from tests.inference.test_results_seg import multiframe

NOT_FOUND = LevelFinding(presence=Presence.NOT_IN_FIELD)
STATEMENT = "Not for diagnosis; research software. Chosen by an algorithm; not reviewed by a person."


def key_objects(evidence: Sequence[Dataset], volume: Volume, **changes: object) -> Any:
    """The document after a round trip through bytes."""
    (result,) = build_results(evidence, volume, findings_of(volume, **changes), PROVENANCE, kinds=(Kind.KO,))
    assert isinstance(result, ResultObject), result
    assert result.held is None
    return hd.ko.KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(BytesIO(to_bytes(result.dataset))))


def description(document: Any) -> str:
    (text,) = [i for i in document.content[0].ContentSequence if i.ValueType == "TEXT" and not _observer(i)]
    return str(text.TextValue)


def _observer(item: Any) -> bool:
    return bool(item.RelationshipType == "HAS OBS CONTEXT")


def flagged(document: Any) -> list[str]:
    return [str(item.referenced_sop_instance_uid) for item in document.content.get_references()]


def test_the_slices_of_both_levels_are_flagged_and_named() -> None:
    evidence, volume = synthetic()
    document = key_objects(evidence, volume)
    assert document.ConceptNameCodeSequence[0].CodeValue == "113000"
    assert flagged(document) == [evidence[9].SOPInstanceUID, evidence[6].SOPInstanceUID]
    assert description(document) == (
        f"T12: image 10 (probability 0.91). L3: image 7 (probability 0.50). {STATEMENT}"
    )


def test_who_chose_is_this_installation() -> None:
    evidence, volume = synthetic()
    (observer,) = key_objects(evidence, volume).content.get_observer_contexts()
    assert observer.observer_type.value == "121007"
    assert observer.observer_identifying_attributes.uid == PROVENANCE.device_uid


def test_one_level_alone_is_flagged_and_the_other_s_absence_told() -> None:
    evidence, volume = synthetic()
    document = key_objects(evidence, volume, t12=NOT_FOUND)
    assert flagged(document) == [evidence[6].SOPInstanceUID]
    assert description(document) == f"L3: image 7 (probability 0.50). T12: not in field. {STATEMENT}"


def test_an_image_without_a_number_is_told_by_its_place_and_certainty_has_a_limit() -> None:
    evidence, volume = synthetic()
    del evidence[6].InstanceNumber
    document = key_objects(evidence, volume, t12=NOT_FOUND, l3=level(volume, 6, confidence=0.998))
    assert description(document).startswith("L3: slice 7 in order of position (probability >0.99).")


def test_two_levels_in_one_thick_slice_are_one_reference() -> None:
    evidence, volume = synthetic()
    document = key_objects(evidence, volume, t12=level(volume, 6), l3=level(volume, 6))
    assert flagged(document) == [evidence[6].SOPInstanceUID]


def test_frames_of_a_multiframe_image_are_named() -> None:
    evidence, volume = multiframe(8)
    document = key_objects(evidence, volume)
    (reference,) = document.content.get_references()
    assert list(reference.referenced_frame_numbers) == [2, 4]
    assert description(document).startswith(
        "T12: frame 2 (probability 0.91). L3: frame 4 (probability 0.50)."
    )


def test_it_refers_to_nothing_but_the_images() -> None:
    evidence, volume = synthetic()
    document = key_objects(evidence, volume)
    (study,) = document.CurrentRequestedProcedureEvidenceSequence
    (series,) = study.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == volume.series_instance_uid
    listed = [item.ReferencedSOPInstanceUID for item in series.ReferencedSOPSequence]
    assert sorted(listed) == sorted(flagged(document))


@pytest.mark.parametrize(
    "untold",
    [
        LevelFinding(presence=Presence.CANNOT_TELL, reason="two candidates"),
        LevelFinding(presence=Presence.FOUND, z_mm=120.0, confidence=0.8),
    ],
    ids=["not told", "found outside the slices"],
)
def test_left_out_where_there_is_no_level_slice(untold: LevelFinding) -> None:
    evidence, volume = synthetic()
    findings = findings_of(volume, t12=NOT_FOUND, l3=untold)
    (result,) = build_results(evidence, volume, findings, PROVENANCE, kinds=(Kind.KO,))
    assert result == LeftOut(kind=Kind.KO, reason=NO_LEVEL_SLICE)


def test_a_level_of_another_instance_is_refused() -> None:
    evidence, volume = synthetic()
    wrong = level(volume, 6, sop_instance_uid="1.2.3")
    inputs = Inputs(
        evidence=evidence, volume=volume, findings=findings_of(volume, l3=wrong), provenance=PROVENANCE
    )
    with pytest.raises(InvalidResult, match=r"the finding names 1\.2\.3"):
        BUILDERS[Kind.KO](inputs)


def test_same_inputs_same_bytes_and_a_new_revision_in_the_same_series() -> None:
    def built(revision: int) -> Dataset:
        evidence, volume = synthetic()
        provenance = replace(PROVENANCE, revision=revision)
        inputs = Inputs(evidence=evidence, volume=volume, findings=findings_of(volume), provenance=provenance)
        made = BUILDERS[Kind.KO](inputs)
        assert isinstance(made, Dataset)
        return made

    first, again, second = built(1), built(1), built(2)
    assert to_bytes(first) == to_bytes(again)
    assert first.SeriesInstanceUID == second.SeriesInstanceUID
    assert first.SOPInstanceUID != second.SOPInstanceUID
    assert (first.InstanceNumber, second.InstanceNumber) == (1, 2)


def test_dciodvfy_finds_nothing(tmp_path: Path) -> None:
    evidence, volume = synthetic()
    (tmp_path / "ko.dcm").write_bytes(to_bytes(key_objects(evidence, volume)))
    title, *said = run("dciodvfy", "-new", tmp_path / "ko.dcm").strip().splitlines()
    assert title == "KeyObjectSelectionDocument"
    assert [line for line in said if "DeviceUID(0018,1002)" not in line] == []


@pytest.mark.skipif(dcmtk("dsrdump") is None, reason="DCMTK is not installed")
def test_dcmtk_prints_which_image_is_which_level(tmp_path: Path) -> None:
    evidence, volume = synthetic()
    (tmp_path / "ko.dcm").write_bytes(to_bytes(key_objects(evidence, volume)))
    printed = run(dcmtk("dsrdump") or "", "+Pl", "+Pc", tmp_path / "ko.dcm")
    assert '(113000,DCM,"Of Interest")' in printed
    assert "T12: image 10 (probability 0.91). L3: image 7 (probability 0.50)." in printed
    assert printed.count("contains IMAGE") == 2
