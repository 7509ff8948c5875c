from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from inference.workbench import commands_audit
from inference.workbench.idc_audit import audit_index, idc_page, installed_index
from inference.workbench.tables import to_csv
from inference.workbench.tag_audit import (
    COLUMNS,
    Tag,
    Tags,
    audit,
    by_manufacturer,
    row,
    spellings,
    verdict_counts,
)
from inference.workbench.tag_page import tag_page
from inference.workbench.tag_terms import Agent, TermKind, agent_of, term_of
from storage import arrivals, outcomes
from storage.ledger import Ledger
from storage.records import VolumeRow
from tests.storage import rows


def report(value: str = "ABDOMEN", regions: str = "abdomen", contrast: str = "no", **axis: str) -> dict:
    return {
        "series_instance_uid": "1.2",
        "volume": 1,
        "eligible": True,
        "axis": {"from_header": axis.get("header", "axial"), "from_pixels": axis.get("pixels", "axial")},
        "body_part": {"value": value, "regions": [{"region": r} for r in regions.split()]},
        "contrast": {"value": contrast},
    }


def tags(body_part: str | None = None, contrast: str | None = None, maker: str | None = "GE") -> Tags:
    return Tags(body_part=body_part, contrast=contrast, manufacturer=maker)


@pytest.mark.parametrize(
    ("value", "term", "kind"),
    [
        (None, "(missing)", "missing"),
        (" ", "(missing)", "missing"),
        ("CHEST", "CHEST", "term"),
        ("chest", "CHEST", "term"),
        ("THORAX", "CHEST", "normalised"),
        ("CAP", "CHESTABDPELVIS", "normalised"),
        ("CHEST TO PELVIS", "CHESTABDPELVIS", "normalised"),
        ("CERVICAL_SPINE", "CSPINE", "normalised"),
        ("HEAD-NECK", "HEADNECK", "normalised"),
        ("TH CT CHEST WO C", "CHEST", "normalised"),
        ("CHEST (THORAX) W", "CHEST", "normalised"),
        ("WHOLEBODY", "WHOLEBODY", "vague"),
        ("Phantom", "PHANTOM", "vague"),
        ("OUTSIDE FIL", "OUTSIDE FIL", "free text"),
        ("HEAD OR PELVIS", "HEAD OR PELVIS", "free text"),
        ("Abdomén ", "ABDOMEN", "normalised"),
        ("ＣＨＥＳＴ", "CHEST", "normalised"),
        ("CHEST\0", "CHEST", "normalised"),
        ("Thorax^Routine  (Adult)", "CHEST", "normalised"),
        ("頭部", "頭部", "free text"),
        ("ГОЛОВА", "ГОЛОВА", "free text"),
        ("--", "(missing)", "missing"),
        ("0", "(missing)", "missing"),
    ],
)
def test_body_part_examined_in_one_spelling(value: str | None, term: str, kind: str) -> None:
    assert term_of(value) == (term, TermKind(kind))


@pytest.mark.parametrize(
    ("value", "agent"),
    [
        (None, Agent.MISSING),
        ("OMNIPAQUE 350", Agent.INTRAVENOUS),
        ("APPLIED", Agent.INTRAVENOUS),
        ("GASTRO & OMNI", Agent.INTRAVENOUS),
        ("Oral", Agent.ORAL_ONLY),
        ("GASTROGRAFIN", Agent.ORAL_ONLY),
        ("NONE", Agent.NONE),
        ("w/o contrast", Agent.NONE),
        ("CONTRAST", Agent.INTRAVENOUS),
        ("APPLIED 100 ML", Agent.INTRAVENOUS),
        ("??", Agent.UNCLEAR),
        ("NO CONTRAST", Agent.NONE),
        ("No IV contrast", Agent.NONE),
        ("not given", Agent.NONE),
        ("Native phase", Agent.NONE),
        ("NON-CONTRAST", Agent.NONE),
        ("NO ORAL; OMNIPAQUE 350", Agent.INTRAVENOUS),
        ("ORAL & IV", Agent.INTRAVENOUS),
        ("WITHOUT IV, ORAL", Agent.ORAL_ONLY),
        ("NON-IONIC 100ML", Agent.INTRAVENOUS),
        ("P.O.", Agent.ORAL_ONLY),
        ("NOVALAC", Agent.UNCLEAR),
        ("IVORY", Agent.UNCLEAR),
        ("; ,", Agent.UNCLEAR),
    ],
)
def test_contrast_agents_in_one_spelling(value: str | None, agent: Agent) -> None:
    assert agent_of(value) is agent


@pytest.mark.parametrize(
    ("tag", "value", "regions", "verdict"),
    [
        ("ABDOMEN", "ABDOMEN", "abdomen", "agrees"),
        ("CHEST", "CHEST-ABDOMEN", "chest abdomen", "too narrow"),
        ("CHESTABDPELVIS", "CHEST", "chest abdomen", "too wide"),
        ("LSPINE", "ABDOMEN", "abdomen", "agrees"),
        ("HEAD", "ABDOMEN-PELVIS", "abdomen pelvis", "contradicted"),
        ("EXTREMITY", "ABDOMEN", "abdomen", "vague"),
        ("OUTSIDE FIL", "ABDOMEN", "abdomen", "vague"),
        (None, "ABDOMEN", "abdomen", "missing"),
        ("CHEST", "undetermined", "", "pixels do not tell"),
    ],
)
def test_body_part_against_pixels(tag: str | None, value: str, regions: str, verdict: str) -> None:
    assert audit(report(value, regions), tags(tag)).verdicts[Tag.BODY_PART] == verdict


