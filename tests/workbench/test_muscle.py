"""Muscle at L3: against a drawn slice whose muscle is known, and every reason not to measure."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from typer.testing import CliRunner

from inference.findings import Contrast, ContrastFinding, Findings, LevelFinding, Presence
from inference.report import NOT_FOR_DIAGNOSIS
from inference.series import ReadVolume, volumes_of
from inference.workbench import commands
from inference.workbench.at_work import AtWork
from inference.workbench.muscle.measure import Counted, Measured, count, measure, with_height
from inference.workbench.muscle.picture import picture, runs
from inference.workbench.muscle.records import MuscleState
from inference.workbench.muscle.standard import Way
from storage.geometry.verdicts import Check, noted
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import ct_slice, save, set_pixels
from tests.workbench.drawn_abdomen import Drawn, drawn

SPACING_MM = 5.0


def way(pixel_mm: float) -> Way:
    return Way(transposed=False, flip_y=False, flip_x=False, y_mm=pixel_mm, x_mm=pixel_mm)


@pytest.fixture(scope="module")
def slice_() -> Drawn:
    return drawn()


def stored(made: Drawn, folder: Path, *, thickness_mm: float | None = 5.0, **attributes: Any) -> list[Path]:
    """Five slices, the drawn one in the middle and its neighbours without muscle, as DICOM."""
    return save([_image(made, k, thickness_mm, **attributes) for k in range(5)], folder)


def _image(made: Drawn, k: int, thickness_mm: float | None, **attributes: Any) -> Dataset:
    corner = -made.hu.shape[0] * made.pixel_mm / 2
    own = {"PixelSpacing": [made.pixel_mm] * 2, "SliceThickness": thickness_mm} | attributes
    own = {name: value for name, value in own.items() if value is not None}
    ds = ct_slice((corner, corner, k * SPACING_MM), number=k + 1, **own)
    hu = made.hu if k == 2 else np.where(made.muscle > 0.5, -100, made.hu)
    set_pixels(ds, (np.rint(hu) + 1024).astype(np.uint16))
    return ds


def at_l3(read: ReadVolume, **changes: Any) -> Findings:
    """Findings with L3 in the middle slice and no contrast medium."""
    uid = read.volume.geometry.slices[2].sop_instance_uid
    level = LevelFinding(
        presence=Presence.FOUND,
        z_mm=2 * SPACING_MM,
        slice_index=2,
        sop_instance_uid=uid,
        confidence=0.9,
        interval_mm=(4.0, 16.0),
    )
    found = replace(
        findings_of(read), l3=level, checks=(), contrast=ContrastFinding(value=Contrast.NO, confidence=0.9)
    )
    return replace(found, **changes)


def read_of(paths: list[Path]) -> ReadVolume:
    (read,) = volumes_of(paths)
    assert isinstance(read, ReadVolume), read
    return read


def measured(made: Drawn, folder: Path, **attributes: Any) -> Measured:
    read = read_of(stored(made, folder, **attributes))
    return measure(read.volume, at_l3(read), read.header)


# against what was drawn


@pytest.mark.parametrize(
    ("options", "most_percent"),
    [({}, 5), ({"scale": 0.85}, 5), ({"pixel_mm": 1.4}, 5), ({"muscle_hu": 20}, 8), ({"noise_hu": 25}, 8)],
)
def test_the_area_is_that_of_the_drawing(options: dict[str, float], most_percent: float) -> None:
    made = drawn(**options)
    counted = count(made.hu, way(made.pixel_mm))
    assert isinstance(counted, Counted), counted
    found = counted.mask.sum() * made.pixel_mm**2 / 100
    assert abs(found - made.area_cm2) / made.area_cm2 * 100 < most_percent
    wrong = (counted.mask * (1 - made.muscle)).sum() * made.pixel_mm**2 / 100
    assert wrong < 0.03 * made.area_cm2  # bowel at the wall, kidneys, canal, skin: hardly any of it
    assert counted.hu[counted.mask].mean() == pytest.approx(options.get("muscle_hu", 55), abs=3)


def test_a_volume_gives_area_attenuation_index_and_where(slice_: Drawn, tmp_path: Path) -> None:
    finding = measured(slice_, tmp_path).finding
    assert finding.state is MuscleState.MEASURED
    assert finding.area_cm2 == pytest.approx(slice_.area_cm2, rel=0.05)
    assert finding.area_cm2 == pytest.approx(
        finding.wall_cm2 + finding.psoas_cm2 + finding.back_cm2, abs=0.02
    )
    assert (finding.slice_index, finding.z_mm, finding.spacing_mm, finding.averaged_slices) == (2, 10, 5, 1)
    assert (finding.slice_thickness_mm, finding.l3_confidence, finding.l3_interval_mm) == (5, 0.9, (4, 16))
    assert finding.warnings == ("Experimental: measured on two patients, see deploy/MUSCLE_CARD.md",)
    tall = with_height(finding, 1.6, "")
    assert tall.index_cm2_per_m2 == pytest.approx(finding.area_cm2 / 2.56, abs=0.01)
    without = with_height(finding, None, "no height")
    assert (without.index_cm2_per_m2, without.warnings[-1]) == (None, "no height")


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        ((-1, 0, 0, 0, -1, 0), lambda hu: hu[::-1, ::-1]),  # on the belly
        ((-1, 0, 0, 0, 1, 0), lambda hu: hu[:, ::-1]),
        ((0, 1, 0, 1, 0, 0), lambda hu: hu.T),
    ],
)
def test_the_way_the_patient_lies_changes_nothing(
    slice_: Drawn, tmp_path: Path, orientation: tuple[float, ...], turn: Callable[[Any], Any]
) -> None:
    straight = measured(slice_, tmp_path / "straight").finding
    turned = replace(slice_, hu=turn(slice_.hu), muscle=turn(slice_.muscle))
    cosines = np.asarray(orientation, float)
    paths = stored(turned, tmp_path / "turned")
    size = slice_.hu.shape[0] * slice_.pixel_mm / 2
    for k, path in enumerate(paths):
        ds = dcmread(path)
        ds.ImageOrientationPatient = [f"{c:g}" for c in orientation]
        ds.ImagePositionPatient = [*(-(cosines[:3] + cosines[3:]) * size)[:2].tolist(), k * SPACING_MM]
        ds.save_as(path)
    read = read_of(paths)
    index = [s.position_mm[2] for s in read.volume.geometry.slices].index(10)
    level = replace(at_l3(read).l3, slice_index=index)
    again = measure(read.volume, at_l3(read, l3=level), read.header).finding
    assert (again.area_cm2, again.mean_hu) == (straight.area_cm2, straight.mean_hu)


def test_thin_slices_are_averaged_to_about_five_millimetres(slice_: Drawn, tmp_path: Path) -> None:
    datasets = []
    for k in range(9):
        ds = _image(slice_, 2, 1.0)
        ds.ImagePositionPatient = [*ds.ImagePositionPatient[:2], k]
        ds.SOPInstanceUID = f"1.2.{k + 1}"
        datasets.append(ds)
    read = read_of(save(datasets, tmp_path))
    found = at_l3(read, l3=replace(at_l3(read).l3, slice_index=4))
    finding = measure(read.volume, found, read.header).finding
    assert (finding.averaged_slices, finding.slice_thickness_mm, finding.spacing_mm) == (5, 1, 1)


# reasons


def reason(slice_: Drawn, folder: Path, **changes: Any) -> str:
    read = read_of(stored(slice_, folder))
    made = measure(read.volume, at_l3(read, **changes), read.header)
    assert made.finding.state is MuscleState.UNDETERMINED
    assert (made.finding.area_cm2, made.counted) == (None, None)
    return made.finding.reason


def test_without_a_sure_l3_nothing_is_measured(slice_: Drawn, tmp_path: Path) -> None:
    away = LevelFinding(presence=Presence.NOT_IN_FIELD, reason="about 30 mm below the field")
    assert reason(slice_, tmp_path / "a", l3=away) == "L3: not in field, about 30 mm below the field"
    unsure = LevelFinding(presence=Presence.CANNOT_TELL, reason="two vertebrae are alike")
    assert reason(slice_, tmp_path / "b", l3=unsure) == "L3: cannot tell, two vertebrae are alike"
    coronal = LevelFinding(presence=Presence.FOUND, z_mm=10.0)
    assert reason(slice_, tmp_path / "c", l3=coronal) == "the slices are not axial"


def test_pixels_that_may_be_no_hu_are_not_measured(slice_: Drawn, tmp_path: Path) -> None:
    offset = noted(Check.OFFSET, "HU may be 1024 too high")
    assert reason(slice_, tmp_path / "a", checks=(offset,)) == "pixels may be no HU: HU may be 1024 too high"
    other = measured(slice_, tmp_path / "b", RescaleType="US").finding
    assert other.reason == "Rescale Type (0028,1054) is US, not HU"
    assert measured(slice_, tmp_path / "c", RescaleType="HU").finding.state is MuscleState.MEASURED


def test_a_field_that_cuts_muscle_is_not_measured_and_one_that_cuts_skin_is_told() -> None:
    whole = drawn()
    narrow = count(whole.hu[:, 60:-60], way(0.8))  # to 142 mm of 145
    assert isinstance(narrow, str)
    assert re.fullmatch(r"the field of view cuts the body over \d+ mm, \d mm from muscle .*", narrow)
    skin = count(whole.hu[:, 34:-34], way(0.8))  # to 163 mm
    assert isinstance(skin, Counted)
    assert skin.cut().length_mm > 20
    assert 15 < skin.cut().to_muscle_mm < 20
    assert count(whole.hu, way(0.8)).cut().length_mm < 5  # noise that is as low as blanked


def test_a_circle_that_cuts_muscle_is_not_measured() -> None:
    made = drawn()
    y, x = np.indices(made.hu.shape) * made.pixel_mm - made.hu.shape[0] * made.pixel_mm / 2
    circle = np.where(np.hypot(y, x) < 140, made.hu, np.float32(-1024))
    told = count(circle, way(0.8))
    assert isinstance(told, str)
    assert "mm from muscle (or the background was blanked up to the skin)" in told
    wide = np.where(np.hypot(y, x) < 185, made.hu, np.float32(-1024))
    assert isinstance(count(wide, way(0.8)), Counted)


def test_a_slice_without_vertebra_or_body_is_not_measured(slice_: Drawn) -> None:
    boneless = np.where(slice_.hu > 150, np.float32(40), slice_.hu)
    assert count(boneless, way(0.8)) == "no vertebral body is found in the slice"
    air = np.full_like(slice_.hu, -1000)
    assert count(air, way(0.8)) == "no vertebral body is found in the slice"


def test_slices_far_apart_are_not_measured(slice_: Drawn, tmp_path: Path) -> None:
    datasets = [_image(slice_, 2, 5.0) for _ in range(5)]
    for k, ds in enumerate(datasets):
        ds.ImagePositionPatient = [*ds.ImagePositionPatient[:2], k * 12]
        ds.SOPInstanceUID = f"1.2.{k + 1}"
    read = read_of(save(datasets, tmp_path))
    finding = measure(read.volume, at_l3(read), read.header).finding
    assert finding.reason == "slices are 12 mm apart: L3's middle may lie between them"


def test_contrast_medium_and_no_thickness_are_told(slice_: Drawn, tmp_path: Path) -> None:
    read = read_of(stored(slice_, tmp_path, thickness_mm=None))
    contrast = ContrastFinding(value=Contrast.YES, confidence=0.9)
    warnings = measure(read.volume, at_l3(read, contrast=contrast), read.header).finding.warnings
    assert warnings[1:] == (
        "intravenous contrast medium: yes; it raises the attenuation of muscle",
        "Slice Thickness (0018,0050) is absent",
    )


# what is written


def test_the_picture_shows_exactly_the_counted_pixels(slice_: Drawn, tmp_path: Path) -> None:
    made = measured(slice_, tmp_path)
    assert made.counted is not None
    drawing = picture(made.counted, made.finding, "L3 of <series>")
    paths = dict(re.findall(r"<clipPath id='clip-(\w+)'><path [^>]*d='([^']*)'", drawing))
    assert set(paths) == {"wall", "psoas", "back"}
    for name, path in paths.items():
        assert np.array_equal(_painted(path, slice_.hu.shape), made.counted.parts[name])
    assert "L3 of &lt;series&gt;" in drawing
    assert NOT_FOR_DIAGNOSIS in drawing
    assert runs(np.zeros((2, 2), bool)) == ""


def _painted(path: str, shape: tuple[int, ...]) -> Any:
    mask = np.zeros(shape, bool)
    for column, row, length in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\d+z", path):
        mask[int(row), int(column) : int(column) + int(length)] = True
    return mask


def test_the_command_writes_a_line_a_record_and_a_picture(
    slice_: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored(slice_, tmp_path / "ct", PatientSize="1.7")
    monkeypatch.setattr("inference.models.bundle.Models.load", lambda device: None)
    monkeypatch.setattr(AtWork, "findings", lambda self: at_l3(self.read))
    result = CliRunner().invoke(
        commands.app, ["muscle", str(tmp_path / "ct"), "--out", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    (line,) = csv.DictReader((tmp_path / "out" / "muscle.csv").open())
    (record,) = [json.loads(p.read_text()) for p in (tmp_path / "out").glob("*.json")]
    (drawing,) = (tmp_path / "out").glob("*.svg")
    assert line["state"] == record["state"] == "measured"
    assert float(line["area_cm2"]) == record["area_cm2"] == pytest.approx(slice_.area_cm2, rel=0.05)
    assert record["index_cm2_per_m2"] == pytest.approx(record["area_cm2"] / 1.7**2, abs=0.01)
    assert line["notice"] == record["notice"] == NOT_FOR_DIAGNOSIS
    assert f"skeletal muscle {record['area_cm2']:.1f} cm²" in drawing.read_text()
    assert f"measured, {record['area_cm2']:.1f} cm²" in result.output
