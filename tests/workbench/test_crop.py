from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from pydicom import dcmread

from inference.pixels import PADDING_HU
from inference.series import ReadVolume, volumes_of
from inference.workbench.crop import Form, block_of, possible_forms, write_crop
from inference.workbench.limits import Limits
from inference.workbench.units import Unit
from storage.errors import Refused
from tests.inference.series_factory import (
    CORONAL,
    SAGITTAL,
    ct_slice,
    enhanced,
    save,
    set_pixels,
    stack_of,
    uid,
)
from tests.real_ct import unpack

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def limits(low: float, high: float) -> Limits:
    return Limits(low_mm=low, high_mm=high, what="test")


def unit_of(paths: list[Path]) -> Unit:
    return Unit(key=uid("series"), files=tuple(paths))


def read_of(paths: list[Path]) -> ReadVolume:
    read = next(iter(volumes_of(paths)))
    assert isinstance(read, ReadVolume)
    return read


def made(folder: Path, **stack: object) -> list[Path]:
    """A stack of eight whose every pixel is another, in shuffled files."""
    datasets = stack_of(8, spacing_mm=4.0, origin=(-90.0, -80.0, 100.0), **stack)
    for n, ds in enumerate(datasets):
        set_pixels(ds, (np.arange(6 * 5, dtype=np.uint16) * 9 + n * 300).reshape(6, 5))
    return save([datasets[n] for n in (3, 0, 7, 1, 6, 2, 5, 4)], folder)


def judged(paths: list[Path]) -> sitk.Image:
    """The series by GDCM and SimpleITK."""
    folder = str(paths[0].parent)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(folder))
    return reader.Execute()


def assert_same_in_patient_space(part: sitk.Image, whole: sitk.Image) -> int:
    """Every voxel of a part lies on a voxel of the whole, and has its value, or is padding; says how many."""
    values = sitk.GetArrayViewFromImage(part)
    of_whole = sitk.GetArrayViewFromImage(whole)
    indices = np.asarray(list(np.ndindex(values.shape))) if values.size < 5000 else _some(values.shape)
    for k, j, i in indices.tolist():
        point = part.TransformIndexToPhysicalPoint((i, j, k))
        at = whole.TransformPhysicalPointToContinuousIndex(point)
        assert np.allclose(at, np.rint(at), atol=0.01), (at, point)
        x, y, z = (int(n) for n in np.rint(at))
        padded = values[k, j, i] == PADDING_HU and of_whole[z, y, x] < PADDING_HU
        assert padded or values[k, j, i] == of_whole[z, y, x]
    return len(indices)


def _some(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(1).integers(0, shape, size=(4000, 3))


def test_the_instances_of_a_range_are_copied_byte_for_byte(tmp_path: Path) -> None:
    paths = made(tmp_path / "ct")
    record = write_crop(read_of(paths), unit_of(paths), limits(107.9, 120.1), list(Form), tmp_path / "out")
    originals = {dcmread(p).SOPInstanceUID: p.read_bytes() for p in paths}
    copies = sorted((tmp_path / "out" / "dicom").iterdir())
    assert [float(dcmread(p).ImagePositionPatient[2]) for p in copies] == [108, 112, 116, 120]
    assert all(originals[dcmread(p).SOPInstanceUID] == p.read_bytes() for p in copies)
    assert (record["first_slice"], record["last_slice"], record["of_slices"]) == (2, 5, 8)
    assert record["files"] == [f"dicom/IM0000{n}.dcm" for n in (1, 2, 3, 4)] + ["volume.nii.gz"]
    assert json.loads((tmp_path / "out" / "crop.json").read_text()) == record


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (-1, 0, 0, 0, 1, 0), CORONAL, SAGITTAL])
def test_every_voxel_lies_where_it_lay(orientation, tmp_path: Path) -> None:
    paths = made(tmp_path / "ct", orientation=orientation)
    read = read_of(paths)
    heights = sorted(s.position_mm[2] for s in read.volume.geometry.slices)
    by_rows = (97.9, 100.1)  # rows run downwards from 100 mm, 0.7 mm apart
    low, high = by_rows if heights[0] == heights[-1] else (heights[1], heights[-2])
    write_crop(read, unit_of(paths), limits(low, high), [Form.NIFTI], tmp_path / "out")
    part = sitk.ReadImage(str(tmp_path / "out" / "volume.nii.gz"))
    count = assert_same_in_patient_space(part, judged(paths))
    assert count == {CORONAL: 4 * 5 * 8, SAGITTAL: 4 * 5 * 8}.get(orientation, 6 * 5 * 6)


