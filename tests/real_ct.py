"""Real CT series for the tests, unpacked from beside the repository; never a part of it."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[1].parent / "shared" / "data"
SERIES = DATA / "dicom"


def unpack(name: str, folder: Path) -> Path:
    """The folder of a series' DICOM files; the test is skipped, with the reason, where there are none."""
    archive = SERIES / f"{name}.tar.xz"
    if not archive.exists():
        pytest.skip(f"real CT not found: ../shared/data/dicom/{archive.name}")
    target = folder / name
    if not target.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return target if target.exists() else folder
