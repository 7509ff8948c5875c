"""Masks measured: scaled label maps, oblique and sheared voxels, distances where spacings differ."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.spleen.finding import finding_of, voxel_mm3
from inference.spleen.labelled import find_cases, read_case
from inference.spleen.measure import COLUMNS, agreement_of, pairs_of, row, summary
from inference.spleen.metrics import agreement, hausdorff_mm
from inference.spleen.segment import segmented
from inference.spleen.slicing import SliceAxis, turn_of
from inference.workbench.units import gathered
from storage.errors import Refused
from tests.inference.score_factory import geometry
from tests.spleen.phantoms import RAS_TO_LPS, affine_lps, save_dicom, save_nifti, save_weights, upright
from tests.workbench.geometries import turn

SMALL = (4, 5, 6)


def saved(path: Path, array: np.ndarray, affine: np.ndarray, slope: float = 1.0, inter: float = 0.0) -> Path:
    """(i, j, k) with a RAS affine, its stored values scaled as the header says."""
    image = nibabel.Nifti1Image(array, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    content = bytearray(path.read_bytes())
    content[112:120] = np.array([slope, inter], "<f4").tobytes()
    path.write_bytes(content)
    return path


@st.composite
def masks(draw) -> np.ndarray:
    bits = draw(st.lists(st.booleans(), min_size=120, max_size=120))
    return np.array(bits).reshape(SMALL)


def surface(mask: np.ndarray) -> np.ndarray:
    """Voxels with a face to what is outside, by SimpleITK."""
    image = sitk.GetImageFromArray(np.pad(mask, 1).astype(np.uint8))
    return np.argwhere(sitk.GetArrayFromImage(sitk.LabelContour(image, False)) > 0)


@settings(max_examples=60, deadline=None)
@given(one=masks(), other=masks(), spacing=st.tuples(*[st.sampled_from([0.5, 0.8, 3.0, 8.0])] * 3))
def test_distances_are_those_of_surfaces_in_mm(one, other, spacing) -> None:
    """Every pair of surface voxels measured, in voxels that are no cubes."""
    found = hausdorff_mm(one, other, spacing, 95)
    if not (one.any() and other.any()):
        assert found is None
        return
    a, b = (surface(m) * spacing for m in (one, other))
    away = np.linalg.norm(a[:, None] - b[None], axis=-1)
    expected = max(np.percentile(away.min(axis=1), 95), np.percentile(away.min(axis=0), 95))
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-4)
    assert found == hausdorff_mm(other, one, spacing, 95)
    assert hausdorff_mm(one, one, spacing, 100) == 0


@settings(max_examples=40, deadline=None)
@given(one=masks(), other=masks())
def test_figures_are_of_one_mind(one, other) -> None:
    found = agreement(one, other, (1.0, 1.0, 1.0), 2.0)
    assert found.volume_difference_mm3 == 2.0 * (int(one.sum()) - int(other.sum()))
    if found.dice is not None and found.jaccard is not None:
        assert found.dice == pytest.approx(2 * found.jaccard / (1 + found.jaccard))
    back = agreement(other, one, (1.0, 1.0, 1.0), 2.0)
    assert (back.dice, back.hausdorff_95_mm) == (found.dice, found.hausdorff_95_mm)


@pytest.mark.parametrize("axis", [(1, 0, 0), (0, 1, 0), (0, 0, 1)])
def test_a_voxel_along_an_axis_counts_by_that_axis(axis: tuple[int, int, int]) -> None:
    one, other = np.zeros(SMALL, bool), np.zeros(SMALL, bool)
    one[1, 1, 1] = other[tuple(np.add((1, 1, 1), np.multiply(axis, 2)))] = True
    spacing = (8.0, 0.5, 0.8)  # z, y, x
    assert hausdorff_mm(one, other, spacing, 95) == pytest.approx(2 * np.dot(axis, spacing))


@pytest.mark.parametrize("angles", [(0, 0, 0), (20, 0, 0), (10, -25, 40), (90, 0, 0)])
def test_an_oblique_volume_is_simpleitk_s(angles, tmp_path: Path) -> None:
    affine = np.eye(4)
    affine[:3, :3] = turn(*angles) * (0.7, 0.9, 5.0)
    mask = np.zeros((9, 8, 7), np.int16)
    mask[2:7, 1:6, 2:5] = 1
    path = saved(tmp_path / "m.nii", mask, RAS_TO_LPS @ affine)
    judge = sitk.LabelShapeStatisticsImageFilter()
    judge.Execute(sitk.Cast(sitk.ReadImage(str(path)), sitk.sitkUInt8))
    found = agreement_of("m", path, path, 1)
    assert found.volume_mm3 == pytest.approx(judge.GetPhysicalSize(1), rel=1e-5)
    assert found.volume_mm3 == pytest.approx(75 * 0.7 * 0.9 * 5.0, rel=1e-5)


def test_a_tilted_gantry_makes_no_voxel_larger() -> None:
    """A slab's volume is its area times its thickness, however it leans."""
    lean = np.radians(25)
    g = geometry(
        (4, 4, 4),
        spacing_mm=5.0,
        pixel_mm=(2.0, 3.0),
        stacking=(0.0, float(np.sin(lean)), float(np.cos(lean))),
    )
    step = np.subtract(g.slices[1].position_mm, g.slices[0].position_mm)
    affine = np.eye(4)
    affine[:3, :3] = np.stack(
        [np.multiply(g.row_direction, 3.0), np.multiply(g.column_direction, 2.0), step], 1
    )
    assert voxel_mm3(affine) == pytest.approx(2.0 * 3.0 * 5.0)
    assert np.linalg.norm(step) > 5.5
    mask = np.ones((4, 4, 4), bool)
    found = finding_of(mask, np.full((4, 4, 4), 100, np.int16), affine)
    assert found is not None
    assert found.volume_mm3 == pytest.approx(64 * 30.0)
    assert (found.mean_hu, found.first_slice, found.last_slice) == (100.0, 0, 3)


