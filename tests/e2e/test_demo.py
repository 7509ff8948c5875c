"""`ctnode demo`: what a newcomer sees first."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pydicom


def test_demo_prints_the_sr_that_came_back(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "node", "demo", str(tmp_path / "demo")]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=400)
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "Imaging Measurement Report\n==========================" in shown.stdout
    assert "Not for diagnosis; research software" in shown.stdout
    assert re.search(r"Cross-sectional scan plane orientation: Axial", shown.stdout)
    kept = [pydicom.dcmread(file) for file in (tmp_path / "demo" / "pacs").glob("*.dcm")]
    assert "SR" in {ds.Modality for ds in kept}
    sent = pydicom.dcmread(next((tmp_path / "demo" / "ct").glob("*.dcm")), stop_before_pixels=True)
    assert {ds.StudyInstanceUID for ds in kept} == {sent.StudyInstanceUID}
    scores = re.findall(r"^ *Score: (-?[\d.]+)$", shown.stdout, re.MULTILINE)
    assert len(scores) == len(list((tmp_path / "demo" / "ct").glob("*.dcm")))
