"""What is cut: exactly the slices in the range, each voxel where it lay, by nibabel and SimpleITK."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread

from inference.volume import Geometry
from inference.workbench.crop import Block, Form, block_of, cropped, write_crop
from inference.workbench.limits import NO_CALIBRATION, Limits, between
from inference.workbench.nifti_write import nifti
from inference.workbench.units import Unit
from storage.errors import Refused
from storage.geometry.stack import slice_centres_z_mm
from tests.inference.score_factory import AXIAL, CORONAL, SAGITTAL, geometry, positions_mm
from tests.inference.series_factory import enhanced, save, stack_of, uid
from tests.workbench.geometries import stacks, volume_of
from tests.workbench.test_crop import RAS_TO_LPS, limits, made, read_of, unit_of

NORMAL_TO_THE_FEET = ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def indices(block: Block) -> tuple[slice, slice, slice]:
    return tuple(slice(first, last + 1) for first, last in (block.k, block.j, block.i))


@settings(max_examples=120, deadline=None)
@given(g=stacks(), data=st.data())
def test_every_voxel_of_a_part_lies_where_it_lay(g: Geometry, data, tmp_path_factory) -> None:
    """The affine by nibabel against Image Position and Orientation of each slice (PS3.3 C.7.6.2.1.1)."""
    where = positions_mm(g)
    heights = sorted({*where[..., 2].ravel().tolist()})
    low, high = sorted(data.draw(st.sampled_from(heights)) for _ in range(2))
    volume = volume_of(g)
    try:
        block = block_of(g, limits(low, high))
    except Refused:  # between the edge of the volume and its outermost middle
        return
    voxels, affine = cropped(volume, block)
    path = tmp_path_factory.mktemp("part") / "a.nii.gz"
    path.write_bytes(nifti(voxels, affine))
    image = nibabel.load(path)
    part = np.asarray(image.dataobj).T
    assert np.array_equal(part, volume.voxels[indices(block)])
    grid = np.stack(np.meshgrid(*map(np.arange, part.shape), indexing="ij"), -1)[..., ::-1]
    placed = grid @ (RAS_TO_LPS @ image.affine)[:3, :3].T + (RAS_TO_LPS @ image.affine)[:3, 3]
    assert np.abs(placed - where[indices(block)]).max() < 2e-3  # float32 of a header


@settings(max_examples=120, deadline=None)
@given(g=stacks(most_deg=7.5), data=st.data())
def test_slices_are_in_when_their_centres_are(g: Geometry, data) -> None:
    """Of any stack that is cut by slices: neither one more nor one less, in either order of slices."""
    centres = slice_centres_z_mm(g)
    assert np.allclose(centres, positions_mm(g)[..., 2].mean(axis=(1, 2)))
    step = float(np.abs(np.diff(centres)).min())
    if abs(g.normal[2]) < 0.9:
        return
    places = st.floats(centres.min() - step, centres.max() + step)
    low, high = sorted((data.draw(places), data.draw(places)))
    inside = np.flatnonzero((centres >= low - 1e-3) & (centres <= high + 1e-3))
    if len(inside):
        found = block_of(g, limits(low, high))
        assert (found.k, found.j, found.i) == (
            (inside.min(), inside.max()), (0, g.rows - 1), (0, g.columns - 1),
        )  # fmt: skip
        assert len(inside) == inside.max() - inside.min() + 1
    elif centres.min() <= low and high <= centres.max():
        (k, last) = block_of(g, limits(low, high)).k
        assert k == last == int(np.abs(centres - (low + high) / 2).argmin())
    else:
        with pytest.raises(Refused, match="no slice lies between"):
            block_of(g, limits(low, high))


@pytest.mark.parametrize("directions", [AXIAL, NORMAL_TO_THE_FEET])
@pytest.mark.parametrize(
    ("low", "high", "heights"),
    [
        (10.0, 20.0, [10, 15, 20]),  # both ends are slices, and in
        (10.0004, 19.9996, [10, 15, 20]),  # and within rounding of them
        (10.1, 19.9, [15]),
        (12.5, 12.5, [10]),  # a height between two slices is the nearer one's, the lower of two alike
        (13.0, 13.0, [15]),
        (11.0, 14.0, [10]),
        (0.0, 0.0, [0]),
        (-1e9, 1e9, [0, 5, 10, 15, 20, 25]),
    ],
)
def test_ends_are_inclusive(directions, low: float, high: float, heights: list[float]) -> None:
    to_feet = directions == NORMAL_TO_THE_FEET
    g = geometry((6, 4, 4), directions, origin_mm=(0, 0, 25.0 if to_feet else 0.0))
    first, last = block_of(g, limits(low, high)).k
    found = sorted(slice_centres_z_mm(g)[first : last + 1].tolist())
    if (low, high, to_feet) in {(12.5, 12.5, True), (11.0, 14.0, True)}:
        assert found in ([10.0], [15.0])
    else:
        assert found == heights


@pytest.mark.parametrize(("low", "high"), [(-20.0, -0.1), (25.1, 30.0), (-9.0, -9.0)])
def test_a_range_beyond_the_volume_is_refused(low: float, high: float) -> None:
    with pytest.raises(Refused, match=r"the volume reaches from 0\.0 to 25\.0 mm"):
        block_of(geometry((6, 4, 4)), limits(low, high))


@pytest.mark.parametrize(("directions", "cut"), [(CORONAL, "j"), (SAGITTAL, "j")])
def test_a_reformat_is_cut_by_rows(directions, cut: str) -> None:
    g = geometry((5, 8, 6), directions, pixel_mm=(2.0, 3.0), origin_mm=(0, 0, 100.0))
    block = block_of(g, limits(92.0, 97.0))  # rows run down from 100 mm, 2 mm apart
    assert getattr(block, cut) == (2, 4)
    assert (block.k, block.i) == ((0, 4), (0, 5))


@pytest.mark.parametrize(
    ("margin", "heights"), [(0.0, (10, 20)), (5.0, (5, 25)), (-5.0, (15, 15)), (2.5, (10, 20))]
)
def test_a_margin_is_in_mm_at_each_end(margin: float, heights: tuple[float, float]) -> None:
    g = geometry((8, 4, 4))
    first, last = block_of(g, limits(10, 20).widened(margin)).k
    assert (5.0 * first, 5.0 * last) == heights


@pytest.mark.parametrize(
    ("margin", "words"),
    [
        (-5.1, "10.0 mm, of which a margin of -5.1 mm leaves nothing"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
    ],
)
def test_a_margin_that_is_none_is_refused(margin: float, words: str) -> None:
    with pytest.raises(Refused, match=words):
        limits(10, 20).widened(margin)


def test_vertebrae_without_calibration_are_remarked_and_the_record_is_strict(tmp_path: Path) -> None:
    places = {"T12": 120.0, "L1": 112.0, "L3": 104.0}
    assert between(places, "T12", "L3").remarks == ()
    cut = between(places, "L1", "T12").widened(1.0)
    assert cut.remarks == (f"L1 is {NO_CALIBRATION}",)
    paths = made(tmp_path / "ct")
    write_crop(read_of(paths), unit_of(paths), cut, list(Form), tmp_path / "out")
    record = json.loads((tmp_path / "out" / "crop.json").read_text(), parse_constant=pytest.fail)
    assert record["remarks"] == ["L1 is not calibrated: the chain's own probability"]
    assert record["range"] == "centre of L1 to centre of T12, and 1 mm at each end"
    assert (record["low_mm"], record["high_mm"]) == (111.0, 121.0)


def test_a_second_crop_replaces_the_first(tmp_path: Path) -> None:
    paths = made(tmp_path / "ct")
    read, unit, out = read_of(paths), unit_of(paths), tmp_path / "out"
    write_crop(read, unit, limits(100, 128), list(Form), out)
    (out / "notes.txt").write_text("a user's own")
    write_crop(read, unit, limits(104, 108), [Form.DICOM], out)
    kept = sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file())
    assert kept == ["crop.json", "dicom/IM00001.dcm", "dicom/IM00002.dcm", "notes.txt"]


def test_a_crop_that_is_refused_leaves_the_former_one(tmp_path: Path) -> None:
    paths = made(tmp_path / "ct")
    read, unit, out = read_of(paths), unit_of(paths), tmp_path / "out"
    write_crop(read, unit, limits(104, 108), list(Form), out)
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    with pytest.raises(Refused):
        write_crop(read, unit, limits(500, 600), list(Form), out)
    with pytest.raises(Refused, match="neither form can hold it"):
        write_crop(read, unit, limits(104, 108), [], out)
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before


def test_instances_keep_every_byte_even_what_no_parser_keeps(tmp_path: Path) -> None:
    """A preamble that is not blank, padding behind the pixels, a file that may not be written."""
    paths = []
    for path in save(stack_of(6), tmp_path / "ct"):
        content = bytearray(path.read_bytes())
        content[:8] = b"II*\0junk"  # a TIFF's header in the preamble
        path.write_bytes(bytes(content) + b"\xfc\xff\xfc\xff\x4f\x42\0\0\x04\0\0\0\1\2\3\4")  # padding
        path.chmod(0o400)
        paths.append(path)
    unit = unit_of(paths)
    record = write_crop(read_of(paths), unit, limits(5, 15), [Form.DICOM], tmp_path / "out")
    copies = [tmp_path / "out" / name for name in record["files"]]
    assert [p.read_bytes() for p in copies] == [p.read_bytes() for p in paths[1:4]]
    assert [dcmread(p).ImagePositionPatient[2] for p in copies] == [5, 10, 15]


def test_frames_wholly_in_the_range_are_one_instance(tmp_path: Path) -> None:
    (path,) = save([enhanced(6)], tmp_path / "ct")
    unit = Unit(key=uid("enhanced"), files=(path,))
    record = write_crop(read_of([path]), unit, limits(-100, 100), [Form.DICOM], tmp_path / "out")
    assert record["files"] == ["dicom/IM00001.dcm"]
    assert (tmp_path / "out" / "dicom" / "IM00001.dcm").read_bytes() == path.read_bytes()


def test_of_a_nifti_there_are_no_instances(tmp_path: Path) -> None:
    paths = made(tmp_path / "ct")
    unit = Unit(key="nifti-1", files=tuple(paths), is_nifti=True)
    with pytest.raises(Refused, match="a NIfTI file holds no DICOM instances"):
        write_crop(read_of(paths), unit, limits(100, 128), [Form.DICOM], tmp_path / "out")


@settings(max_examples=40, deadline=None)
@given(g=stacks(most_tilt_deg=0.0).filter(lambda g: g.tilt_deg < 0.01))
def test_simpleitk_places_an_upright_volume_as_its_slices_do(g: Geometry, tmp_path_factory) -> None:
    volume = volume_of(g)
    voxels, affine = cropped(volume, Block(k=(1, 2), j=(0, g.rows - 1), i=(1, g.columns - 1)))
    path = tmp_path_factory.mktemp("part") / "a.nii.gz"
    path.write_bytes(nifti(voxels, affine))
    image = sitk.ReadImage(str(path))
    where = positions_mm(g)[1:3, :, 1:]
    for k, j, i in np.ndindex(voxels.shape):
        point = image.TransformIndexToPhysicalPoint((i, j, k))
        assert np.abs(np.asarray(point) - where[k, j, i]).max() < 2e-3
        assert image[i, j, k] == volume.voxels[k + 1, j, i + 1]


def test_limits_are_records() -> None:
    wide = Limits(low_mm=1.0, high_mm=2.0, what="x", remarks=("r",)).widened(1.0)
    assert wide == Limits(low_mm=0.0, high_mm=3.0, what="x, and 1 mm at each end", remarks=("r",))
