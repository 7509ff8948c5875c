from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from typer.testing import CliRunner

from inference.kernel import Kernel
from inference.series import ReadVolume, volumes_of
from inference.simulation import Coverage, SimulationPlan, simulate
from inference.workbench import commands_view
from inference.workbench.histogram import histogram, rows
from inference.workbench.kernel_evidence import kernel_evidence
from inference.workbench.mpr import along, grid_of, planes, sampled, spine_path
from inference.workbench.overlay import overlay
from inference.workbench.png import png
from inference.workbench.projections import grey, project
from inference.workbench.windows import PRESETS, Preset, Window, windowed
from storage.header import Header
from tests.inference.findings_factory import findings_of
from tests.inference.series_factory import SAGITTAL, save, set_pixels, stack_of, uid


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> tuple[ReadVolume, object]:
    """A simulated abdomen, and the truth about it."""
    plan = SimulationPlan(seed=3, coverage=Coverage.ABDOMEN, matrix=128)
    simulated = simulate(tmp_path_factory.mktemp("ct") / "a", plan)
    (read,) = volumes_of(simulated.files)
    return read, simulated


def test_a_window_is_that_of_the_standard() -> None:
    """PS3.3 C.11.2.1.2.1: centre 40, width 400: -160.5 and below is black, 239.5 and above white."""
    window = Window(40, 400)
    assert windowed(np.array([-161, -160, 39, 40, 239, 240]), window).tolist() == [0, 0, 127, 128, 255, 255]
    assert set(PRESETS) == set(Preset)


def test_a_picture_can_be_read_by_others(tmp_path: Path) -> None:
    picture = np.arange(35, dtype=np.uint8).reshape(5, 7)
    (tmp_path / "a.png").write_bytes(png(picture))
    assert np.array_equal(sitk.GetArrayFromImage(sitk.ReadImage(str(tmp_path / "a.png"))), picture)
    assert png(picture)[:8] == b"\x89PNG\r\n\x1a\n"
    assert zlib.crc32(png(picture)) == zlib.crc32(png(picture.copy()))


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1, 0), (0, 1, 0, 1, 0, 0), SAGITTAL])
def test_points_are_sampled_where_simpleitk_samples_them(orientation, tmp_path: Path) -> None:
    stack = stack_of(6, spacing_mm=3.0, orientation=orientation, origin=(-20, 30, 50))
    for n, ds in enumerate(stack):
        set_pixels(ds, (np.arange(30, dtype=np.uint16) * 17 + n * 91 + 900).reshape(6, 5))
    paths = save(stack, tmp_path)
    (read,) = volumes_of(paths)
    grid = grid_of(read.volume)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(tmp_path)))
    points = np.random.default_rng(2).uniform(grid.low_mm, grid.high_mm, size=(200, 3))
    ours = sampled(grid, points)
    judge = sitk.Cast(reader.Execute(), sitk.sitkFloat64)
    theirs = [judge.EvaluateAtPhysicalPoint(p.tolist(), sitk.sitkLinear) for p in points]
    assert np.allclose(ours, theirs, atol=0.05)
    assert sampled(grid, np.array([[999.0, 0, 0]])).tolist() == [-1024.0]


