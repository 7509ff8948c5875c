"""A structured report as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian
from typer.testing import CliRunner

from node.commands_node import app, show
from node.sr_text import sr_text
from storage.errors import Unreadable
from tests.node.receiving import ct


def code(meaning: str, value: str = "1") -> list[Dataset]:
    each = Dataset()
    each.CodeValue, each.CodingSchemeDesignator, each.CodeMeaning = value, "99X", meaning
    return [each]


def item(value_type: str, name: str, *children: Dataset, **values: Any) -> Dataset:
    each = Dataset()
    each.RelationshipType, each.ValueType, each.ConceptNameCodeSequence = "CONTAINS", value_type, code(name)
    for keyword, value in values.items():
        setattr(each, keyword, value)
    if children:
        each.ContentSequence = list(children)
    return each


def number(value: str, unit: str) -> list[Dataset]:
    each = Dataset()
    each.NumericValue, each.MeasurementUnitsCodeSequence = value, code(unit, unit)
    return [each]


def reference(uid: str, **values: Any) -> list[Dataset]:
    each = Dataset()
    each.ReferencedSOPClassUID, each.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.2", uid
    for keyword, value in values.items():
        setattr(each, keyword, value)
    return [each]


def report() -> Dataset:
    by_reference = Dataset()
    by_reference.RelationshipType, by_reference.ReferencedContentItemIdentifier = "INFERRED FROM", [1, 2]
    root = item(
        "CONTAINER",
        "Imaging Measurement Report",
        item("CODE", "Body part", ConceptCodeSequence=code("Abdomen")),
        item(
            "CONTAINER",
            "Findings",
            item("NUM", "Slice score", MeasuredValueSequence=number("52.5", "1")),
            item("NUM", "Height", MeasuredValueSequence=number("-12", "mm")),
            item("NUM", "Nothing measured", MeasuredValueSequence=[]),
            item("TEXT", "Comment", TextValue="Not for diagnosis [research]"),
            by_reference,
            item("IMAGE", "Source", ReferencedSOPSequence=reference("2.25.7")),
            item("IMAGE", "Segment", ReferencedSOPSequence=reference("2.25.8", ReferencedFrameNumber=3)),
            item("SCOORD3D", "L3", GraphicType="POINT", GraphicData=[1.25, -2.0, 30.04]),
            item("SCOORD", "In the image", GraphicType="POINT", GraphicData=[4.0, 5.0]),
        ),
        item("UIDREF", "Device", UID="2.25.9"),
        item("PNAME", "Observer", PersonName="Meier^Anna"),
        item("DATETIME", "At", DateTime="20260101120000"),
    )
    root.SOPClassUID = "1.2.840.10008.5.1.4.1.1.88.34"
    return root


EXPECTED = """\
Imaging Measurement Report
==========================
Body part: Abdomen
Findings
  Slice score: 52.5
  Height: -12 mm
  Nothing measured: no value
  Comment: Not for diagnosis [research]
  Source: 2.25.7
  Segment: 2.25.8 frame 3
  L3: POINT (1.2, -2.0, 30.0) mm
  In the image: POINT (4.0, 5.0) pixels
Device: 2.25.9
Observer: (a person)
At: 20260101120000"""


def test_one_item_a_line() -> None:
    assert sr_text(report()) == EXPECTED


def group(name: str, model: str) -> Dataset:
    texts = {"112039": name, "112040": "", "111001": model, "111003": "1.0", "121106": model}
    children = [item("TEXT", f"concept {value}", TextValue=text) for value, text in texts.items()]
    for child, value in zip(children, texts, strict=True):
        child.ConceptNameCodeSequence[0].CodeValue = value
    whole = item("CONTAINER", "Measurement Group", *children)
    whole.ConceptNameCodeSequence[0].CodeValue = "125007"
    return whole


def test_a_group_is_headed_by_its_name_and_its_algorithm_is_shown_once() -> None:
    root = item("CONTAINER", "Report", group("Body part", "A"), group("Axis", "A"), group("Contrast", "B"))
    assert sr_text(root).splitlines()[2:] == [
        "Body part",
        "  concept 111001: A",
        "  concept 111003: 1.0",
        "  concept 121106: A",
        "Axis",
        "  concept 121106: A",
        "Contrast",
        "  concept 111001: B",
        "  concept 121106: B",
    ]


def test_the_command_prints_it_as_it_is(tmp_path: Path) -> None:
    """Brackets are no markup, and a long line is not broken."""
    made = report()
    made.ContentSequence[1].ContentSequence[3].TextValue = "[bold] " + "long " * 40
    made.SOPInstanceUID = "2.25.1"
    made.ensure_file_meta()
    made.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    made.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    shown = CliRunner().invoke(app, ["show", str(tmp_path / "sr.dcm")])
    assert shown.exit_code == 0
    assert shown.stdout.splitlines()[7].strip() == "Comment: [bold] " + ("long " * 40).strip()


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"no DICOM at all", "is no DICOM file"), (None, "is no structured report, but CT Image Storage")],
)
def test_show_says_what_is_no_report(tmp_path: Path, content: bytes | None, reason: str) -> None:
    file = tmp_path / "1.dcm"
    if content is None:
        ds = ct()
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        ds.save_as(file, enforce_file_format=True)
    else:
        file.write_bytes(content)
    with pytest.raises(Unreadable, match=reason):
        show(file)
