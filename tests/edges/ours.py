"""What ctnode makes of a folder: the verdict on every series in it, and the volumes for the models."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inference.findings import Axis
from inference.folder import Found, find
from inference.plane import axis_of
from inference.projection import box
from inference.series import ReadVolume, volumes_of
from inference.symmetry import FIELD_MM, symmetry_checks
from inference.volume import Volume
from storage.errors import CtnodeError
from storage.geometry.gate import CheckResult, Verdict
from storage.geometry.stack import slice_centres_z_mm
from tests.edges.corpus import files_of, write
from tests.edges.phantom import OUTSIDE_VOXELS, Points
from tests.edges.readers import Made, Output


@dataclass(frozen=True, kw_only=True)
class Ours:
    """The node's answer on a folder."""

    verdict: Verdict
    volumes: tuple[tuple[int, float, float], ...]  # slices, spacing in mm, tilt in degrees
    reasons: tuple[str, ...]  # why parts are held, what was repaired, what was noted; each once
    outputs: tuple[Output, ...]  # the volumes' voxels and places

    @property
    def made(self) -> Made:
        """As if a peer had made it."""
        return Made(
            outputs=self.outputs, said=self.reasons, error="" if self.outputs else "; ".join(self.reasons)
        )


@cache
def answer(name: str) -> Ours:
    """The node's answer on an edge of the corpus, asked once."""
    with tempfile.TemporaryDirectory() as scratch:
        return ctnode(write(files_of(name), Path(scratch) / "series"))


def ctnode(folder: Path) -> Ours:
    """Judge and read every series of a folder, as `ctnode analyze` does."""
    found = find(folder)
    if not found.series:
        reasons = (f"no DICOM images found: {found.foreign} foreign files",)
        return Ours(verdict=Verdict.HOLD, volumes=(), reasons=reasons, outputs=())
    answers = [_contradicted(found, uid) or _series(paths) for uid, paths in found.series.items()]
    verdicts = {answer.verdict for answer in answers}
    return Ours(
        verdict=verdicts.pop() if len(verdicts) == 1 else Verdict.SPLIT,
        volumes=tuple(v for answer in answers for v in answer.volumes),
        reasons=tuple(dict.fromkeys(r for answer in answers for r in answer.reasons)),
        outputs=tuple(o for answer in answers for o in answer.outputs),
    )


def _contradicted(found: Found, uid: str) -> Ours | None:
    reason = found.contradictions.get(uid)
    return (reason and Ours(verdict=Verdict.HOLD, volumes=(), reasons=(reason,), outputs=())) or None


def _series(paths: Sequence[Path]) -> Ours:
    try:
        reads = list(volumes_of(paths))
    except CtnodeError as error:
        return Ours(verdict=Verdict.HOLD, volumes=(), reasons=(str(error),), outputs=())
    volumes = [read.volume for read in reads if isinstance(read, ReadVolume)]
    reasons = [check.detail for read in reads for check in read.part.checks]
    reasons += [check.detail for volume in volumes for check in _seen(volume)]
    return Ours(
        verdict=reads[0].verdict if volumes else Verdict.HOLD,
        volumes=tuple(_figures(volume) for volume in volumes),
        reasons=tuple(dict.fromkeys(reasons)),
        outputs=tuple(_output(volume) for volume in volumes),
    )


def _seen(volume: Volume) -> tuple[CheckResult, ...]:
    """What the body says against its orientation."""
    geometry = volume.geometry
    wide = min(geometry.rows * geometry.pixel_spacing_mm[0], geometry.columns * geometry.pixel_spacing_mm[1])
    if axis_of(geometry.normal) is not Axis.AXIAL or wide < FIELD_MM:
        return ()
    return symmetry_checks(box(volume.voxels, geometry, slice_centres_z_mm(geometry)), geometry)


def _figures(volume: Volume) -> tuple[int, float, float]:
    geometry = volume.geometry
    return len(geometry.slices), round(geometry.spacing_mm, 2), round(geometry.tilt_deg, 1)


def _output(volume: Volume) -> Output:
    """The voxels, each slice at its own corner: a tilted or uneven stack is none of an even grid's."""
    geometry = volume.geometry
    between_rows, between_columns = geometry.pixel_spacing_mm
    return Stack(
        name=f"volume {volume.number}",
        voxels=volume.voxels.transpose(2, 1, 0),
        affine=np.eye(4),  # of no use: a Stack looks at its corners
        corners_mm=np.asarray([s.position_mm for s in geometry.slices]),
        row_mm=between_columns * np.asarray(geometry.row_direction),
        column_mm=between_rows * np.asarray(geometry.column_direction),
    )


@dataclass(frozen=True, kw_only=True)
class Stack(Output):
    """A volume whose slices lie where their own headers place them."""

    corners_mm: Points  # (k, 3): centre of each slice's first pixel
    row_mm: NDArray[np.float64]  # (3,): step of the column index
    column_mm: NDArray[np.float64]  # (3,): step of the row index

    def ijk(self, points_mm: Points) -> NDArray[np.float64]:
        """Linear between slices, wherever they lie; k is -1 outside."""
        normal = np.cross(self.row_mm, self.column_mm)
        normal /= np.linalg.norm(normal)
        heights, slices = self.corners_mm @ normal, np.arange(len(self.corners_mm))
        own, margin = points_mm @ normal, OUTSIDE_VOXELS * float(np.median(np.diff(heights)))
        inside = (own > heights[0] - margin) & (own < heights[-1] + margin)
        k = np.where(inside, np.interp(own, heights, slices), -1.0)
        corners = np.stack([np.interp(k, slices, axis) for axis in self.corners_mm.T], axis=1)
        across = points_mm - corners
        i, j = (across @ step / (step @ step) for step in (self.row_mm, self.column_mm))
        return np.stack([i, j, k], axis=1)