def test_a_tilted_gantry_keeps_its_shear(tmp_path: Path) -> None:
    paths = made(tmp_path / "ct", step=(0.0, 1.0, 4.0))
    read = read_of(paths)
    write_crop(read, unit_of(paths), limits(0, 1000), [Form.NIFTI], tmp_path / "out")
    image = nibabel.load(tmp_path / "out" / "volume.nii.gz")
    affine = RAS_TO_LPS @ image.get_sform()
    assert image.header["qform_code"] == 0
    for k, placed in enumerate(read.volume.geometry.slices):
        assert np.allclose((affine @ [0, 0, k, 1])[:3], placed.position_mm, atol=1e-4)


def test_a_range_without_slices_is_refused_with_both_ranges(tmp_path: Path) -> None:
    read = read_of(made(tmp_path))
    with pytest.raises(Refused, match=r"no slice lies between 10\.0 and 20\.0 mm; .* 100\.0 to 128\.0 mm"):
        block_of(read.volume.geometry, limits(10, 20))


def test_instances_are_not_cut(tmp_path: Path) -> None:
    sagittal = made(tmp_path / "ct", orientation=SAGITTAL)
    with pytest.raises(Refused, match="not axial"):
        write_crop(read_of(sagittal), unit_of(sagittal), limits(97.9, 100.1), [Form.DICOM], tmp_path / "out")
    assert possible_forms(read_of(sagittal), unit_of(sagittal)) == [Form.NIFTI]
    (frames,) = save([enhanced(6)], tmp_path / "frames")
    read = read_of([frames])
    with pytest.raises(Refused, match="frames of one instance"):
        write_crop(read, unit_of([frames]), limits(-7.6, -2.4), [Form.DICOM], tmp_path / "out2")
    assert possible_forms(read, unit_of([frames])) == [Form.NIFTI]


def test_uneven_slices_have_no_affine(tmp_path: Path) -> None:
    heights = np.cumsum([0.0, 0.9, *[1.0] * 11, *[1.1] * 9])  # a drift that the gate accepts
    read = read_of(save([ct_slice((0, 0, float(z)), number=n) for n, z in enumerate(heights, 1)], tmp_path))
    assert read.volume.geometry.regular is False
    assert possible_forms(read, unit_of([])) == [Form.DICOM]
    with pytest.raises(Refused, match="unevenly spaced"):
        write_crop(read, unit_of([]), limits(0, 100), [Form.NIFTI], tmp_path / "out")


@pytest.mark.data
@pytest.mark.parametrize("name", ["abd-crlm-1006-ce", "abdpel-tcga-bc-a10w-ce", "spine-taichi-sag"])
def test_real_series_agree_voxel_by_voxel(name: str, tmp_path: Path) -> None:
    folder = unpack(name, tmp_path / "ct")
    reader = sitk.ImageSeriesReader()
    uids = {dcmread(p, specific_tags=["SOPInstanceUID"]).SOPInstanceUID: p for p in sorted(folder.rglob("*"))
            if p.is_file()}  # fmt: skip
    read = read_of(list(uids.values()))
    g = read.volume.geometry
    reader.SetFileNames([str(uids[s.sop_instance_uid]) for s in g.slices])
    whole = reader.Execute()
    corner = (np.asarray(g.slices[0].position_mm)[2] + np.asarray(g.slices[-1].position_mm)[2]) / 2
    low, high = (corner - 40, corner + 40) if "sag" not in name else (corner - 120, corner - 40)
    unit = unit_of(list(uids.values()))
    write_crop(read, unit, limits(low, high), possible_forms(read, unit), tmp_path / "out")
    part = sitk.ReadImage(str(tmp_path / "out" / "volume.nii.gz"))
    assert assert_same_in_patient_space(part, whole) == 4000
    copies = sorted((tmp_path / "out" / "dicom").glob("*"))
    if "sag" not in name:
        reader.SetFileNames([str(p) for p in copies])
        assert assert_same_in_patient_space(part, reader.Execute()) == 4000
        assert part.GetSize()[2] == len(copies)
