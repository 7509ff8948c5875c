"""Synthetic series of nobody: made once by pydicom, then only UIDs, number, position and noise change.

The places of those values are found in the encoded data set, where each stands once with a fixed length.
"""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, MRImageStorage
from pynetdicom.dsutils import encode

SOP_CLASSES: Final = {"CT": str(CTImageStorage), "MR": str(MRImageStorage)}
DIGITS: Final = 21  # of a UID behind 2.25.; each is 26 characters long
POSITION: Final = "{:010.3f}"
MARK: Final = {"instance": 7, "series": 8, "study": 9, "frame": 6}  # place-holders: a digit, repeated
NOISE: Final = b"noise that is replaced for each."  # 32 bytes at the start of the pixels


@dataclass(frozen=True, kw_only=True)
class Sent:
    """One instance as it is sent."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    data_set: bytes
    digest: str  # of the data set, hexadecimal: SHA-256 unless `Content` was told otherwise


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What one series is."""

    modality: str  # CT or MR
    size: int  # rows and columns
    positions_mm: tuple[float, ...]  # of its slices

    @property
    def sop_class_uid(self) -> str:
        return SOP_CLASSES[self.modality]


def sha256(data_set: bytes) -> str:
    """Hexadecimal."""
    return hashlib.sha256(data_set).hexdigest()


def uid(*numbers: int) -> str:
    """A UID of always 26 characters: run (6 digits), sender (2), series (6), instance (6)."""
    run, sender, series, instance = numbers
    return f"2.25.1{run:06}{sender:02}{series:06}{instance:06}"


def _placeholder(name: str) -> str:
    return "2.25." + str(MARK[name]) * DIGITS


def _data_set(modality: str, size: int) -> bytes:
    ds = Dataset()
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.SOPClassUID, ds.SOPInstanceUID = SOP_CLASSES[modality], _placeholder("instance")
    ds.StudyDate, ds.StudyTime, ds.AccessionNumber = "20200101", "120000", "0"
    ds.Modality, ds.Manufacturer, ds.PatientName, ds.PatientID = modality, "NOBODY", "NOBODY", "0"
    ds.PatientBirthDate, ds.PatientSex, ds.PatientPosition = "", "", "HFS"
    ds.SliceThickness, ds.StudyID = "2.5", ""
    ds.StudyInstanceUID, ds.SeriesInstanceUID = _placeholder("study"), _placeholder("series")
    ds.SeriesNumber, ds.InstanceNumber = "1", "123456"
    ds.FrameOfReferenceUID = _placeholder("frame")
    ds.ImagePositionPatient = ["-100", "-100", POSITION.format(777777.777)]
    ds.ImageOrientationPatient = ["1", "0", "0", "0", "1", "0"]
    ds.Rows, ds.Columns, ds.PixelSpacing = size, size, ["0.75", "0.75"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.RescaleIntercept, ds.RescaleSlope = "-1024", "1"
    values = np.random.default_rng(size).integers(0, 4096, size * size, dtype="<u2").tobytes()
    ds.PixelData = NOISE + values[len(NOISE) :]
    ds["PixelData"].VR = "OW"
    encoded = encode(ds, False, True)
    assert encoded is not None
    return encoded


class Template:
    """An encoded data set and the places in it that differ between instances."""

    def __init__(self, modality: str, size: int) -> None:
        self._content = _data_set(modality, size)
        marks = {name: _placeholder(name).encode() for name in MARK}
        marks |= {"number": b"123456", "position": POSITION.format(777777.777).encode(), "noise": NOISE}
        self._places = {name: (self._content.index(mark), len(mark)) for name, mark in marks.items()}
        for name, mark in marks.items():
            assert self._content.count(mark) == 1, name

    def instance(self, **values: bytes) -> bytes:
        """The data set with each place filled; a value has the length of its place."""
        made = bytearray(self._content)
        for name, value in values.items():
            at, length = self._places[name]
            assert len(value) == length, name
            made[at : at + length] = value
        return bytes(made)


class Content:
    """Makes series; the templates are shared."""

    def __init__(self, run: int, sender: int, digest: Callable[[bytes], str] = sha256) -> None:
        self._run, self._sender, self._digest = run, sender, digest
        self._templates: dict[tuple[str, int], Template] = {}

    def series(self, number: int, plan: Plan) -> Iterator[Sent]:
        """Every instance of one series, one after the other."""
        template = self._templates.setdefault((plan.modality, plan.size), Template(plan.modality, plan.size))
        series = uid(self._run, self._sender, number, 0)
        for index, position_mm in enumerate(plan.positions_mm, 1):
            instance = uid(self._run, self._sender, number, index)
            data_set = template.instance(
                instance=instance.encode(),
                series=series.encode(),
                study=uid(self._run, self._sender, number, 999_999).encode(),
                frame=uid(self._run, self._sender, number, 999_998).encode(),
                number=f"{index:<6}".encode(),
                position=POSITION.format(position_mm).encode(),
                noise=os.urandom(len(NOISE)),
            )
            yield Sent(
                sop_class_uid=plan.sop_class_uid,
                sop_instance_uid=instance,
                series_instance_uid=series,
                data_set=data_set,
                digest=self._digest(data_set),
            )


def random_plan(chance: random.Random) -> Plan:
    """Mostly small series: MR, of which nothing is analysed, and CT with a gap, which the gate holds."""
    size = chance.choices((64, 128, 512), (80, 15, 5))[0]
    slices = chance.randint(4, 16)
    if chance.random() < 0.5:
        return Plan(modality="MR", size=size, positions_mm=tuple(2.5 * i for i in range(slices)))
    return Plan(modality="CT", size=size, positions_mm=tuple(2.5 * i + 40 * (i > 1) for i in range(slices)))
