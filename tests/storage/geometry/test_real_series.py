"""The verdict on every real series: what a radiographer would say of it, in full."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from inference.findings import Axis
from inference.folder import find
from inference.plane import axis_of
from inference.series import ReadVolume, RefusedVolume, read_headers, volumes_of
from storage.geometry.gate import Check, Outcome, Verdict
from tests.inference.real_series import extracted

pytestmark = pytest.mark.data

AXIAL, CORONAL, SAGITTAL = Axis.AXIAL, Axis.CORONAL, Axis.SAGITTAL
LOCALIZER = "localizer: ImageType ORIGINAL\\PRIMARY\\LOCALIZER"

MONITORED = "duplicate position 61.50 mm: 4 slices there (instance 23, instance 24, instance 25, instance 26)"
MISSING_AT_5_MM = (
    "gap of 10.00 mm between instance 9 and instance 10 where spacing is 5.00 mm: 1 slice missing"
)
MISSING_INSTANCE_4 = (
    "gap of 1.50 mm between instance 3 and instance 5 where spacing is 0.75 mm: 1 slice missing"
)

# per series, per volume: (slices, axis, spacing in mm, tilt in degrees) or (slices, axis, reason)
VERDICTS = {
    "abd-crlm-1006-ce": [[(51, AXIAL, 5.0, 0.0)]],
    "abdpel-tcga-bc-a10w-ce": [[(60, AXIAL, 8.0, 0.0)]],
    # bolus monitoring: the same slice again and again
    "dup-icometrix-d": [[(4, AXIAL, MONITORED)]],
    "gap-icometrix-b": [[(4, AXIAL, MISSING_AT_5_MM)]],
    # one tilted head: the posterior fossa at 4 mm, the rest at 7 mm
    "head-qa-ge-tilt": [[(14, AXIAL, 4.0, 18.5), (14, AXIAL, 7.0, 18.5)]],
    # two multi-frame instances of three frames, each a series of its own
    "mf-dcmqi-liver-crop": [[(3, AXIAL, 2.5, 0.0)], [(3, AXIAL, 2.5, 0.0)]],
    "mip-acrin013-cor": [[(40, CORONAL, 1.68, 0.0)]],
    "mip-acrin013-sag": [[(53, SAGITTAL, 1.68, 0.0)]],
    "scout-taichi": [[(1, SAGITTAL, LOCALIZER), (1, CORONAL, LOCALIZER)]],
    # eleven stacks through discs and bodies, leaning up to 27 degrees, and two reference images
    "spine-taichi-ax": [
        [(n, AXIAL, 3.0, 0.0) for n in (11, 5, 11, 5, 11, 5, 10, 5, 10, 7, 21)]
        + [
            (1, CORONAL, "too few slices: 1, at least 3 make a volume (instance 1)"),
            (1, SAGITTAL, "too few slices: 1, at least 3 make a volume (instance 2)"),
        ]
    ],
    "spine-taichi-sag": [
        [
            (38, SAGITTAL, 3.0, 0.0),
            (1, CORONAL, "too few slices: 1, at least 3 make a volume (instance 1)"),
        ]
    ],
    "tilt-icometrix-a": [[(4, AXIAL, 4.85, 14.0)]],
    # instances 1, 2, 3 and 5
    "tilt-icometrix-c": [[(4, AXIAL, MISSING_INSTANCE_4)]],
}


# of the first series in each: what is done, and the checks of its first volume
GATE = {
    "abd-crlm-1006-ce": (Verdict.ACCEPT, {}),
    "dup-icometrix-d": (Verdict.HOLD, {Check.DUPLICATES: Outcome.HELD}),
    "gap-icometrix-b": (Verdict.HOLD, {Check.MISSING: Outcome.HELD}),
    "head-qa-ge-tilt": (Verdict.SPLIT, {Check.TILT: Outcome.REPAIRED}),
    "mf-dcmqi-liver-crop": (Verdict.ACCEPT, {}),
    "scout-taichi": (Verdict.HOLD, {Check.CONTENT: Outcome.HELD}),
    "spine-taichi-ax": (Verdict.SPLIT, {}),
    "tilt-icometrix-a": (Verdict.REPAIR, {Check.TILT: Outcome.REPAIRED}),
}


@pytest.fixture
def real(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return lambda series: extracted(series, tmp_path_factory)


def verdict(read) -> tuple:
    if not isinstance(read, ReadVolume):
        return read.slices, read.axis, read.reason
    geometry = read.volume.geometry
    spacing = pytest.approx(geometry.spacing_mm, abs=0.005)
    return len(geometry.slices), axis_of(geometry.normal), spacing, pytest.approx(geometry.tilt_deg, abs=0.05)


@pytest.mark.parametrize("series", VERDICTS)
def test_every_real_series_gets_its_verdict(series: str, real: Callable[[str], Path]) -> None:
    found = find(real(series))
    reads = [list(volumes_of(paths)) for paths in found.series.values()]

    assert found.foreign == 0
    assert [[verdict(read) for read in volumes] for volumes in reads] == VERDICTS[series]
    for volumes in reads:
        numbers = [r.volume.number if isinstance(r, ReadVolume) else r.number for r in volumes]
        assert numbers == list(range(1, len(volumes) + 1))


@pytest.mark.parametrize("series", GATE)
def test_every_real_series_passes_the_gate_as_it_should(series: str, real: Callable[[str], Path]) -> None:
    paths = next(iter(find(real(series)).series.values()))
    told = {Outcome.HELD, Outcome.REPAIRED}

    reads = list(volumes_of(paths))
    verdict = read_headers(paths).judged

    found = {c.check: c.outcome for c in verdict.parts[0].checks if c.outcome in told}
    assert (verdict.verdict, found) == GATE[series]
    assert {read.verdict for read in reads} == {verdict.verdict}
    assert [read.part.number for read in reads] == [part.number for part in verdict.parts]
    held = [read.part.verdict is Verdict.HOLD for read in reads]
    assert held == [isinstance(read, RefusedVolume) for read in reads]


def test_a_real_tilt_is_told(real: Callable[[str], Path]) -> None:
    (paths,) = find(real("head-qa-ge-tilt")).series.values()

    for read in volumes_of(paths):
        assert isinstance(read, ReadVolume)
        assert read.warnings == (
            "gantry tilt: slices advance 18.5 degrees off their normal: slices placed by their own positions",
        )
        assert read.header.gantry_tilt_deg == 18.5


def test_simpleitk_reads_the_same_volume(real: Callable[[str], Path]) -> None:
    folder = real("abdpel-tcga-bc-a10w-ce")
    (paths,) = find(folder).series.values()
    (read,) = volumes_of(paths)
    assert isinstance(read, ReadVolume)
    geometry = read.volume.geometry

    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(paths[0].parent)))
    image = reader.Execute()

    assert image.GetOrigin() == pytest.approx(geometry.slices[0].position_mm, abs=1e-4)
    row_mm, column_mm = geometry.pixel_spacing_mm
    assert image.GetSpacing() == pytest.approx((column_mm, row_mm, geometry.spacing_mm), abs=1e-5)
    direction = np.array([geometry.row_direction, geometry.column_direction, geometry.normal]).T
    assert image.GetDirection() == pytest.approx(direction.ravel(), abs=1e-6)
    assert np.array_equal(sitk.GetArrayFromImage(image), read.volume.voxels)