def test_planes_have_the_head_above_and_pixels_of_one_mm(phantom) -> None:
    read, _ = phantom
    grid = grid_of(read.volume)
    shown = planes(grid)
    high, wide, deep = (int(grid.high_mm[n] - grid.low_mm[n]) + 1 for n in (2, 0, 1))
    assert shown["axial"].shape == (deep, wide)
    assert shown["coronal"].shape == (high, wide)
    assert shown["sagittal"].shape == (high, deep)
    middle = (grid.low_mm + grid.high_mm) / 2
    assert shown["coronal"][0, wide // 2] == pytest.approx(
        float(sampled(grid, np.array([grid.low_mm[0] + wide // 2, middle[1], grid.high_mm[2]]))), abs=40
    )


def test_the_spine_is_followed_within_a_centimetre(phantom) -> None:
    read, simulated = phantom
    path = spine_path(read.volume)
    assert path is not None
    vertebrae = [m for m in simulated.landmarks if m.name in ("L1", "L2", "L3", "L4", "T12")]
    assert len(vertebrae) >= 3
    for mark in vertebrae:
        assert abs(np.interp(mark.z_mm, path.z_mm, path.x_mm) - mark.x_mm) < 10
        assert abs(np.interp(mark.z_mm, path.z_mm, path.y_mm) - mark.y_mm) < 40  # body and arch together
    grid = grid_of(read.volume)
    assert along(grid, path)["coronal along the spine"].shape == planes(grid)["coronal"].shape


def test_bone_is_seen_in_projections_and_the_table_is_not(phantom) -> None:
    read, simulated = phantom
    shown = project(read.volume)
    assert shown is not None
    z = read.volume.geometry.z_mm
    assert shown.top_mm == pytest.approx(z.max())
    assert shown.frontal_hu.shape[0] == int(z.max() - z.min()) + 1
    spine = next(m for m in simulated.landmarks if m.name == "L3")
    row = round(shown.top_mm - spine.z_mm)
    column = round(spine.x_mm - read.volume.geometry.slices[0].position_mm[0])
    assert shown.frontal_hu[row, column - 10 : column + 10].max() > 200
    assert shown.frontal_hu[row, 0] == -1000
    assert grey(np.array([[100.0, 800.0, 1500.0, 3000.0]], np.float32)).tolist() == [[0, 128, 255, 255]]


def test_the_overlay_says_regions_levels_and_scores_in_words(phantom) -> None:
    read, _ = phantom
    drawn = overlay(project(read.volume), findings_of(read), "a title")
    for words in ("a title", ">abdomen<", "T12 ", "confidence 0.60", "L3: not in field", "slice score"):
        assert words in drawn
    assert drawn.count("data:image/png;base64,") == 2


def test_a_histogram_counts_every_voxel_once() -> None:
    voxels = np.array([[[-2000, -1100, -1000, 0, 24, 25, 5000]]], np.int16)
    found = histogram(voxels)
    told = {low: count for low, _, count in rows(found) if count}
    assert told == {-1100: 2, -1000: 1, 0: 2, 25: 1, 3075: 1}
    assert found.shares["air"] == pytest.approx(3 / 7)
    assert sum(found.shares.values()) == pytest.approx(1)


def test_a_sharp_texture_is_told_from_a_soft_one() -> None:
    noise = np.random.default_rng(5).normal(40, 12, size=(6, 80, 80))
    smooth = sum(np.roll(noise, n, axis=2) for n in range(-2, 3)) / 5**0.5 + 40 * (1 - 5**0.5)
    header = Header(
        sop_instance_uid="1", sop_class_uid="1", series_instance_uid="1", study_instance_uid="1",
        convolution_kernel="B30f", manufacturer="SIEMENS",
    )  # fmt: skip
    sharp, soft = (kernel_evidence(np.rint(v).astype(np.int16), header) for v in (noise, smooth))
    assert (sharp.kernel, sharp.name) == (Kernel.SOFT, "B30f")
    assert sharp.texture == pytest.approx(1.0, abs=0.1)
    assert soft.texture is not None
    assert soft.texture < 0.6
    assert "kernel B30f of SIEMENS: soft" in sharp.words()
    air = kernel_evidence(np.full((3, 20, 20), -1000, np.int16), header)
    assert air.texture is None
    assert "too little soft tissue" in air.words()


def test_what_cannot_be_drawn_is_told_and_stops_nobody(tmp_path: Path) -> None:
    """A NIfTI file that is none, two patients in one series, two slices; and one that can be drawn."""
    ct = tmp_path / "ct"
    save(stack_of(5, spacing_mm=20.0, name="sound"), ct / "sound")
    save(stack_of(2, name="short"), ct / "short")
    save(
        [
            *stack_of(3, name="mixed", PatientID="1"),
            *stack_of(1, first_number=9, origin=(0, 0, 15), name="mixed", PatientID="2"),
        ],
        ct / "mixed",
    )
    (ct / "a.nii").write_bytes(b"no NIfTI")
    result = CliRunner().invoke(commands_view.app, [str(ct), "--out", str(tmp_path / "out")])
    assert result.exit_code == 0, result.output
    assert [p.name for p in (tmp_path / "out").iterdir()] == [f"{uid('sound')}.1"]
    for words in ("not a NIfTI file", "PatientID differs within the series", "too few slices: 2"):
        assert words in result.output


def test_the_command_draws_every_plane_in_every_window(tmp_path: Path) -> None:
    plan = SimulationPlan(seed=3, coverage=Coverage.PELVIS, matrix=64, spacing_mm=10.0)
    simulate(tmp_path / "ct", plan)
    arguments = [str(tmp_path / "ct"), "--out", str(tmp_path / "out"), "--window", "bone", "--window", "soft"]
    result = CliRunner().invoke(commands_view.app, arguments)
    assert result.exit_code == 0, result.output
    (folder,) = (tmp_path / "out").iterdir()
    names = {"axial", "coronal", "sagittal", "coronal-along-the-spine", "sagittal-along-the-spine"}
    expected = {f"{name}-{window}.png" for name in names for window in ("bone", "soft")}
    assert {p.name for p in folder.iterdir()} == expected | {"histogram.csv", "view.html"}
    text = (folder / "view.html").read_text()
    assert "Window bone: centre 400, width 1800 HU" in text
    assert text.count("<img ") == 10
