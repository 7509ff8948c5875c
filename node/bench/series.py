"""The instances that the receivers get: one simulated series, and copies of it under other UIDs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydicom import dcmread
from pydicom.uid import generate_uid

SERIES_MOST: Final = 500
"""Instances of a series: a CT has hundreds, not thousands."""
CHUNK: Final = 32
"""Files that a process takes at once."""


def simulated(folder: Path, *, seed: int, slices: int, options: Sequence[str] = ()) -> list[Path]:
    """A simulated series; without options of 512 x 512 slices, about 530 kB each."""
    command = [sys.executable, "-m", "node", "simulate", str(folder), "--seed", str(seed)]
    subprocess.run([*command, "--region", "trunk", *options], check=True, stdout=subprocess.DEVNULL)
    return sorted(folder.glob("*.dcm"))[:slices]


def copies(files: Sequence[Path], folder: Path, *, senders: int, instances: int) -> list[list[Path]]:
    """So many instances for each sender, whose pixels are those of `files`, over and over."""
    made = []
    with ProcessPoolExecutor() as pool:
        for number in range(senders):
            target = folder / f"ct-{number}"
            target.mkdir(parents=True)
            series = [generate_uid() for _ in range(0, instances, SERIES_MOST)]
            made.append(
                list(pool.map(partial(_copy, files, target, series), range(instances), chunksize=CHUNK))
            )
    return made


def _copy(files: Sequence[Path], folder: Path, series: Sequence[str], number: int) -> Path:
    ds, target = dcmread(files[number % len(files)]), folder / f"{number:05}.dcm"
    ds.SeriesInstanceUID, ds.InstanceNumber = series[number // SERIES_MOST], number % SERIES_MOST + 1
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    ds.save_as(target)
    return target


def contents(files: Sequence[Path]) -> dict[Path, tuple[str, str]]:
    """File -> SOP Instance UID and SHA-256 of the pixels: what a receiver must have in the end."""
    with ProcessPoolExecutor() as pool:
        return dict(zip(files, pool.map(content, files, chunksize=CHUNK), strict=True))


def content(file: Path) -> tuple[str, str]:
    """The SOP Instance UID of a DICOM file, and the SHA-256 of its pixels."""
    ds = dcmread(file, specific_tags=["SOPInstanceUID", "PixelData"])
    return str(ds.SOPInstanceUID), sha256(ds.PixelData).hexdigest()
