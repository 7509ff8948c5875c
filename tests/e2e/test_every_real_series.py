"""`ctnode analyze` on every real series: an answer, or a reason that a radiographer would agree with."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.real_ct import SERIES, unpack

pytestmark = pytest.mark.data

Reports = list[dict[str, Any]]


def refused(reports: Reports, reason: str) -> bool:
    return all(not report["eligible"] and reason in report["reason"] for report in reports)


def answered(reports: Reports, axis: str) -> bool:
    return all(report["eligible"] and report["axis"]["value"] == axis for report in reports)


def found(reports: Reports, level: str) -> bool:
    return all(report["levels"][level]["found"] for report in reports)


def undetermined(reports: Reports, why: str) -> bool:
    """Nothing is told of such volumes, and a warning says why."""
    return all(
        report["body_part"]["value"] == "undetermined"
        and {level["state"] for level in report["levels"].values()} == {"cannot tell"}
        and any(why in warning for warning in report["warnings"])
        for report in reports
    )


def warned(reports: Reports, what: str) -> bool:
    return all(any(what in warning for warning in report["warnings"]) for report in reports)


VERDICTS: dict[str, tuple[int, Callable[[Reports], bool]]] = {
    "abd-crlm-1006-ce": (1, lambda r: answered(r, "axial") and "ABDOMEN" in r[0]["body_part"]["value"]),
    "abdpel-tcga-bc-a10w-ce": (
        1,
        lambda r: answered(r, "axial") and r[0]["body_part"]["value"] == "ABDOMEN-PELVIS",
    ),
    "dup-icometrix-d": (1, lambda r: refused(r, "duplicate position 61.50 mm")),
    "gap-icometrix-b": (1, lambda r: refused(r, "gap of 10.00 mm between instance 9 and instance 10")),
    "head-qa-ge-tilt": (2, lambda r: answered(r, "axial") and warned(r, "gantry tilt: slices advance 18.5")),
    "mf-dcmqi-liver-crop": (2, lambda r: answered(r, "axial") and undetermined(r, "field of view")),
    "mip-acrin013-cor": (1, lambda r: answered(r, "coronal") and undetermined(r, "do not follow")),
    "mip-acrin013-sag": (1, lambda r: answered(r, "sagittal") and found(r, "T12") and found(r, "L3")),
    "scout-taichi": (2, lambda r: refused(r, "localizer")),
    "spine-taichi-ax": (
        13,
        lambda r: (
            answered(r[:8], "axial")
            and answered(r[8:11], "oblique")
            and not any(found([one], level) for one in r[:11] for level in ("T12", "L3"))
            and undetermined(r[9:11], "do not follow")
            and refused(r[11:], "too few slices")
        ),
    ),
    "spine-taichi-sag": (
        2,
        lambda r: (
            answered(r[:1], "sagittal")
            and found(r[:1], "T12")
            and found(r[:1], "L3")
            and refused(r[1:], "too few slices")
        ),
    ),
    "tilt-icometrix-a": (
        1,
        lambda r: answered(r, "axial") and warned(r, "14.0 degrees") and undetermined(r, "no body"),
    ),
    "tilt-icometrix-c": (1, lambda r: refused(r, "gap of 1.50 mm between instance 3 and instance 5")),
}
"""Series -> how many volumes, and what is to be said of them."""

NATIVE = ("no", "undetermined")
CONTRAST = {
    "abd-crlm-1006-ce": ("yes",),
    "abdpel-tcga-bc-a10w-ce": ("yes",),
    "head-qa-ge-tilt": NATIVE,
    "mf-dcmqi-liver-crop": NATIVE,
    "mip-acrin013-cor": NATIVE,
    "mip-acrin013-sag": NATIVE,
    "spine-taichi-ax": NATIVE,
    "spine-taichi-sag": NATIVE,
}
"""Series -> what may be said of contrast medium; of the others nothing is."""


def test_every_series_has_its_verdict() -> None:
    if not SERIES.is_dir():
        pytest.skip("real CT not found: ../shared/data/dicom")
    assert {file.name.removesuffix(".tar.xz") for file in SERIES.glob("*.tar.xz")} == set(VERDICTS)


@pytest.mark.parametrize("name", VERDICTS)
def test_analyze(name: str, tmp_path: Path) -> None:
    folder, out = unpack(name, tmp_path), tmp_path / "report.json"
    command = [sys.executable, "-m", "node", "analyze", str(folder), "--json", str(out), "--device", "cpu"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    reports: Reports = json.loads(out.read_text())
    count, verdict = VERDICTS[name]
    assert len(reports) == count
    shown = [(r["eligible"], r["axis"], r["body_part"]["value"], r["reason"], r["warnings"]) for r in reports]
    assert verdict(reports), shown
    for report in reports:
        assert report["axis"]["from_header"] == report["axis"]["value"]
        assert report["contrast"]["value"] in CONTRAST.get(name, ("undetermined",))
        assert "Not for diagnosis; research software" in report["warnings"]
