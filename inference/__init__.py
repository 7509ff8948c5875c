"""From a completed series to findings and result objects. It never opens a network connection.

`analyze` is the whole of it for a program: a path in, one typed report a volume out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inference.workbench.volume_reports import VolumeReport

__all__ = ["analyze"]


def analyze(path: str | Path, *, device: str = "auto") -> list[VolumeReport]:
    """Say what each CT volume below a path shows. Not for diagnosis; research software.

    Args:
        path: a DICOM file, a NIfTI file (.nii, .nii.gz), a DICOMDIR, a zip archive, or a folder of such files
            searched to any depth, zip archives in it too.
        device: "cpu", "cuda", "cuda:N", or "auto" for CUDA where there is one.

    Returns:
        One report for each volume, in order of Series Instance UID and volume number. What is not analysed
        is there too, with its reason; nothing is raised for it.

    Raises:
        FileNotFoundError: the path is not there.
        Refused, Unreadable, OutOfSpace: an archive or a DICOMDIR cannot be read, or is not safe to unpack.
        ConfigError: the device or the weights are not there.
    """
    from inference.workbench.analysing import analyze as run  # torch is loaded here, and not before

    where = Path(path)
    if not where.exists():
        raise FileNotFoundError(where)
    return run(where, device)
