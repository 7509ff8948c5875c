"""Every kind of result object of one series on disk: read through the gate, findings by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydicom.dataset import Dataset

from inference.findings import Findings
from inference.folder import find
from inference.folder_results import REVISION, STATION_NAME
from inference.gate import judged
from inference.provenance import provenance
from inference.results import BUILDERS, LeftOut, Predecessor, build_results
from inference.series import RefusedVolume, read_headers, read_part
from inference.volume import Volume
from storage.kinds import Kind
from tests.inference.results_factory import findings_of, read_without_pixels

NOW: Final = datetime(2026, 3, 4, 5, 6, 7, 891000)
DEVICE: Final = "2.25.4711"

REAL: Final = (
    "abd-crlm-1006-ce",
    "abdpel-tcga-bc-a10w-ce",
    "gap-icometrix-b",
    "head-qa-ge-tilt",
    "mf-dcmqi-liver-crop",
    "mip-acrin013-cor",
    "mip-acrin013-sag",
    "spine-taichi-ax",
    "spine-taichi-sag",
    "tilt-icometrix-a",
    "tilt-icometrix-c",
)
"""Series of ../shared/data/dicom of which a part makes a volume."""

GAPS: Final = ("gap-icometrix-b", "tilt-icometrix-c")
"""Series that the gate holds for a gap: the longest run of slices without one is taken."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One volume, and what was made of it."""

    name: str
    images: tuple[Path, ...]  # the source's files, in no order
    evidence: list[Dataset]  # their headers, in slice order
    volume: Volume
    findings: Findings
    results: dict[Kind, Path]  # the files that passed
    held: dict[Kind, str]  # reasons of those that did not
    remarks: dict[Kind, tuple[str, ...]]  # what dciodvfy warns of
    left_out: dict[Kind, str]  # reasons why there is none


def case_of(
    name: str, source: Path, folder: Path, former: tuple[Predecessor, ...] = (), revision: int = REVISION
) -> Case:
    """Build, judge and write all kinds for the first volume below a folder."""
    images, evidence, volume = first_volume(name, source)
    findings = findings_of(volume)
    told = provenance(device_uid=DEVICE, station_name=STATION_NAME, revision=revision, now=NOW)
    case = Case(
        name=name, images=images, evidence=evidence, volume=volume, findings=findings,
        results={}, held={}, remarks={}, left_out={},
    )  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    for built in build_results(evidence, volume, findings, told, former, kinds=tuple(BUILDERS)):
        kind = Kind(built.kind)
        if isinstance(built, LeftOut):
            case.left_out[kind] = built.reason
            continue
        found = judged(built, evidence[0])
        case.remarks[kind] = found.remarks
        if found.held is not None:
            case.held[kind] = found.held
        case.results[kind] = folder / f"{kind.lower()}.dcm"
        case.results[kind].write_bytes(found.content)
    return case


def first_volume(name: str, source: Path) -> tuple[tuple[Path, ...], list[Dataset], Volume]:
    """Files, headers in slice order, and voxels; of a series with a gap, the slices before it."""
    uid = min(find(source).series)
    paths = find(source).series[uid]
    series = read_headers(paths)
    if name in GAPS:
        kept = _longest_run(series.placed)
        paths = tuple(p for p in paths if str(read_without_pixels(p).SOPInstanceUID) in kept)
        series = read_headers(paths)
    read = read_part(series.judged.parts[0], series)
    assert not isinstance(read, RefusedVolume), read.reason
    headers = {str(ds.SOPInstanceUID): (path, ds) for path in paths for ds in [read_without_pixels(path)]}
    used = [headers[u] for u in dict.fromkeys(s.sop_instance_uid for s in read.volume.geometry.slices)]
    return tuple(path for path, _ in used), [ds for _, ds in used], read.volume


def _longest_run(placed: Sequence[Any]) -> set[str]:
    """The slices of the longest run of even steps along z."""
    ordered = sorted(placed, key=lambda s: s.position_mm[2])
    steps = np.diff([s.position_mm[2] for s in ordered])
    ends = [0, *(np.flatnonzero(steps > 1.5 * np.median(steps)) + 1), len(ordered)]
    first, last = max(pairwise(ends), key=lambda run: run[1] - run[0])
    return {s.sop_instance_uid for s in ordered[first:last]}