@pytest.mark.parametrize(("slope", "inter"), [(2.0, 0.0), (1.0, -3.0), (0.5, 1.0)])
def test_a_label_map_means_its_scaled_values(slope: float, inter: float, tmp_path: Path) -> None:
    """nifti1.h: what is stored stands for scl_slope times itself, and scl_inter."""
    meant = np.zeros((6, 5, 4))
    meant[1:4, 1:3, 1:3] = 2
    stored = np.rint((meant - inter) / slope).astype(np.int16)
    affine = RAS_TO_LPS @ affine_lps()
    scaled = saved(tmp_path / "a_label.nii", stored, affine, slope, inter)
    plain = saved(tmp_path / "b.nii", meant.astype(np.int16), affine)
    assert np.array_equal(np.asarray(nibabel.load(scaled).dataobj), meant)
    assert agreement_of("a", scaled, plain, 2).dice == 1.0
    saved(tmp_path / "a.nii", stored, affine)
    (tmp_path / "b.nii").unlink()
    (case,) = find_cases(tmp_path)
    with pytest.raises(Refused, match="no voxel of value 1"):
        read_case(case)


def test_a_figure_that_is_not_defined_is_empty_and_out_of_the_mean(tmp_path: Path) -> None:
    some, nothing = np.zeros(SMALL, bool), np.zeros(SMALL, bool)
    some[1:3, 1:3, 1:3] = True
    found = [agreement(some, some, (1, 1, 1), 2.0), agreement(nothing, nothing, (1, 1, 1), 2.0)]
    assert row("x", found[1]) == ("x", "", "", "", "1", "", "0", "0", "0")
    assert dict(zip(COLUMNS, summary(found), strict=True)) == {
        "name": "mean", "dice": "1", "jaccard": "1", "sensitivity": "1", "specificity": "1",
        "hausdorff_95_mm": "0", "volume_mm3": "8", "true_volume_mm3": "8", "volume_difference_mm3": "0",
    }  # fmt: skip


def test_folders_must_hold_the_same_names(tmp_path: Path) -> None:
    for folder, names in (("a", ("x.nii", "y.nii.gz")), ("b", ("x.nii",)), ("c", ())):
        (tmp_path / folder).mkdir()
        for name in names:
            (tmp_path / folder / name).touch()
    with pytest.raises(Refused, match=r"y\.nii\.gz is in one folder and not in the other \(1 such files\)"):
        pairs_of(tmp_path / "a", tmp_path / "b")
    with pytest.raises(Refused, match="no NIfTI file is in the folders"):
        pairs_of(tmp_path / "c", tmp_path / "c")


@pytest.mark.parametrize("name", ["a.NII.GZ", "a.nii", "a.nii.gz"])
def test_names_are_read_in_any_case(name: str, tmp_path: Path) -> None:
    hu, mask = upright(1)
    end = name.removeprefix("a")
    for stem, array in (("a", hu), ("a_label", mask.astype(np.int16))):
        made = save_nifti(tmp_path / f"x{end.lower()}", array, "RAS")
        made.rename(tmp_path / f"{stem}{end}")
    (case,) = find_cases(tmp_path)
    assert (case.name, read_case(case).mask.sum()) == ("a", mask.sum())


@pytest.mark.parametrize("axis", list(SliceAxis))
def test_the_axis_of_the_weights_decides_nothing_of_where_the_mask_lies(
    axis: SliceAxis, tmp_path: Path
) -> None:
    """A network that looks at each voxel alone finds the same whichever way it is cut."""
    path = save_nifti(tmp_path / "a.nii.gz", upright(9)[0], "PIL")
    found = {}
    for cut in (SliceAxis.AXIAL, axis):
        weights = save_weights(tmp_path / f"{cut}.safetensors", cut)
        with gathered(path) as units:
            (one,) = segmented(units.units[0], weights, tmp_path / str(cut), pytest.fail)
        found[cut] = np.asarray(nibabel.load(tmp_path / str(cut) / one.name / "spleen.nii.gz").dataobj)
        assert one.record["axis"] == cut
    assert np.array_equal(found[SliceAxis.AXIAL], found[axis])
    order = turn_of(RAS_TO_LPS @ nibabel.load(path).affine).order
    assert sorted(order) == [0, 1, 2]


def test_a_second_run_leaves_nothing_of_the_first(tmp_path: Path) -> None:
    """A network that finds the spleen, and then one that finds none: no SEG may stay that says otherwise."""
    ct, out = save_dicom(tmp_path / "ct", 9), tmp_path / "out"
    weights = save_weights(tmp_path / "w.safetensors")
    with gathered(ct) as found:
        (one,) = segmented(found.units[0], weights, out, pytest.fail)
        folder = out / one.name
        assert (folder / "spleen-seg.dcm").exists()
        (folder / "spleen-sr.dcm.held").touch()
        weights.network.last.bias.data.fill_(-1e4)
        (one,) = segmented(found.units[0], weights, out, pytest.fail)
    assert one.record["found"] is False
    assert sorted(p.name for p in folder.iterdir()) == ["spleen.json", "spleen.nii.gz"]
    assert json.loads((folder / "spleen.json").read_text())["reason"] == "no spleen was found"
