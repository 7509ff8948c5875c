"""The real series that the tests read where they are present: ../shared/data/dicom beside the repository."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "../shared/data"


def extracted(series: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files of a series, unpacked for this session; skips where the data are absent."""
    archive = DATA / "dicom" / f"{series}.tar.xz"
    if not archive.is_file():
        pytest.skip(f"real CT absent: {archive.name} is not in ../shared/data/dicom")
    folder = tmp_path_factory.getbasetemp() / "real" / series
    if not folder.exists():
        with tarfile.open(archive) as tar:
            tar.extractall(folder, filter="data")
    return folder
