"""The transfer syntax makes no difference: the same slices compressed by others give the same scores."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.real_ct import unpack

pytestmark = [pytest.mark.peers, pytest.mark.data]

Compressor = Callable[[Path, Path], list[str]]
COMPRESSORS: dict[str, tuple[str, Compressor]] = {
    "1.2.840.10008.1.2.4.80": ("dcmcjpls", lambda source, target: ["dcmcjpls", str(source), str(target)]),
    "1.2.840.10008.1.2.4.90": (
        "gdcmconv",
        lambda source, target: ["gdcmconv", "--j2k", str(source), str(target)],
    ),
    "1.2.840.10008.1.2.5": ("dcmcrle", lambda source, target: ["dcmcrle", str(source), str(target)]),
}
"""Transfer syntax -> the program that makes it: JPEG-LS, JPEG 2000 (lossless), RLE."""


@pytest.fixture(scope="module")
def ct(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return unpack("abdpel-tcga-bc-a10w-ce", tmp_path_factory.mktemp("ct"))


@pytest.fixture(scope="module")
def uncompressed(ct: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    return scores(ct, tmp_path_factory.mktemp("uncompressed"))


def analyze(folder: Path, out: Path) -> list[dict[str, Any]]:
    """What `ctnode analyze` says of a folder."""
    file = out / "report.json"
    command = [sys.executable, "-m", "node", "analyze", str(folder), "--json", str(file), "--device", "cpu"]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    reports: list[dict[str, Any]] = json.loads(file.read_text())
    return reports


def scores(folder: Path, out: Path) -> dict[str, float]:
    (report,) = analyze(folder, out)
    return {s["sop_instance_uid"]: s["score"] for s in report["slice_scores"]}


@pytest.mark.parametrize("syntax", COMPRESSORS)
def test_compressed_slices_give_the_same_scores(
    syntax: str, ct: Path, uncompressed: dict[str, float], tmp_path: Path
) -> None:
    program, command = COMPRESSORS[syntax]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    compressed = tmp_path / "compressed"
    compressed.mkdir()
    for source in sorted(ct.glob("*.dcm")):
        subprocess.run(command(source, compressed / source.name), check=True, capture_output=True)
    made = {
        str(pydicom.dcmread(f, stop_before_pixels=True).file_meta.TransferSyntaxUID)
        for f in compressed.iterdir()
    }
    assert made == {syntax}
    assert scores(compressed, tmp_path) == uncompressed
    assert len(uncompressed) == 60
