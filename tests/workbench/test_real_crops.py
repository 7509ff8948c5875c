"""Crops of real series: voxels of a part against the slice that each was, by SimpleITK from its own file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from numpy.typing import NDArray
from pydicom import dcmread

from inference.pixels import PADDING_HU
from inference.series import ReadVolume, read_headers, read_part
from inference.workbench.crop import Form, _along_z, possible_forms, write_crop
from inference.workbench.limits import Limits
from inference.workbench.nifti import read_nifti
from inference.workbench.units import Unit, gathered
from tests.real_ct import unpack
from tests.workbench.test_nifti import RAS_TO_LPS

pytestmark = pytest.mark.data

POINTS = 60
"""Voxels of each slice that are looked up."""

SAME_MM = 0.06
"""How far a voxel may lie from its place: what the gate calls even is rounded to 0.1 mm."""

EXPECTED = {
    "abd-crlm-1006-ce": 1,
    "abdpel-tcga-bc-a10w-ce": 1,
    "head-qa-ge-tilt": 2,
    "mf-dcmqi-liver-crop": 2,
    "mip-acrin013-cor": 1,
    "mip-acrin013-sag": 1,
    "spine-taichi-ax": 11,
    "spine-taichi-sag": 1,
    "tilt-icometrix-a": 1,
    "tilt-icometrix-c": 0,
    "dup-icometrix-d": 0,
    "gap-icometrix-b": 0,
    "scout-taichi": 0,
}
"""Series to the volumes that can be read of it; positions repeated, a gap, two tilts, scouts have none."""


@dataclass(frozen=True)
class Judged:
    voxels: int
    farthest_mm: float


def volumes(folder: Path) -> list[tuple[ReadVolume, Unit]]:
    found = []
    with gathered(folder) as all_found:
        for unit in all_found.units:
            series = read_headers(unit.files)
            parts = [read_part(part, series) for part in series.judged.parts]
            found += [(read, unit) for read in parts if isinstance(read, ReadVolume)]
    return found


def middle_half(read: ReadVolume) -> Limits:
    """A quarter of the heights is cut off at each end."""
    _, z_mm = _along_z(read.volume.geometry)
    low, high = np.quantile(z_mm, [0.25, 0.75])
    return Limits(low_mm=float(low), high_mm=float(high), what="the middle half")


def judged(part: Path, read: ReadVolume, unit: Unit, first: tuple[int, int, int]) -> Judged:
    """Look voxels of the part up in the files of the slices; first: (k, j, i) of the part in the volume."""
    image = nibabel.load(part)
    values, affine = np.asarray(image.dataobj).T, RAS_TO_LPS @ image.affine
    files = {dcmread(p, specific_tags=["SOPInstanceUID"]).SOPInstanceUID: p for p in unit.files}
    rng, farthest, count = np.random.default_rng(3), 0.0, 0
    sources: dict[str, sitk.Image] = {}
    for k in range(len(values)):
        placed = read.volume.geometry.slices[first[0] + k]
        uid = placed.sop_instance_uid
        source = sources.setdefault(uid, sitk.ReadImage(str(files[uid])))
        hu = sitk.GetArrayViewFromImage(source)
        for j, i in rng.integers(0, values.shape[1:], size=(POINTS, 2)).tolist():
            point = (affine @ [i, j, k, 1])[:3]
            at = np.asarray(source.TransformPhysicalPointToContinuousIndex(point.tolist()))
            wanted = np.array([first[2] + i, first[1] + j, np.rint(at[2])])
            away = (at - wanted) * source.GetSpacing()
            farthest = max(farthest, float(np.linalg.norm(away)))
            theirs = hu[int(wanted[2]), int(wanted[1]), int(wanted[0])]
            assert values[k, j, i] == theirs or _is_padding(values[k, j, i], theirs), (uid, k, j, i)
            count += 1
        sources = {uid: source}
    return Judged(voxels=count, farthest_mm=farthest)


def _is_padding(ours: np.integer, theirs: np.integer) -> bool:
    return bool(ours == PADDING_HU and theirs < PADDING_HU)


def first_of(record: dict, read: ReadVolume, part: Path) -> tuple[int, int, int]:
    """(k, j, i) of a part: by its record along k, by its origin along the others."""
    g = read.volume.geometry
    origin = (RAS_TO_LPS @ nibabel.load(part).affine)[:3, 3]
    away = origin - np.asarray(g.slices[record["first_slice"]].position_mm)
    rows_mm, columns_mm = g.pixel_spacing_mm
    down, across = away @ np.asarray(g.column_direction), away @ np.asarray(g.row_direction)
    return record["first_slice"], round(down / rows_mm), round(across / columns_mm)


@pytest.mark.parametrize("name", EXPECTED)
def test_nifti_and_dicom_of_a_part_are_the_source_voxel_by_voxel(
    name: str, tmp_path: Path, record_property
) -> None:
    found = volumes(unpack(name, tmp_path / "ct"))
    assert len(found) == EXPECTED[name]
    for read, unit in found:
        out = tmp_path / f"{unit.key}.{read.volume.number}"
        forms = possible_forms(read, unit)
        assert Form.NIFTI in forms
        record = write_crop(read, unit, middle_half(read), forms, out)
        first = first_of(record, read, out / "volume.nii.gz")
        seen = judged(out / "volume.nii.gz", read, unit, first)
        assert seen.voxels == POINTS * (record["last_slice"] - record["first_slice"] + 1)
        assert seen.farthest_mm < SAME_MM
        record_property("judged", f"{seen.voxels} voxels, {seen.farthest_mm:.4f} mm at most")
        if Form.DICOM in forms:
            kept = read.volume.geometry.slices[record["first_slice"] : record["last_slice"] + 1]
            same_bytes(out / "dicom", [s.sop_instance_uid for s in kept], unit)


def same_bytes(folder: Path, uids: list[str], unit: Unit) -> None:
    originals = {dcmread(p, specific_tags=["SOPInstanceUID"]).SOPInstanceUID: p for p in unit.files}
    copies = sorted(folder.iterdir())
    assert [dcmread(p, specific_tags=["SOPInstanceUID"]).SOPInstanceUID for p in copies] == uids
    for path, uid in zip(copies, uids, strict=True):
        assert path.read_bytes() == originals[uid].read_bytes()


WHOLE = ["abd-crlm-1006-ce", "head-qa-ge-tilt", "mip-acrin013-cor", "spine-taichi-sag"]


@pytest.mark.parametrize("name", WHOLE)
def test_the_nifti_of_a_whole_series_is_the_same_volume_again(name: str, tmp_path: Path) -> None:
    everything = Limits(low_mm=-1e9, high_mm=1e9, what="everything")
    for read, unit in volumes(unpack(name, tmp_path / "ct")):
        write_crop(read, unit, everything, [Form.NIFTI], tmp_path / "out")
        again = read_nifti(tmp_path / "out" / "volume.nii.gz", "name").read
        assert isinstance(again, ReadVolume)
        assert np.array_equal(again.volume.voxels, read.volume.voxels)
        assert np.abs(corners(again) - corners(read)).max() < SAME_MM
        assert again.volume.geometry.tilt_deg == pytest.approx(read.volume.geometry.tilt_deg, abs=0.01)


def corners(read: ReadVolume) -> NDArray[np.float64]:
    """Where each slice's first voxel lies."""
    return np.asarray([s.position_mm for s in read.volume.geometry.slices])
