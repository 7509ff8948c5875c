"""The three peers as a user runs them, with their default settings: what they make of a folder.

dcm2niix is a program; SimpleITK and dicom2nifti are libraries called as their documentation shows. Default
settings throughout, but for output files that nobody reads (compression, sidecars).
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from tests.edges.phantom import Points, sampled

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
TELLING = re.compile(
    r"warning|error|not stacked|removed|missing|unable|unsupported|nonuniformity", re.IGNORECASE
)
"""Lines of a program's output that say something of the data."""

NOISE = re.compile(r"Unable to determine manufacturer|WARNING: In /|Empty protocol name|using 0028,1053")
"""Lines that do so only seemingly: the phantom's scanner is no known maker, and has no protocols."""

CHANGING = (
    (re.compile(r"\(0x[0-9a-f]+\)"), ""),
    (re.compile(r"/\S*/(\S+)"), r"\1"),
    (re.compile(r"\s+"), " "),
)
"""What is not the same in two runs."""

SAID_AT_MOST = 8


@dataclass(frozen=True, kw_only=True)
class Output:
    """One volume that a peer made."""

    name: str  # file name or series, for people
    voxels: NDArray[Any]  # (i, j, k)
    affine: NDArray[np.float64]  # 4 x 4, ijk -> LPS mm

    def hu_at(self, points_mm: Points) -> NDArray[np.float64]:
        """Values at places of the patient, (n, 3) -> (n,); NaN outside."""
        return sampled(self.voxels, self.ijk(points_mm))

    def ijk(self, points_mm: Points) -> NDArray[np.float64]:
        """Grid coordinates of places, (n, 3) -> (n, 3)."""
        coordinates: NDArray[np.float64] = (points_mm - self.affine[:3, 3]) @ np.linalg.pinv(
            self.affine[:3, :3]
        ).T
        return coordinates

    @property
    def shape(self) -> str:
        """Voxels along i, j and k, for people."""
        return " x ".join(str(n) for n in self.voxels.shape)


@dataclass(frozen=True, kw_only=True)
class Made:
    """What one peer made of one folder, and what it said."""

    outputs: tuple[Output, ...]
    said: tuple[str, ...]  # warnings and errors, in order
    error: str  # why it stopped; empty where it did not


def dcm2niix(folder: Path) -> Made:
    """`dcm2niix -z n -b n`: uncompressed, no sidecar, else as installed."""
    from dcm2niix import bin as program

    with tempfile.TemporaryDirectory() as out:
        command = [program, "-z", "n", "-b", "n", "-f", "v", "-o", out, str(folder)]
        run = subprocess.run(
            command, capture_output=True, text=True, timeout=120, check=False, env=_home(out)
        )
        outputs = tuple(o for path in sorted(Path(out).glob("*.nii")) for o in _nifti(path))
    lines = [line for line in (run.stdout + run.stderr).splitlines() if TELLING.search(line)]
    error = f"exit status {run.returncode}" if run.returncode else ""
    return Made(outputs=outputs, said=cleaned(lines), error=error)


def simpleitk(folder: Path) -> Made:
    """Every series that GDCM names in the folder, each through ImageSeriesReader."""
    outputs: list[Output] = []
    errors: list[str] = []
    with _stderr() as said:
        try:
            for uid in sitk.ImageSeriesReader.GetGDCMSeriesIDs(str(folder)):
                reader = sitk.ImageSeriesReader()
                reader.SetFileNames(sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder), uid))
                outputs += _itk(reader.Execute(), uid)
        except RuntimeError as error:
            errors.append(_cause(str(error)))
    return Made(outputs=tuple(outputs), said=cleaned(said), error="; ".join(errors))


def dicom2nifti(folder: Path) -> Made:
    """`dicom2nifti.dicom_series_to_nifti(folder, file)`."""
    from dicom2nifti.convert_dicom import dicom_series_to_nifti

    said: list[str] = []
    with tempfile.TemporaryDirectory() as out, _logged(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        file = Path(out) / "v.nii"
        try:
            dicom_series_to_nifti(str(folder), str(file))
        except Exception as error:  # noqa: BLE001 whatever it raises is what its user sees
            return Made(outputs=(), said=cleaned(said), error=f"{type(error).__name__}: {_last(str(error))}")
        return Made(outputs=tuple(_nifti(file)), said=cleaned(said), error="")


PEERS: dict[str, Callable[[Path], Made]] = {
    "dcm2niix": dcm2niix,
    "SimpleITK": simpleitk,
    "dicom2nifti": dicom2nifti,
}
"""By the name under which the table shows them."""


def _nifti(path: Path) -> Iterator[Output]:
    """The volumes of a NIfTI file, one per time point, scaled by its header, in LPS."""
    import nibabel

    image = nibabel.load(path)
    if image.get_data_dtype().fields:
        return  # colour: nobody takes it for HU
    voxels, affine = np.asarray(image.dataobj), RAS_TO_LPS @ image.affine
    voxels = voxels.reshape(*(*voxels.shape, 1)[:3], -1)
    for t in range(voxels.shape[3]):
        yield Output(name=path.name.removesuffix(".nii"), voxels=voxels[..., t], affine=affine)


def _itk(image: sitk.Image, name: str) -> Iterator[Output]:
    if image.GetNumberOfComponentsPerPixel() > 1:
        return  # colour: nobody takes it for HU
    voxels = sitk.GetArrayFromImage(image).T  # i, j, k and, of a series of multi-frame files, one more
    dimensions = image.GetDimension()
    affine = np.eye(dimensions + 1)
    affine[:-1, :-1] = np.asarray(image.GetDirection()).reshape(dimensions, -1) * np.asarray(
        image.GetSpacing()
    )
    affine[:-1, -1] = image.GetOrigin()
    kept = [0, 1, 2, dimensions]
    for t in np.ndindex(voxels.shape[3:]):
        yield Output(name=name, voxels=voxels[..., *t], affine=affine[np.ix_(kept, kept)])


def _home(folder: str) -> dict[str, str]:
    """The environment, with a home of its own: a user's defaults file would change the result."""
    return {**os.environ, "HOME": folder}


def cleaned(lines: Iterable[str]) -> tuple[str, ...]:
    """Lines without noise and without what changes from run to run, each once."""
    kept: dict[str, None] = {}
    for line in lines:
        if NOISE.search(line) or not re.search(r"[a-z]{3}", line):
            continue
        for pattern, replacement in CHANGING:
            line = pattern.sub(replacement, line)
        kept[line.strip()] = None
    return tuple(kept)[:SAID_AT_MOST]


def _last(message: str) -> str:
    """The last line of a message, where Python's libraries put the cause."""
    return message.strip().splitlines()[-1].strip() if message.strip() else ""


def _cause(message: str) -> str:
    """The second line of a message, after the place in the source: where ITK puts the cause."""
    lines = [*message.strip().splitlines(), ""]
    return lines[1].split(". ")[0] or lines[0]


@contextlib.contextmanager
def _stderr() -> Iterator[list[str]]:
    """What the process writes to its standard error, C++ included, as lines; filled in at the end."""
    said: list[str] = []
    sys.stderr.flush()
    with tempfile.TemporaryFile(mode="w+b") as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(kept, 2)
            os.close(kept)
            file.seek(0)
            said += [
                line.strip() for line in file.read().decode(errors="replace").splitlines() if line.strip()
            ]


@contextlib.contextmanager
def _logged(said: list[str]) -> Iterator[None]:
    """dicom2nifti's warnings."""

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, handler = logging.getLogger("dicom2nifti"), Keep(level=logging.WARNING)
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate
