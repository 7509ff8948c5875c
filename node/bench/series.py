"""The instances that the receivers get: one simulated series, and copies of it under other UIDs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from hashlib import sha256
from pathlib import Path

from pydicom import dcmread
from pydicom.uid import generate_uid


def simulated(folder: Path, *, seed: int, slices: int, options: Sequence[str] = ()) -> list[Path]:
    """A simulated series; without options of 512 x 512 slices, about 530 kB each."""
    command = [sys.executable, "-m", "node", "simulate", str(folder), "--seed", str(seed)]
    subprocess.run([*command, "--region", "trunk", *options], check=True, stdout=subprocess.DEVNULL)
    return sorted(folder.glob("*.dcm"))[:slices]


def copies(files: Sequence[Path], folder: Path, *, series: int, instances: int) -> list[list[Path]]:
    """So many series of so many instances each, whose pixels are those of `files`, over and over."""
    made = []
    for number in range(series):
        uid = generate_uid()
        target = folder / f"ct-{number}"
        target.mkdir(parents=True)
        made.append([_copy(files[n % len(files)], target / f"{n:05}.dcm", uid, n) for n in range(instances)])
    return made


def _copy(file: Path, target: Path, series_instance_uid: str, number: int) -> Path:
    ds = dcmread(file)
    ds.SeriesInstanceUID, ds.InstanceNumber = series_instance_uid, number + 1
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.save_as(target)
    return target


def contents(files: Sequence[Path]) -> dict[str, str]:
    """SOP Instance UID -> SHA-256 of the pixels: what a receiver must have in the end."""
    with ProcessPoolExecutor() as pool:
        return dict(pool.map(content, files, chunksize=32))


def content(file: Path) -> tuple[str, str]:
    """The SOP Instance UID of a DICOM file, and the SHA-256 of its pixels."""
    ds = dcmread(file, specific_tags=["SOPInstanceUID", "PixelData"])
    return str(ds.SOPInstanceUID), sha256(ds.PixelData).hexdigest()
