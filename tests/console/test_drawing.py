"""Pictures: what a slice map counts, where lines are drawn, and that a PNG is what another reader sees."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.pixels.utils import pack_bits
from pydicom.uid import ExplicitVRLittleEndian, SegmentationStorage

from node.console.drawing import projections
from node.console.drawing.anatomy import Anatomy, anatomy
from node.console.drawing.overlay import COLOURS, colour_of, painted, read_segments
from node.console.drawing.png import png
from node.console.drawing.slice_map import slice_map
from node.console.drawing.stacks import Stack, stacks
from node.console.drawing.timeline import bars
from node.console.drawing.windows import WINDOWS, Window, grey
from storage.geometry.frames import PlacedSlice, placed_by
from storage.header import Header
from storage.records import VolumeRow
from storage.traces import Stretch
from tests.console import filled

AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
CORONAL = (1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
SAGITTAL = (0.0, 1.0, 0.0, 0.0, 0.0, -1.0)


def placed(
    number: int, z_mm: float | None, *, orientation: tuple[float, ...] = AXIAL, **changes: Any
) -> PlacedSlice:
    """A slice at a height; along z, or along y for a coronal one."""
    position = None if z_mm is None else (0.0, 0.0, z_mm) if orientation == AXIAL else (z_mm, z_mm, 0.0)
    header = Header(
        sop_instance_uid=f"1.2.{number}", sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        series_instance_uid="1.2", study_instance_uid="1", instance_number=number, rows=64, columns=64,
        position_mm=position, orientation=orientation, pixel_spacing_mm=(6.0, 6.0),
    )  # fmt: skip
    return replace(placed_by(header), **changes)


def one_stack(*heights: float) -> Stack:
    slices = [placed(number, z) for number, z in enumerate(heights, start=1)]
    random.Random(1).shuffle(slices)
    (found,) = stacks(slices, [])
    return found


def test_slices_stand_from_the_feet_to_the_head_whatever_order_they_come_in() -> None:
    found = one_stack(20.0, 0.0, 10.0, 30.0)
    assert [s.instance_number for s in found.slices] == [2, 3, 1, 4]
    assert (found.positions_mm, found.plane, found.unplaced) == ((0.0, 10.0, 20.0, 30.0), "axial", 0)


@pytest.mark.parametrize(
    ("orientation", "plane"),
    [
        (AXIAL, "axial"),
        (CORONAL, "coronal"),
        (SAGITTAL, "sagittal"),
        ((1.0, 0.0, 0.0, 0.0, 0.7071, 0.7071), "oblique"),
        ((-1.0, 0.0, 0.0, 0.0, 1.0, 0.0), "axial"),  # the normal points to the feet
    ],
)
def test_planes(orientation: tuple[float, ...], plane: str) -> None:
    slices = [placed(n, 5.0 * n, orientation=orientation) for n in range(1, 4)]
    (found,) = stacks(slices, [])
    assert found.plane == plane
    assert list(found.positions_mm) == sorted(found.positions_mm)


def test_volumes_of_the_gate_and_what_is_in_none() -> None:
    slices = [placed(n, 5.0 * n) for n in range(1, 7)]
    localizer = placed(9, 0.0, orientation=CORONAL, image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    row = VolumeRow(
        series_instance_uid="1.2", revision=1, number=2, eligible=True, reason=None, slices=4, digest="d",
        frames=tuple(f"1.2.{n} 1" for n in (1, 2, 3, 4)), report={},
    )  # fmt: skip
    found = stacks([*slices, localizer], [row])
    assert [(s.number, len(s.slices), s.plane) for s in found] == [
        (2, 4, "axial"),
        (0, 2, "axial"),
        (-1, 1, "coronal"),
    ]


def test_slices_that_nothing_places_are_counted() -> None:
    (found,) = stacks([placed(2, None), placed(1, None)], [])
    assert (found.unplaced, found.plane, [s.instance_number for s in found.slices]) == (2, "unknown", [1, 2])
    assert slice_map(found) is None


def test_a_regular_stack_has_no_gap() -> None:
    found = slice_map(one_stack(*(2.5 * n for n in range(40))))
    assert found is not None
    assert (found.missing, found.duplicates, found.spacing_mm, found.extent_mm) == (0, 0, 2.5, (0.0, 97.5))
    assert (len(found.marks), found.marks[0], found.marks[-1]) == (40, 12.5, 987.5)


def test_gaps_and_duplicates_are_found_and_named() -> None:
    found = slice_map(one_stack(0, 5, 10, 25, 30, 30, 35, 40, 50, 55))
    assert found is not None
    assert [(g.missing, g.words) for _, _, g in found.gaps] == [
        (2, "2 slices missing between instance 3 and 4 (15.0 mm)"),
        (1, "1 slice missing between instance 8 and 9 (10.0 mm)"),
    ]
    assert (found.missing, found.duplicates, len(found.repeated), len(found.marks)) == (3, 1, 1, 9)
    begin, end, _ = found.gaps[0]
    assert found.marks[2] < begin < end < found.marks[3]


def test_one_slice_and_two_at_one_place() -> None:
    single, double = slice_map(one_stack(7.0)), slice_map(one_stack(7.0, 7.0))
    assert single is not None and double is not None
    assert (single.marks, single.spacing_mm, single.duplicates) == ((500.0,), None, 0)
    assert (double.marks, double.duplicates, double.repeated) == ((500.0,), 1, (500.0,))


@pytest.mark.parametrize("shape", [(3, 5), (64, 64), (2, 3, 3)])
def test_a_png_is_what_pillow_reads(shape: tuple[int, ...]) -> None:
    pixels = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    with Image.open(io.BytesIO(png(pixels))) as image:
        assert image.mode == ("RGB" if len(shape) == 3 else "L")
        assert np.array_equal(np.asarray(image), pixels)


def test_windows() -> None:
    values = np.asarray([[-2000, -160, 40, 240, 3000]], dtype=np.float32)
    assert grey(values, WINDOWS["soft"]).tolist() == [[0, 0, 127, 255, 255]]
    assert set(WINDOWS) == {"soft", "lung", "bone", "brain"}
    assert grey(values, Window(centre=0, width=1)).tolist() == [[0, 0, 255, 255, 255]]


def segmentation() -> bytes:
    """Two segments of 2 x 4 blocks on one slice, one of them on another."""
    ds = Dataset()
    ds.SOPClassUID, ds.SOPInstanceUID = SegmentationStorage, "1.2.3"
    ds.Rows, ds.Columns, ds.NumberOfFrames = 2, 4, 3
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = 1, 1, 0
    ds.SegmentSequence = [item(SegmentLabel=label) for label in ("Pelvis", "L3")]
    ds.PerFrameFunctionalGroupsSequence = [
        item(
            SegmentIdentificationSequence=[item(ReferencedSegmentNumber=number)],
            DerivationImageSequence=[item(SourceImageSequence=[item(ReferencedSOPInstanceUID=uid)])],
        )
        for number, uid in ((1, "1.2.1"), (2, "1.2.1"), (1, "1.2.2"))
    ]
    frames = np.zeros((3, 2, 4), dtype=np.uint8)
    frames[0, 0, 0] = frames[1, 1, 3] = frames[2] = 1
    ds.PixelData = pack_bits(frames)
    ds["PixelData"].VR = "OB"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file = DicomBytesIO()
    ds.save_as(file, enforce_file_format=True)
    return file.getvalue()


def item(**attributes: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


def test_segments_are_laid_over_their_slices() -> None:
    found = read_segments(segmentation())
    assert found.labels == ("Pelvis", "L3")
    assert found.frames == {"1.2.1": [(1, 0), (2, 1)], "1.2.2": [(1, 2)]}
    (_, pelvis), (_, level) = found.masks("1.2.1")
    assert (pelvis.tolist(), level.sum()) == ([[True, False, False, False], [False] * 4], 1)
    assert (found.masks("1.2.2")[0][1].all(), found.masks("1.2.3")) == (True, [])
    picture = painted(np.full((4, 8), 100, dtype=np.uint8), found.masks("1.2.1"))
    assert picture[0, 0].tolist() == list(COLOURS[0])  # the outline of the first block
    assert picture[3, 7].tolist() == list(COLOURS[1])
    assert picture[0, 4].tolist() == [100, 100, 100]
    assert colour_of(len(COLOURS) + 1) == COLOURS[0]


def test_a_projection_shows_bone_where_it_is() -> None:
    slices = [np.where(np.eye(64, dtype=bool), 1000.0, -1000.0).astype(np.float32) for _ in range(3)]
    slices[1][:, 40] = 2000.0
    lines = [projections.profiles(hu, AXIAL)[0] for hu in slices]
    picture = projections.projection(lines, [0.0, 10.0, 20.0])
    assert picture.shape == (projections.ROWS, 32)
    middle = picture[projections.ROWS // 2]
    assert int(middle.argmax()) == 20 and int(middle[20]) == 255


def test_a_projection_leaves_a_gap_empty_and_turns_a_mirrored_slice() -> None:
    line = np.arange(1, 5, dtype=np.float32)
    picture = projections.projection([line] * 4, [0.0, 1.0, 2.0, 10.0])
    empty = (picture == 0).all(axis=1)
    assert empty[60] and not empty[0] and not empty[-1]
    hu = np.zeros((8, 8), dtype=np.float32)
    hu[:, :2] = 1000.0
    usual, mirrored = (projections.profiles(hu, o)[0] for o in (AXIAL, (-1.0, 0, 0, 0, 1.0, 0)))
    assert usual.tolist() == mirrored[::-1].tolist() and usual[0] > usual[-1]


def test_so_many_slices_are_read_and_no_more() -> None:
    assert projections.chosen(3) == [0, 1, 2]
    many = projections.chosen(1000)
    assert (len(many), many[0], many[-1]) == (projections.SLICES_MAX, 0, 999)


def drawing(report: dict[str, Any]) -> Anatomy:
    found = anatomy(one_stack(*(5.0 * n for n in range(24))), report)
    assert found is not None
    return found


def test_levels_and_regions_lie_at_their_heights() -> None:
    found = drawing(filled.report())
    assert found.z_mm == (0.0, 115.0)
    (level,) = found.levels
    assert level.name == "L3"
    assert level.y / found.height == pytest.approx((115 - 75) / 115, abs=0.002)
    assert level.height / found.height == pytest.approx(10 / 115, abs=0.002)
    pelvis, abdomen = found.bands
    assert (pelvis.name, abdomen.name, abdomen.y) == ("pelvis", "abdomen", 0.0)
    assert (pelvis.y + pelvis.height) / found.height == pytest.approx(1, abs=0.002)
    assert found.front[1] == pytest.approx(found.side[1])
    assert found.front[1] / found.height == pytest.approx(384 / 115, rel=0.01)


def test_the_curve_runs_through_its_scores() -> None:
    found = drawing(filled.report())
    first, *_, last = found.points.split()
    assert [float(v) for v in first.split(",")] == [found.curve[0], pytest.approx(found.height, abs=0.1)]
    assert float(last.split(",")[0]) == pytest.approx(
        found.curve[0] + 115 / 3 / 100 * found.curve[1], abs=0.2
    )
    assert [score for _, score in found.grid] == [0, 25, 50, 75, 100]
    assert len(found.spread.split()) == 48


def test_names_of_near_levels_do_not_lie_over_each_other() -> None:
    report = filled.report()
    report["levels"]["T12"] = report["levels"]["L3"] | {"z_mm": 76.0}
    upper, lower = drawing(report).levels
    assert (upper.name, lower.name) == ("T12", "L3")
    assert lower.label_y - upper.label_y >= 16


def test_without_a_report_there_are_projections_alone() -> None:
    found = drawing({})
    assert (found.points, found.levels, found.bands) == ("", (), ())
    assert anatomy(one_stack(1.0), {}) is None
    (coronal,) = stacks([placed(n, 5.0 * n, orientation=CORONAL) for n in range(4)], [])
    assert anatomy(coronal, {}) is None


def stretch(begin_at: float, end_at: float, lane: str = "series") -> Stretch:
    return Stretch(what="w", detail="", begin_at=begin_at, end_at=end_at, lane=lane)


def test_bars_are_to_scale_and_a_long_pause_is_cut() -> None:
    found = bars([stretch(100, 104), stretch(104, 108), stretch(10_000, 10_004)])
    assert [(b.since_s, b.lasts_s) for b in found] == [(0, 4), (4, 4), (9900, 4)]
    assert found[0].width == pytest.approx(found[1].width, abs=0.2) == pytest.approx(found[2].width, abs=0.2)
    pause = found[2].x - (found[1].x + found[1].width)
    assert pause == pytest.approx(found[0].width * 0.75, abs=0.5)  # a quarter of what was busy
    assert bars([]) == []
    assert [b.width for b in bars([stretch(5, 5)])] == [3.0]
