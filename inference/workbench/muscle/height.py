"""The patient's height, from the file: nothing else of the patient is read, and nothing is logged."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydicom import dcmread

from storage.geometry.frames import PARSE_ERRORS

ADULT_M: Final = (1.2, 2.3)
"""A height outside of it was typed wrong, in centimetres or inches, or is a child's."""


def height_m(file: Path) -> tuple[float | None, str]:
    """Patient's Size (0010,1020) in m, and a remark; None where it is absent or cannot be.

    Args:
        file: of the series; one that is no DICOM has no height.
    """
    try:
        told = dcmread(file, stop_before_pixels=True, specific_tags=["PatientSize"]).get("PatientSize")
        height = None if told is None else float(told)
    except (*PARSE_ERRORS, OSError, TypeError):
        return None, "Patient's Size (0010,1020) cannot be read: no index"
    if height is None:
        return None, "Patient's Size (0010,1020) is absent: no index"
    if not ADULT_M[0] <= height <= ADULT_M[1]:
        return None, f"Patient's Size (0010,1020) is {height:g} m: no index"
    return height, ""
