from __future__ import annotations

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest

from inference.series import ReadVolume, volumes_of
from inference.workbench.nifti import read_nifti
from inference.workbench.nifti_header import parse
from inference.workbench.nifti_write import affine_of, nifti
from storage.errors import Refused, Unreadable
from tests.inference.series_factory import AXIAL, CORONAL, SAGITTAL, save, stack_of

RAS_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def voxels(shape: tuple[int, int, int] = (5, 6, 4)) -> np.ndarray:
    """(i, j, k), each its own value, air and tissue."""
    return (np.arange(np.prod(shape), dtype=np.int16) * 7 - 900).reshape(shape)


def written(path: Path, affine: np.ndarray, data: np.ndarray | None = None, **codes: int) -> Path:
    image = nibabel.Nifti1Image(voxels() if data is None else data, affine)
    image.header.set_xyzt_units("mm")
    image.set_sform(affine, codes.get("sform", 1))
    image.set_qform(affine, codes.get("qform", 1))
    nibabel.save(image, path)
    return path


def turned(x: float, y: float, z: float, spacing: tuple[float, float, float]) -> np.ndarray:
    """RAS affine with signs along x, y, z, and an origin."""
    affine = np.diag([x * spacing[0], y * spacing[1], z * spacing[2], 1.0])
    affine[:3, 3] = 12.5, -30.25, 410.0
    return affine


def place_of(read: ReadVolume, k: int, j: int, i: int) -> np.ndarray:
    g = read.volume.geometry
    rows_mm, columns_mm = g.pixel_spacing_mm
    along = np.asarray(g.row_direction) * columns_mm * i + np.asarray(g.column_direction) * rows_mm * j
    return np.asarray(g.slices[k].position_mm) + along


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1), (-1, 1, 1), (1, -1, -1), (-1, -1, -1)])
@pytest.mark.parametrize("suffix", [".nii", ".nii.gz"])
def test_every_voxel_lies_where_nibabel_says(signs, suffix: str, tmp_path: Path) -> None:
    affine = turned(*signs, spacing=(0.8, 0.7, 2.5))
    path = written(tmp_path / f"a{suffix}", affine)
    read = read_nifti(path, "name").read
    assert isinstance(read, ReadVolume)
    judge = nibabel.load(path)
    data, to_lps = np.asarray(judge.dataobj), RAS_TO_LPS @ judge.affine
    seen = set()
    for k, j, i in np.ndindex(read.volume.voxels.shape):
        index = np.linalg.inv(to_lps) @ [*place_of(read, k, j, i), 1]
        nearest = tuple(int(n) for n in np.rint(index[:3]))
        assert np.allclose(index[:3], nearest, atol=1e-3)
        assert read.volume.voxels[k, j, i] == data[nearest]
        seen.add(nearest)
    assert len(seen) == data.size


def test_an_oblique_affine_is_kept(tmp_path: Path) -> None:
    turn = np.radians(20)
    affine = np.eye(4)
    affine[:3, :3] = [[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]]
    affine[:3, :3] *= [-0.8, -0.8, 3.0]
    read = read_nifti(written(tmp_path / "a.nii", affine), "name").read
    assert isinstance(read, ReadVolume)
    assert np.allclose(affine_of(read.volume.geometry), RAS_TO_LPS @ affine, atol=1e-5)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL])
def test_dicom_and_the_nifti_of_it_are_the_same_volume(orientation, tmp_path: Path) -> None:
    (own,) = volumes_of(save(stack_of(4, orientation=orientation, origin=(-90, -80, 70)), tmp_path / "ct"))
    path = tmp_path / "a.nii.gz"
    path.write_bytes(nifti(own.volume.voxels, affine_of(own.volume.geometry)))
    judge = nibabel.load(path)
    assert np.allclose(RAS_TO_LPS @ judge.get_sform(), affine_of(own.volume.geometry), atol=1e-4)
    assert np.allclose(judge.get_qform(), judge.get_sform(), atol=1e-4)
    assert np.array_equal(np.asarray(judge.dataobj).T, own.volume.voxels)
    again = read_nifti(path, "name").read
    assert np.array_equal(again.volume.voxels, own.volume.voxels)
    assert np.allclose(again.volume.geometry.z_mm, own.volume.geometry.z_mm, atol=1e-4)
    assert np.allclose(again.volume.geometry.row_direction, own.volume.geometry.row_direction)


def test_slices_are_named_by_their_place_in_the_file(tmp_path: Path) -> None:
    read = read_nifti(written(tmp_path / "a.nii", turned(-1, -1, -1, (1, 1, 2))), "nifti-x").read
    assert [s.sop_instance_uid for s in read.volume.geometry.slices] == [f"nifti-x#{k}" for k in (3, 2, 1, 0)]


