"""The picture and the PDF of real CT: axial, tilted, oblique, sagittal and coronal series."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from inference.findings import Findings, LevelFinding, Presence
from inference.results import ResultObject, build_results
from inference.results.picture.projection import sampled
from inference.results.picture.views import views_of
from inference.series import ReadVolume, volumes_of
from inference.volume import Volume
from storage.kinds import Kind
from tests.inference.real_series import extracted
from tests.inference.results_factory import PROVENANCE, findings_of

pytestmark = pytest.mark.data

SERIES = (
    "abdpel-tcga-bc-a10w-ce", "abd-crlm-1006-ce", "head-qa-ge-tilt", "mip-acrin013-cor", "mip-acrin013-sag",
    "spine-taichi-ax", "spine-taichi-sag", "tilt-icometrix-a", "mf-dcmqi-liver-crop",
)  # fmt: skip

INHERITED = ("PatientAge(0010,1010)",)
"""Wrong in a source: an age of 0Y."""

UNKNOWN = LevelFinding(presence=Presence.CANNOT_TELL)


def volumes(name: str, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[Dataset], Volume]]:
    """The volumes that the gate accepts, with their headers."""
    headers: dict[str, Dataset] = {}
    series: dict[str, list[Path]] = {}
    for path in sorted(extracted(name, tmp_path_factory).rglob("*.dcm")):
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        headers[str(ds.SOPInstanceUID)] = ds
        series.setdefault(str(ds.SeriesInstanceUID), []).append(path)
    reads = [read for paths in series.values() for read in volumes_of(paths) if isinstance(read, ReadVolume)]
    found = []
    for volume in (read.volume for read in reads):
        uids = dict.fromkeys(s.sop_instance_uid for s in volume.geometry.slices)
        found.append(([headers[uid] for uid in uids], volume))
    return found


def findings(volume: Volume) -> Findings:
    """Levels have slices in axial series alone."""
    said = findings_of(volume)
    if abs(volume.geometry.normal[2]) > 0.8:
        return said
    return replace(said, t12=UNKNOWN, l3=UNKNOWN, slice_scores=())


def errors(file: Path) -> list[str]:
    """What dciodvfy finds wrong, but for what is copied from the source as it stands."""
    done = subprocess.run(
        ["dciodvfy", "-new", file], capture_output=True, text=True, errors="replace", check=False
    )
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("Error")]
    return [line for line in lines if not any(keyword in line for keyword in INHERITED)]


@pytest.mark.parametrize("name", SERIES)
def test_dciodvfy_finds_no_error(name: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    accepted = volumes(name, tmp_path_factory)
    assert accepted
    for evidence, volume in accepted:
        kinds = [Kind.SC, Kind.PDF]
        for result in build_results(evidence, volume, findings(volume), PROVENANCE, kinds=kinds):
            assert isinstance(result, ResultObject), result
            assert result.held is None
            result.dataset.save_as(tmp_path / "result.dcm", enforce_file_format=True)
            assert errors(tmp_path / "result.dcm") == []


def test_a_sagittal_reformat_and_its_views_show_the_same_heights(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """The head is above the pelvis, and the spine behind the belly, as every reader of the series sees."""
    ((_, volume),) = volumes("mip-acrin013-sag", tmp_path_factory)
    views = views_of(volume)
    assert views is not None
    view = views.sagittal
    across = np.linspace(*view.across_mm, 200)
    image = sampled(view, across, np.linspace(*view.up_mm, 400))
    middle = image[120:240]  # of the trunk
    brightest = across[np.argmax(middle[:, 40:160], axis=1) + 40]
    assert np.median(brightest) > across.mean()
    widths = (image > 300).sum(axis=1)
    assert widths[370:].mean() < widths[40:200].mean()  # a neck and head are narrower
