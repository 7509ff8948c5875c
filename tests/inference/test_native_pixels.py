"""Pixels read from where they lie: the same voxels as pydicom's, whatever the bits."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian, RLELossless

from inference.instance_file import FolderFile
from inference.pixels import PixelSource, read_voxels
from inference.series import read_headers
from inference.volume import Geometry, Slice
from storage.header_scan import scan
from storage.records import PixelPlace
from tests.inference.series_factory import ct_slice, enhanced, save, set_pixels, stack_of
from tests.inference.worker import part10
from tests.real_ct import SERIES, unpack

INSTANCE = "1.2.3"


def place_in(path: Path) -> PixelPlace | None:
    """As the intake places it: from the data set, moved by the head of the file."""
    content = path.read_bytes()
    end = 144 + int.from_bytes(content[140:144], "little")
    syntax = str(dcmread(path, stop_before_pixels=True).file_meta.TransferSyntaxUID)
    found = scan(memoryview(content)[end:], syntax, b"key", len(content) - end)
    if found is None or found.pixels is None:
        return None
    return replace(found.pixels, offset=found.pixels.offset + end)


def both_ways(path: Path, geometry: Geometry) -> tuple[np.ndarray, np.ndarray]:
    """The voxels of one file by its place, and by pydicom."""
    place = place_in(path)
    assert place is not None
    source = PixelSource.of(FolderFile(path=path), dcmread(path, stop_before_pixels=True))
    uid = geometry.slices[0].sop_instance_uid
    placed = replace(source, file=FolderFile(path=path, pixels=place))
    return read_voxels(geometry, {uid: placed}), read_voxels(geometry, {uid: source})


def geometry_of(rows: int, columns: int, frames: int, slope: float, intercept: float) -> Geometry:
    read = [
        Slice(
            sop_instance_uid=INSTANCE,
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            frame=n,
            position_mm=(0.0, 0.0, float(n)),
            rescale_slope=slope,
            rescale_intercept=intercept,
        )
        for n in range(1, frames + 1)
    ]
    slices = tuple(reversed(read))  # not in the order of the file
    return Geometry(
        rows=rows,
        columns=columns,
        row_direction=(1.0, 0.0, 0.0),
        column_direction=(0.0, 1.0, 0.0),
        normal=(0.0, 0.0, 1.0),
        pixel_spacing_mm=(1.0, 1.0),
        spacing_mm=1.0,
        tilt_deg=0.0,
        frame_of_reference_uid="1.2.9",
        slices=slices,
    )


@settings(max_examples=80, deadline=None)
@given(
    bits_stored=st.integers(1, 16),
    is_signed=st.booleans(),
    words=st.integers(0, 2**32).map(lambda seed: np.random.default_rng(seed).integers(0, 65536, (3, 2, 5))),
    is_clean=st.booleans(),
    frames=st.integers(1, 3),
    syntax=st.sampled_from([ExplicitVRLittleEndian, ImplicitVRLittleEndian]),
    slope=st.sampled_from([1.0, 1.0, 1.0, 0.5, -1.0, 2.0]),
    intercept=st.sampled_from([-1024.0, 0.0, 1024.0, -8192.0, 32767.0, -40000.0, 0.25]),
    padding=st.sampled_from([None, -2000, 63536, 0, 5]),
)
def test_any_bits_are_read_as_pydicom_reads_them(
    tmp_path_factory: pytest.TempPathFactory, bits_stored: int, is_signed: bool, words: np.ndarray,
    is_clean: bool, frames: int, syntax: UID, slope: float, intercept: float, padding: int | None,
) -> None:  # fmt: skip
    """Bits above Bits Stored hold anything, or nothing."""
    ds = ct_slice((0, 0, 0), number=1)
    stored = (words[:frames] & ((1 << bits_stored) - 1 if is_clean else 0xFFFF)).astype("<u2")
    ds.SOPInstanceUID = INSTANCE
    ds.Rows, ds.Columns, ds.NumberOfFrames = 2, 5, frames
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = (
        16,
        bits_stored,
        bits_stored - 1,
        is_signed,
    )
    ds.PixelData = stored.tobytes()
    if padding is not None:
        ds.add_new("PixelPaddingValue", "SS" if padding < 0 else "US", padding)
    ds.file_meta.TransferSyntaxUID = syntax
    path = tmp_path_factory.getbasetemp() / "bits.dcm"
    path.write_bytes(b"".join(part10(ds)[:2]))

    ours, pydicoms = both_ways(path, geometry_of(2, 5, frames, slope, intercept))

    assert ours.tolist() == pydicoms.tolist()


def test_a_high_bit_that_is_not_below_bits_stored_is_left_to_pydicom(tmp_path: Path) -> None:
    (path,) = save([ct_slice((0, 0, 0), number=1)], tmp_path)
    assert place_in(path) is not None
    ds = dcmread(path)
    ds.BitsStored, ds.HighBit = 12, 15
    ds.save_as(path)
    assert place_in(path) is None


def test_only_the_frames_of_a_volume_are_read(tmp_path: Path) -> None:
    ds = enhanced(4)
    (path,) = save([ds], tmp_path)
    content = path.read_bytes()
    offset = content.index(ds.PixelData)
    place = PixelPlace(
        offset=offset, length=len(ds.PixelData), bits_stored=16, high_bit=15,
        signed=ds.PixelRepresentation == 1,
    )  # fmt: skip
    geometry = read_headers([path]).judged.parts[0].geometry
    assert geometry is not None
    middle = replace(geometry, slices=geometry.slices[1:3])
    source = PixelSource(file=FolderFile(path=path, pixels=place), transfer_syntax_uid=ExplicitVRLittleEndian)
    assert read_voxels(middle, {ds.SOPInstanceUID: source})[:, 0, 0].tolist() == [3 - 1000, 2 - 1000]


def test_compressed_pixels_whose_padding_is_not_known_yet_are_read_with_it(tmp_path: Path) -> None:
    ds = ct_slice((0, 0, 0), number=1)
    set_pixels(ds, np.array([[-2000, 40], [7, -2000]], dtype=np.int16))
    ds.add_new("PixelPaddingValue", "SS", -2000)
    ds.RescaleIntercept = 0
    ds.compress(RLELossless, generate_instance_uid=False)
    (path,) = save([ds], tmp_path)
    source = PixelSource(file=FolderFile(path=path), transfer_syntax_uid=RLELossless, is_padding_known=False)
    geometry = geometry_of(2, 2, 1, 1.0, 0.0)
    assert read_voxels(geometry, {INSTANCE: source})[0].tolist() == [[-1024, 40], [7, -1024]]


REAL = sorted(path.name.removesuffix(".tar.xz") for path in SERIES.glob("*.tar.xz"))


@pytest.mark.parametrize("name", REAL or [pytest.param("", marks=pytest.mark.skip("no real CT here"))])
def test_real_voxels_are_pydicoms(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = sorted(f for f in unpack(name, tmp_path_factory.getbasetemp()).rglob("*") if f.is_file())
    compared = 0
    for path in random.Random(2).sample(files, min(8, len(files))):
        ds = dcmread(path, stop_before_pixels=True)
        if place_in(path) is None or ds.get("PhotometricInterpretation") is None:
            continue
        slope, intercept = float(ds.get("RescaleSlope") or 1), float(ds.get("RescaleIntercept") or 0)
        geometry = geometry_of(ds.Rows, ds.Columns, int(ds.get("NumberOfFrames") or 1), slope, intercept)
        ours, pydicoms = both_ways(path, geometry)
        assert np.array_equal(ours, pydicoms)
        compared += 1
    if not compared:
        pytest.skip("no plain pixels in this series")


def test_a_file_that_ends_too_early_is_no_volume(tmp_path: Path) -> None:
    datasets = stack_of(1)
    (path,) = save(datasets, tmp_path)
    place = place_in(path)
    assert place is not None
    path.write_bytes(path.read_bytes()[:-2])
    source = PixelSource(file=FolderFile(path=path, pixels=place), transfer_syntax_uid=ExplicitVRLittleEndian)
    geometry = geometry_of(datasets[0].Rows, datasets[0].Columns, 1, 1.0, 0.0)
    with pytest.raises(EOFError, match="the file ends 2 bytes too early"):
        read_voxels(geometry, {INSTANCE: source})