def test_the_scale_is_applied(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(voxels(), turned(-1, -1, 1, (1, 1, 2)))
    image.header.set_slope_inter(0.5, -10)
    nibabel.save(image, tmp_path / "a.nii")
    header = parse((tmp_path / "a.nii").read_bytes()[:540])
    assert (header.slope, header.intercept) == (0.5, -10.0)
    read = read_nifti(tmp_path / "a.nii", "name").read
    judged = np.rint(np.asarray(nibabel.load(tmp_path / "a.nii").dataobj)).T
    assert np.array_equal(read.volume.voxels, judged)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64, np.uint16])
def test_types_and_byte_orders(dtype, tmp_path: Path) -> None:
    data = (voxels() % 2000).astype(dtype)
    for order, kind in (("<", nibabel.Nifti1Image), (">", nibabel.Nifti1Image), ("<", nibabel.Nifti2Image)):
        header = kind.header_class(endianness=order)
        image = kind(data, turned(-1, -1, 1, (1, 1, 2)), header)
        image.header.set_data_dtype(np.dtype(dtype).newbyteorder(order))
        nibabel.save(image, tmp_path / "a.nii")
        made = read_nifti(tmp_path / "a.nii", "name").read
        shown = made.volume.voxels if isinstance(made, ReadVolume) else None
        assert shown is not None
        assert np.array_equal(shown, data.T.astype(np.int16))


def test_qform_alone_places_it(tmp_path: Path) -> None:
    affine = turned(-1, 1, 1, (0.8, 0.7, 2.5))
    made = read_nifti(written(tmp_path / "a.nii", affine, sform=0), "name")
    assert "orientation by NIfTI qform" in made.notes
    assert np.isclose(np.abs(np.linalg.det(affine_of(made.read.volume.geometry)[:3, :3])), 0.8 * 0.7 * 2.5)


def test_what_cannot_be_told_is_said(tmp_path: Path) -> None:
    notes = read_nifti(written(tmp_path / "a.nii", turned(-1, -1, 1, (1, 1, 2))), "name").notes
    assert any(
        "Body Part Examined, contrast agent, kernel and manufacturer are not known" in n for n in notes
    )


def test_sform_and_qform_that_differ_are_noted_and_mirrored_ones_refused(tmp_path: Path) -> None:
    one = turned(-1, -1, 1, (1, 1, 2))
    image = nibabel.Nifti1Image(voxels(), one)
    for other, words in (
        (turned(-1, -1, 1, (1, 1, 3)), "up to 3.0 mm apart"),
        (turned(1, -1, 1, (1, 1, 2)), ""),
    ):
        image.set_sform(one, 1)
        image.set_qform(other, 1)
        nibabel.save(image, tmp_path / "a.nii")
        if words:
            assert any(words in note for note in read_nifti(tmp_path / "a.nii", "name").notes)
        else:
            with pytest.raises(Refused, match="left and right cannot be told"):
                read_nifti(tmp_path / "a.nii", "name")


def test_no_orientation_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nii", turned(-1, -1, 1, (1, 1, 2)), sform=0, qform=0)
    with pytest.raises(Refused, match="which way the patient lies cannot be told"):
        read_nifti(path, "name")


def test_several_volumes_in_a_file_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nii", np.diag([-1, -1, 1, 1]), data=np.zeros((4, 4, 4, 2), np.int16))
    with pytest.raises(Refused, match="one volume a file"):
        read_nifti(path, "name")


def test_a_file_that_ends_too_early_is_unreadable(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nii", turned(-1, -1, 1, (1, 1, 2)))
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(Unreadable, match="ends 3 bytes too early"):
        read_nifti(path, "name")
    packed = tmp_path / "b.nii.gz"
    packed.write_bytes(gzip.compress(path.read_bytes())[:-20])
    with pytest.raises(Unreadable, match="cannot be read: EOFError"):
        read_nifti(packed, "name")
    path.write_bytes(b"no NIfTI" * 100)
    with pytest.raises(Unreadable, match="not a NIfTI file"):
        read_nifti(path, "name")


def test_values_that_are_no_numbers_become_air_and_are_counted(tmp_path: Path) -> None:
    data = voxels().astype(np.float32)
    data[0, 0, 0] = np.nan
    made = read_nifti(written(tmp_path / "a.nii", turned(-1, -1, 1, (1, 1, 2)), data=data), "name")
    assert "1 voxels are not finite: taken for air" in made.notes
    assert made.read.volume.voxels[0, 0, 0] == -1024


def test_two_slices_are_refused_by_the_gate(tmp_path: Path) -> None:
    made = read_nifti(written(tmp_path / "a.nii", np.diag([-1, -1, 2, 1]), data=voxels((4, 4, 2))), "name")
    assert made.read.reason.startswith("too few slices: 2")
