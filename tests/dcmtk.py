"""DCMTK's programs: pynetdicom installs scripts of the same names, which are not meant."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

ELF = b"\x7fELF"


def find(program: str) -> str | None:
    """The path of DCMTK's program; None where it is not installed."""
    for folder in os.environ["PATH"].split(os.pathsep):
        path = shutil.which(program, path=folder)
        if path is not None and Path(path).read_bytes()[:4] == ELF:
            return path
    return None
