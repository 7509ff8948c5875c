"""The presentation state: what is drawn, where, in which window; judged by dciodvfy and DCMTK."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

from inference.findings import LevelFinding, Presence
from inference.results import BUILDERS, Inputs, LeftOut, ResultObject, build_results
from inference.results.flagged import NO_LEVEL_SLICE
from inference.results.window import SOFT_TISSUE, Window, window_of
from inference.volume import Volume
from storage.kinds import Kind
from tests.dcmtk import find as dcmtk
from tests.inference.results_factory import PROVENANCE, findings_of, level, run, synthetic, to_bytes
from tests.inference.test_results_seg import multiframe
from tests.inference.test_results_sr import groups, report

NOT_FOUND = LevelFinding(presence=Presence.NOT_IN_FIELD)
MIDDLE_PX = 40.5
"""Column and row of the cylinder's middle, in PIXEL units: 40 is a pixel's centre as we count."""

ARM_PX = 12.5  # 10 mm


def state(evidence: Sequence[Dataset], volume: Volume, **changes: object) -> Any:
    """The presentation state after a round trip through bytes."""
    result = built(evidence, volume, **changes)
    assert isinstance(result, ResultObject), result
    assert result.held is None
    return pydicom.dcmread(BytesIO(to_bytes(result.dataset)))


def built(evidence: Sequence[Dataset], volume: Volume, **changes: object) -> ResultObject | LeftOut:
    (result,) = build_results(
        evidence, volume, findings_of(volume, **changes), PROVENANCE, kinds=(Kind.GSPS,)
    )
    return result


def texts(annotation: Dataset) -> list[str]:
    return [item.UnformattedTextValue for item in annotation.TextObjectSequence]


def about(annotation: Dataset) -> list[str]:
    return [item.ReferencedSOPInstanceUID for item in annotation.ReferencedImageSequence]


def test_one_state_has_an_annotation_for_each_slice() -> None:
    evidence, volume = synthetic()
    made = state(evidence, volume)
    t12, l3 = (evidence[9].SOPInstanceUID, evidence[6].SOPInstanceUID)
    assert [about(a) for a in made.GraphicAnnotationSequence] == [[t12], [l3]]
    statement = (
        "ctnode: Not for diagnosis; research software\r\n"
        "The cross is the middle of the body in the level's plane."
    )
    assert [texts(a) for a in made.GraphicAnnotationSequence] == [
        ["T12 (0.91)", statement],
        ["L3 (0.50)", statement],
    ]
    (series,) = made.ReferencedSeriesSequence
    assert series.SeriesInstanceUID == volume.series_instance_uid
    assert [i.ReferencedSOPInstanceUID for i in series.ReferencedImageSequence] == [t12, l3]
    assert [layer.GraphicLayer for layer in made.GraphicLayerSequence] == ["LEVELS"]


def test_a_cross_marks_the_point_of_the_report() -> None:
    evidence, volume = synthetic()
    annotation = state(evidence, volume).GraphicAnnotationSequence[1]
    along, down = annotation.GraphicObjectSequence
    assert (along.GraphicType, along.GraphicAnnotationUnits) == ("POLYLINE", "PIXEL")
    assert list(along.GraphicData) == [MIDDLE_PX - ARM_PX, MIDDLE_PX, MIDDLE_PX + ARM_PX, MIDDLE_PX]
    assert list(down.GraphicData) == [MIDDLE_PX, MIDDLE_PX - ARM_PX, MIDDLE_PX, MIDDLE_PX + ARM_PX]
    point = groups(report(evidence, volume, findings_of(volume)))["L3 level point"]
    x, y, _ = point.roi.value[0]
    corner = evidence[6].ImagePositionPatient
    assert [(x - corner[0]) / 0.8 + 0.5, (y - corner[1]) / 0.8 + 0.5] == pytest.approx([MIDDLE_PX] * 2)
    assert {(o.TrackingID, o.TrackingUID) for o in (along, down)} == {("L3 level point", point.tracking_uid)}


def test_what_is_drawn_stays_inside_the_image() -> None:
    """The cylinder of a small image reaches its edge: the arm and the name would leave it."""
    evidence, volume = synthetic(side=24)
    for annotation in state(evidence, volume).GraphicAnnotationSequence:
        name = annotation.TextObjectSequence[0]
        drawn = [*name.BoundingBoxTopLeftHandCorner, *name.BoundingBoxBottomRightHandCorner]
        drawn += [v for line in annotation.GraphicObjectSequence for v in line.GraphicData]
        assert min(drawn) >= 0
        assert max(drawn) <= 24


def test_two_levels_in_one_thick_slice_share_an_annotation() -> None:
    evidence, volume = synthetic()
    (annotation,) = state(
        evidence, volume, t12=level(volume, 6), l3=level(volume, 6)
    ).GraphicAnnotationSequence
    assert texts(annotation)[0] == "T12 (0.91), L3 (0.91)"
    assert [o.TrackingID for o in annotation.GraphicObjectSequence] == ["T12 level point"] * 2 + [
        "L3 level point"
    ] * 2


def windows(made: Dataset) -> list[tuple[list[float], list[float], list[str]]]:
    return [
        (
            [float(v) for v in np.atleast_1d(item.WindowCenter)],
            [float(v) for v in np.atleast_1d(item.WindowWidth)],
            [i.ReferencedSOPInstanceUID for i in item.ReferencedImageSequence],
        )
        for item in made.SoftcopyVOILUTSequence
    ]


def test_the_windows_are_the_images_own() -> None:
    evidence, volume = synthetic()
    evidence[9].WindowCenter, evidence[9].WindowWidth = [50, 400], [350, 1800]
    evidence[9].WindowCenterWidthExplanation = ["SOFT", "BONE"]
    evidence[6].WindowCenter, evidence[6].WindowWidth = -600, 1500
    made = state(evidence, volume)
    assert made.SoftcopyVOILUTSequence[0].WindowCenterWidthExplanation == "SOFT"
    assert windows(made) == [
        ([50], [350], [evidence[9].SOPInstanceUID]),
        ([-600], [1500], [evidence[6].SOPInstanceUID]),
    ]


def test_images_without_a_window_share_one_for_soft_tissue() -> None:
    evidence, volume = synthetic()
    both = [evidence[9].SOPInstanceUID, evidence[6].SOPInstanceUID]
    assert windows(state(evidence, volume)) == [([40], [400], both)]


def header(**attributes: object) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (header(WindowCenter=40, WindowWidth=0), SOFT_TISSUE),
        (header(WindowCenter=[40, 50], WindowWidth=400), SOFT_TISSUE),
        (header(WindowCenter=40), SOFT_TISSUE),
        (header(WindowCenter=None, WindowWidth=None), SOFT_TISSUE),
        (header(WindowCenter=60, WindowWidth=1), Window(center=60.0, width=1.0)),
        (
            header(WindowCenter=60, WindowWidth=80, VOILUTFunction="SIGMOID"),
            Window(center=60.0, width=80.0, function="SIGMOID"),
        ),
        (
            header(WindowCenter=[1, 2], WindowWidth=[3, 4], WindowCenterWidthExplanation="ONE"),
            Window(center=1.0, width=3.0),
        ),
    ],
)
def test_a_window_that_cannot_be_used_is_none(image: Dataset, expected: Window) -> None:
    assert window_of(image, None) == expected


def test_a_frame_s_own_window_comes_before_that_of_all() -> None:
    own, shared = header(WindowCenter=1, WindowWidth=2), header(WindowCenter=3, WindowWidth=4)
    image = header(
        SharedFunctionalGroupsSequence=[header(FrameVOILUTSequence=[shared])],
        PerFrameFunctionalGroupsSequence=[header(FrameVOILUTSequence=[own]), Dataset()],
    )
    assert window_of(image, 1) == Window(center=1.0, width=2.0)
    assert window_of(image, 2) == Window(center=3.0, width=4.0)


def test_frames_of_a_multiframe_image_are_named_everywhere() -> None:
    evidence, volume = multiframe(8)
    made = state(evidence, volume)
    (series,) = made.ReferencedSeriesSequence
    (image,) = series.ReferencedImageSequence
    assert list(image.ReferencedFrameNumber) == [2, 4]
    frames = [a.ReferencedImageSequence[0].ReferencedFrameNumber for a in made.GraphicAnnotationSequence]
    assert frames == [2, 4]
    assert list(made.SoftcopyVOILUTSequence[0].ReferencedImageSequence[0].ReferencedFrameNumber) == [2, 4]


def test_left_out_where_there_is_no_level_slice() -> None:
    evidence, volume = synthetic()
    result = built(evidence, volume, t12=NOT_FOUND, l3=NOT_FOUND)
    assert result == LeftOut(kind=Kind.GSPS, reason=NO_LEVEL_SLICE)


def test_left_out_where_the_slices_are_rescaled_differently() -> None:
    evidence, volume = synthetic()
    slices = list(volume.geometry.slices)
    slices[6] = replace(slices[6], rescale_slope=0.5)
    other = replace(volume, geometry=replace(volume.geometry, slices=tuple(slices)))
    result = built(evidence, other)
    assert isinstance(result, LeftOut)
    assert result.reason.startswith("the slices differ in Rescale Slope or Intercept")


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"BodyPartExamined": "ABDOMEN"}, ("ABDOMEN", None)),
        ({"BodyPartExamined": "LEG", "Laterality": "L"}, ("LEG", "L")),
        ({}, (None, "")),
    ],
)
def test_the_body_part_is_the_source_s(
    attributes: dict[str, str], expected: tuple[str | None, str | None]
) -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.update(header(**attributes))
    made = state(evidence, volume)
    assert (made.get("BodyPartExamined"), made.get("Laterality")) == expected


def test_same_inputs_same_bytes() -> None:
    def made() -> bytes:
        evidence, volume = synthetic()
        inputs = Inputs(evidence=evidence, volume=volume, findings=findings_of(volume), provenance=PROVENANCE)
        dataset = BUILDERS[Kind.GSPS](inputs)
        assert isinstance(dataset, Dataset)
        return to_bytes(dataset)

    assert made() == made()


def test_its_time_is_that_of_the_job() -> None:
    evidence, volume = synthetic()
    made = state(evidence, volume)
    assert (made.PresentationCreationDate, made.PresentationCreationTime) == ("20260304", "050607.891000")
    assert (made.ContentLabel, made.ContentDescription) == (
        "CTNODE_LEVELS",
        "CT levels. Not for diagnosis; research software",
    )


def test_dciodvfy_finds_nothing(tmp_path: Path) -> None:
    evidence, volume = synthetic()
    for ds in evidence:
        ds.BodyPartExamined = "ABDOMEN"
    spacing = (2 / 3, 500 / 192)  # more digits than a decimal string holds
    volume = replace(volume, geometry=replace(volume.geometry, pixel_spacing_mm=spacing))
    (tmp_path / "pr.dcm").write_bytes(to_bytes(state(evidence, volume)))
    title, *said = run("dciodvfy", "-new", tmp_path / "pr.dcm").strip().splitlines()
    assert title == "GrayscaleSoftcopyPresentationState"
    assert [line for line in said if "DeviceUID(0018,1002)" not in line] == []


def with_pixels(image: Dataset, hu: NDArray[np.int16]) -> Dataset:
    """A whole CT image of these HU, stored with Rescale Intercept -1024 and another window of its own."""
    ds = deepcopy(image)
    ds.RescaleSlope, ds.RescaleIntercept = 1, -1024
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    ds.PixelData = (hu + 1024).astype("<u2").tobytes()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds


@pytest.mark.skipif(dcmtk("dcmp2pgm") is None, reason="DCMTK is not installed")
def test_dcmtk_shows_the_slice_in_the_state_s_window(tmp_path: Path) -> None:
    evidence, volume = synthetic()
    ramp = np.tile(np.arange(-256, 256, 8, dtype=np.int16), (64, 1))
    for ds in evidence:
        ds.WindowCenter, ds.WindowWidth = [40, 500], [400, 2000]
    (tmp_path / "pr.dcm").write_bytes(to_bytes(state(evidence, volume)))
    shown = with_pixels(evidence[6], ramp)
    del shown.WindowCenter, shown.WindowWidth
    shown.save_as(tmp_path / "ct.dcm", enforce_file_format=True)
    pgm = tmp_path / "shown.pgm"
    run(dcmtk("dcmp2pgm") or "", "-p", tmp_path / "pr.dcm", "-D", tmp_path / "ct.dcm", pgm)
    *_, pixels = pgm.read_bytes().split(b"\n255\n", 1)
    row = np.frombuffer(pixels, np.uint8)[-64:].astype(int)
    expected = np.clip(((ramp[0] - 39.5) / 399 + 0.5) * 255, 0, 255)  # PS3.3 C.11.2.1.2.1
    assert np.abs(row - expected).max() <= 1