@pytest.mark.parametrize(
    ("tag", "pixels", "verdict"),
    [
        (None, "yes", "missing"),
        (None, "no", "agrees"),
        (None, "undetermined", "missing"),
        ("OMNIPAQUE", "yes", "agrees"),
        ("OMNIPAQUE", "no", "contradicted"),
        ("NONE", "yes", "contradicted"),
        ("ORAL", "yes", "contradicted"),
        ("ORAL", "no", "agrees"),
        ("??", "no", "vague"),
        ("OMNIPAQUE", "undetermined", "pixels do not tell"),
    ],
)
def test_contrast_against_pixels(tag: str | None, pixels: str, verdict: str) -> None:
    assert audit(report(contrast=pixels), tags(contrast=tag)).verdicts[Tag.CONTRAST] == verdict


@pytest.mark.parametrize(
    ("header", "pixels", "verdict"),
    [
        ("axial", "axial", "agrees"),
        ("axial", "coronal", "contradicted"),
        ("undetermined", "axial", "missing"),
        ("axial", "undetermined", "pixels do not tell"),
        ("oblique", "axial", "pixels do not tell"),
    ],
)
def test_orientation_against_pixels(header: str, pixels: str, verdict: str) -> None:
    one = audit(report(header=header, pixels=pixels), tags())
    assert one.verdicts[Tag.ORIENTATION] == verdict


def test_counts_by_manufacturer() -> None:
    audited = [
        audit(report(), tags("ABDOMEN", maker="ge ")),
        audit(report(), tags("HEAD", maker="GE")),
        audit(report(), tags(None, maker=None)),
    ]
    assert verdict_counts(audited, Tag.BODY_PART) == {"agrees": 1, "contradicted": 1, "missing": 1}
    assert by_manufacturer(audited, Tag.BODY_PART) == {
        "GE": {"agrees": 1, "contradicted": 1},
        "(manufacturer missing)": {"missing": 1},
    }
    page = tag_page(audited, 2)
    assert "3 volumes, 2 more refused" in page
    assert "contradicted: 1 (33.3 %)" in page


def test_text_of_others_is_no_formula_and_no_markup() -> None:
    one = audit(report(), tags("=1+1"))
    assert to_csv(COLUMNS, [row(one)]).splitlines()[1].split(",")[3] == "'=1+1"
    assert "<script>alert" not in tag_page([audit(report(), tags("<script>alert(1)</script>"))], 0)


def test_spellings_are_gathered_under_their_term() -> None:
    found = spellings([("CHEST", 3), ("Thorax", 2), (None, 1), ("ABDOMEN", 4)])
    assert found == {
        "CHEST": {"CHEST": 3, "Thorax": 2},
        "ABDOMEN": {"ABDOMEN": 4},
        "(missing)": {"(missing)": 1},
    }


def test_a_nodes_ledger_is_audited(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'ledger.sqlite'}"
    ledger = Ledger(url)
    ledger.migrate()
    with ledger.writing() as connection:
        for revision, values in ((1, ["NECK"]), (2, ["HEAD", "CHEST"])):
            arrivals.add_instance(connection, rows.instance(revision, at=1000.0 * revision))
            assert rows.complete(connection, now=1000.0 * revision + 100) == revision
            volumes = [(analysed(n, revision, value), []) for n, value in enumerate(values, start=1)]
            assert outcomes.record_analysis(
                connection, volumes, [], series_instance_uid=rows.SERIES, revision=revision,
                now=1000.0 * revision + 200,
            )  # fmt: skip
    result = CliRunner().invoke(commands_audit.app, ["--ledger", url, "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert "BodyPartExamined: 2 missing" in result.output
    text = (tmp_path / "out" / "tags.csv").read_text().splitlines()
    assert [line.split(",")[5] for line in text[1:]] == ["HEAD", "CHEST"]


def analysed(number: int, revision: int, value: str) -> VolumeRow:
    told = report(value, value.lower()) | {"series_instance_uid": rows.SERIES, "volume": number}
    return replace(rows.volume(number, revision=revision), report=told)


def test_one_source_is_audited_at_a_time(tmp_path: Path) -> None:
    result = CliRunner().invoke(commands_audit.app, ["--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "one of PATH, --ledger and --idc is needed" in result.output


def test_an_index_is_counted_by_what_its_text_says() -> None:
    records = [
        ("nlst", "CT", "CHEST", "GE"),
        ("a", "CT", None, "GE"),
        ("a", "CT", "Thorax", "GE"),
        ("a", "MR", None, "GE"),
        ("b", "CT", "WHOLEBODY", None),
    ]
    found = audit_index(records, "1")
    assert (found.series, found.series_outside_nlst) == (4, 3)
    assert found.missing_outside_nlst == pytest.approx(1 / 3)
    assert found.kinds_outside_nlst == {
        TermKind.MISSING: 1, TermKind.NORMALISED: 1, TermKind.VAGUE: 1,
    }  # fmt: skip
    assert found.makers == {
        "GE": {"missing": 1, "normalised": 1},
        "(manufacturer missing)": {"vague": 1},
    }
    assert "of which 33.3 % have no Body Part Examined" in idc_page(found)


@pytest.mark.skipif(find_spec("idc_index_data") is None, reason="the extra idc is not installed")
def test_a_third_of_the_commons_ct_outside_nlst_has_no_body_part() -> None:
    found = installed_index()
    assert found.series > 250_000
    assert 0.32 < found.missing_outside_nlst < 0.36
    if found.index_version == "25.0.5":
        assert (found.series, found.series_outside_nlst) == (270830, 67719)
        assert found.kinds_outside_nlst[TermKind.MISSING] / 67719 == pytest.approx(0.337, abs=0.001)
