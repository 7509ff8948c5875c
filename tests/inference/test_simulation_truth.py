"""The phantom is where it says it is: judged from the voxels, not from the drawing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pytest
import SimpleITK as sitk
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference.simulation import Coverage, Orientation, SimulationPlan, render_volume
from inference.simulation.anatomy import Landmark, Person, landmarks
from inference.simulation.field import field_of
from inference.simulation.organs import HEART, KIDNEYS, aorta_path
from inference.simulation.regions import regions
from inference.simulation.render import interpolated
from inference.simulation.skeleton import rib_path
from inference.simulation.spine import vertebrae
from inference.simulation.tissue import ENHANCEMENT_HU, NATIVE_HU, Tissue
from storage.errors import ConfigError

NAMES = [*(f"L{n}" for n in range(5, 0, -1)), *(f"T{n}" for n in range(12, 0, -1)),
         *(f"C{n}" for n in range(7, 0, -1))]  # fmt: skip
SPONGIOSA_HU = (140, 330)  # trabecular bone, with the noise and a cortex that is near
DISC_HU = 150  # a disc between two bodies comes below this in the mean over its middle
ENDPLATE_HU = 270


@dataclass(frozen=True, kw_only=True)
class Scan:
    """Rendered voxels that can be asked for a point of the patient or of the drawing."""

    voxels: NDArray[np.int16]
    z_mm: NDArray[np.float64]
    plan: SimulationPlan

    def at(self, point: tuple[float, float, float], half: int = 0) -> float:
        """Mean HU of the (2 half + 1) squared pixels around a patient point."""
        field = field_of(self.plan)
        k = int(np.argmin(np.abs(self.z_mm - point[2])))
        j = round((point[1] - field.row_start_mm) / field.pixel_mm)
        i = round((point[0] - field.column_start_mm) / field.pixel_mm)
        return float(self.voxels[k, j - half : j + half + 1, i - half : i + half + 1].mean())

    def drawn(self, point: tuple[float, float, float], half: int = 0) -> float:
        """The same for a point of the drawing."""
        sx, sy, sz = Person.of(self.plan.seed).scale
        return self.at((point[0] * sx, point[1] * sy, point[2] * sz), half)


def _scan(**options: object) -> Scan:
    plan = replace(SimulationPlan(seed=11), **options)  # type: ignore[arg-type]
    voxels, z_mm = render_volume(plan)
    return Scan(voxels=voxels, z_mm=z_mm, plan=plan)


@pytest.fixture(scope="module")
def thin() -> Scan:
    return _scan(coverage=Coverage.WHOLE, spacing_mm=1.0, matrix=256)


@pytest.fixture(scope="module")
def chest() -> Scan:
    return _scan(coverage=Coverage.CHEST, spacing_mm=2.0, matrix=512)


def _by_name(seed: int = 11) -> dict[str, Landmark]:
    return {mark.name: mark for mark in landmarks(Person.of(seed))}


def _point(mark: Landmark) -> tuple[float, float, float]:
    return mark.x_mm, mark.y_mm, mark.z_mm


@pytest.mark.parametrize("name", NAMES)
def test_every_vertebra_is_bone_at_its_centre(thin: Scan, name: str) -> None:
    low, high = SPONGIOSA_HU
    assert low < thin.at(_point(_by_name()[name]), half=1) < high


def test_one_disc_between_two_endplates_separates_each_pair_of_bodies(thin: Scan) -> None:
    marks = _by_name()
    for lower, upper in pairwise(NAMES[:-1]):  # C2 is joined to C1 by its dens
        start, end = np.array(_point(marks[lower])), np.array(_point(marks[upper]))
        steps = np.linspace(0, 1, 1 + int(end[2] - start[2]))
        profile = np.array([thin.at(tuple(start + t * (end - start)), half=1) for t in steps])
        disc = int(np.argmin(profile))
        assert profile[disc] < DISC_HU, (lower, upper)
        assert profile[:disc].max() > ENDPLATE_HU, (lower, upper)
        assert profile[disc:].max() > ENDPLATE_HU, (lower, upper)
        runs = np.diff(np.concatenate([[0], (profile < DISC_HU).astype(int)]))
        assert int((runs == 1).sum()) == 1, (lower, upper)


@pytest.mark.parametrize("seed", [0, 1, 2, 2**63 - 1])
def test_the_column_is_whole_and_in_order(seed: int) -> None:
    marks = _by_name(seed)
    heights = [marks[name].z_mm for name in NAMES]
    assert heights == sorted(heights)
    assert marks["T12"].z_mm - marks["L3"].z_mm == pytest.approx(98.0 * Person.of(seed).scale[2], abs=2e-3)


def test_twelve_ribs_cross_a_sagittal_plane_behind_each_lung(chest: Scan) -> None:
    """Counted in the voxels: pieces of bone at the ribs' angles, from the back's side of the chest."""
    field = field_of(chest.plan)
    sx, sy, _ = Person.of(11).scale
    behind = round((8 * sy - field.row_start_mm) / field.pixel_mm)
    for side in (-1, 1):
        column = round((side * 54 * sx - field.column_start_mm) / field.pixel_mm)
        plane = chest.voxels[:, behind:, column]
        bone = sitk.GetImageFromArray((plane > 300).astype(np.uint8))
        whole = sitk.BinaryMorphologicalClosing(bone, (2, 2))
        pieces = sitk.RelabelComponent(sitk.ConnectedComponent(whole), minimumObjectSize=6)
        assert int(sitk.GetArrayFromImage(pieces).max()) == 12


def test_each_rib_is_bone_along_its_axis_and_starts_at_its_vertebra(chest: Scan) -> None:
    column = {v.name: v for v in vertebrae()}
    for number in range(1, 13):
        for side in (-1, 1):
            path = rib_path(number, side, column[f"T{number}"])
            values = [chest.drawn(point) for point in path[2:-1]]
            assert min(values) > 100, (number, side)
            assert abs(path[0][2] - column[f"T{number}"].z) < column[f"T{number}"].height / 2
            assert path[-1][2] < path[0][2] - 20  # it descends


def test_the_twelfth_rib_is_the_shortest_but_longer_than_forty_millimetres() -> None:
    column = {v.name: v for v in vertebrae()}

    def length(number: int) -> float:
        points = np.array(rib_path(number, 1, column[f"T{number}"]))
        return float(np.linalg.norm(np.diff(points, axis=0), axis=1).sum())

    assert 40 < length(12) < min(length(11), length(10), length(9))


def test_the_left_is_at_greater_x(thin: Scan) -> None:
    assert thin.drawn((-90, -6, 200), half=2) == pytest.approx(NATIVE_HU[Tissue.LIVER], abs=8)
    assert thin.drawn((98, 40, 205), half=2) == pytest.approx(NATIVE_HU[Tissue.SPLEEN], abs=8)
    x, y, z = _point(_by_name()["liver_end"])
    assert thin.at((x, y, z - 12), half=2) == pytest.approx(NATIVE_HU[Tissue.LIVER], abs=8)
    assert thin.at((x, y, z + 8), half=2) < -700  # the lung above the dome
    assert HEART[0] > 0


def test_air_lung_and_table(thin: Scan) -> None:
    assert thin.at((-240, -200, 300), half=3) == pytest.approx(-1000, abs=5)
    assert thin.drawn((-85, 10, 390), half=2) == pytest.approx(NATIVE_HU[Tissue.LUNG], abs=60)
    below = thin.voxels[:, 200:, 128].max(axis=1)
    assert below.min() > -700  # the table runs under every slice


def test_contrast_medium_adds_what_the_table_says_and_nothing_elsewhere() -> None:
    native = _scan(coverage=Coverage.ABDOMEN, matrix=256)
    enhanced = _scan(coverage=Coverage.ABDOMEN, matrix=256, contrast=True)
    assert ENHANCEMENT_HU[Tissue.AORTA] == 130
    for point in aorta_path():
        if 80 < point[2] < 270:
            assert enhanced.drawn(point) - native.drawn(point) == pytest.approx(130, abs=1)
    x, y, z = KIDNEYS["right"]
    assert enhanced.drawn((x - 18, y, z)) - native.drawn((x - 18, y, z)) == pytest.approx(150, abs=1)
    bone = _point(_by_name()["L2"])
    assert enhanced.at(bone) == native.at(bone)


EXPECTED_VERTEBRAE = {
    Coverage.WHOLE: ("L5", "C1"),
    Coverage.TRUNK: ("L5", "C7"),
    Coverage.CHEST: ("L1", "C7"),
    Coverage.ABDOMEN: ("L5", "T8"),
    Coverage.ABDOMEN_PELVIS: ("L5", "T8"),
    Coverage.PELVIS: ("L5", "L4"),
    Coverage.HEAD_NECK: ("T3", "C1"),
}


@pytest.mark.parametrize("seed", [1, 11, 12345])
@pytest.mark.parametrize("orientation", list(Orientation))
@pytest.mark.parametrize("coverage", list(EXPECTED_VERTEBRAE))
def test_a_coverage_holds_the_vertebrae_that_it_names(
    coverage: Coverage, orientation: Orientation, seed: int
) -> None:
    low, high = field_of(
        SimulationPlan(seed=seed, coverage=coverage, orientation=orientation, spacing_mm=2.0)
    ).z_range_mm
    marks = _by_name(seed)
    held = [name for name in NAMES if low <= marks[name].z_mm <= high]
    first, last = EXPECTED_VERTEBRAE[coverage]
    expected = NAMES[NAMES.index(first) : NAMES.index(last) + 1]
    assert held == expected


def test_regions_are_clipped_to_the_scan_and_know_when_they_are_whole() -> None:
    marks = landmarks(Person.of(11))
    height = {mark.name: mark.z_mm for mark in marks}
    spans = {s.region: s for s in regions(marks, height["T12"] - 1, height["head_end"] - 1)}
    assert list(spans) == ["abdomen", "chest", "neck", "head"]
    assert [s.whole for s in spans.values()] == [False, True, True, False]
    assert spans["abdomen"].start_mm == pytest.approx(height["T12"] - 1, abs=1e-3)
    assert spans["head"].end_mm == pytest.approx(height["head_end"] - 1, abs=1e-3)


def test_the_same_plan_renders_the_same_voxels_and_another_seed_another_person() -> None:
    small = {"coverage": Coverage.PELVIS, "matrix": 64, "spacing_mm": 20.0}
    assert np.array_equal(_scan(**small).voxels, _scan(**small).voxels)
    assert Person.of(1) != Person.of(2)
    assert _by_name(1)["T12"] != _by_name(2)["T12"]


def test_a_thick_slice_is_the_mean_of_its_thickness() -> None:
    """Where a body ends within a thick slice, only a mean agrees with four thin slices."""
    thick, fine = (
        _scan(coverage=Coverage.ABDOMEN, matrix=64, spacing_mm=mm).voxels.astype(float) for mm in (10.0, 2.5)
    )
    count = len(thick) - 1
    mean = fine[: 4 * count].reshape(count, 4, 64, 64).mean(axis=1)
    assert np.percentile(np.abs(thick[:count] - mean), 99.9) < 60  # noise; one plane alone gives 133


def test_interpolation_keeps_a_ramp_where_it_is() -> None:
    """A linear image stays linear, half a fine pixel inside each coarse one; only the border is flat."""
    rows, columns = np.mgrid[0:8, 0:6].astype(np.float32)
    doubled = interpolated(10 * rows + columns)
    expected = 10 * (np.arange(16) - 0.5)[:, None] / 2 + (np.arange(12) - 0.5)[None, :] / 2
    assert doubled.shape == (16, 12)
    assert np.allclose(doubled[1:-1, 1:-1], expected[1:-1, 1:-1])


@settings(max_examples=60, deadline=None)
@given(
    coverage=st.sampled_from(list(Coverage)),
    orientation=st.sampled_from(list(Orientation)),
    spacing=st.floats(0.5, 20, allow_nan=False),
    matrix=st.integers(32, 128).map(lambda n: 2 * n),
    seed=st.integers(0, 2**63 - 1),
)
def test_the_grid_is_regular(
    coverage: Coverage, orientation: Orientation, spacing: float, matrix: int, seed: int
) -> None:
    plan = SimulationPlan(
        seed=seed, coverage=coverage, orientation=orientation, spacing_mm=spacing, matrix=matrix
    )
    field = field_of(plan)
    x, y, z = field.axes(2.5)
    assert field.rows % 2 == 0
    assert field.columns == matrix
    steps = np.diff(field.positions_mm)
    sign = -1 if orientation is Orientation.SAGITTAL else 1
    assert np.allclose(steps, sign * spacing, atol=2e-4)
    across = {Orientation.AXIAL: z, Orientation.CORONAL: y, Orientation.SAGITTAL: x}[orientation]
    samples = field.samples(2.5)
    assert len(across) == samples * len(field.positions_mm)
    assert np.allclose(across.reshape(-1, samples).mean(axis=1), field.positions_mm, atol=1e-3)
    assert spacing / samples <= 2.5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"spacing_mm": 0.4}, "spacing_mm is 0.4: it must be from 0.5 to 20.0"),
        ({"spacing_mm": float("nan")}, "spacing_mm is nan"),
        ({"matrix": 63}, "matrix is 63: it must be from 64 to 1024"),
        ({"matrix": 255}, "matrix is 255: it must be even"),
        ({"seed": -1}, "seed is -1"),
        ({"patient_id": ""}, "0 characters"),
        ({"patient_id": "A\\B"}, "LO does not allow"),
        ({"patient_id": "x" * 65}, "65 characters"),
    ],
)
def test_a_wrong_option_is_refused_with_its_value(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("\\", "\\\\")):
        SimulationPlan(**{"seed": 1, **options})  # type: ignore[arg-type]


def test_a_series_beyond_memory_is_refused() -> None:
    plan = SimulationPlan(seed=1, coverage=Coverage.WHOLE, spacing_mm=0.5, matrix=1024)
    with pytest.raises(ConfigError, match="at most 600000000"):
        field_of(plan)
