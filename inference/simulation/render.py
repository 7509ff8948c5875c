"""From solids to voxels: sampling, slice thickness, in-plane interpolation and noise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.simulation.anatomy import Person, solids
from inference.simulation.field import Field, field_of
from inference.simulation.plan import Orientation, SimulationPlan
from inference.simulation.shapes import Grid, Solid
from inference.simulation.tissue import AIR_HU, hounsfield
from storage.bars import tracked

SAMPLE_MM: Final = 2.5  # a thicker slice is the mean of planes no further apart than this
SLAB: Final = 24  # planes of z painted at once: bounds the memory
NOISE_HU: Final = 9.0  # standard deviation
STORED_RANGE_HU: Final = (-1024, 3071)  # 12 bits with an intercept of -1024


def render_volume(plan: SimulationPlan) -> tuple[NDArray[np.int16], NDArray[np.float64]]:
    """The voxels that a plan describes, and where its slices lie.

    Returns:
        voxels: (k, j, i) int16, HU; slices in increasing IPP·normal, normal = row x column direction
            (PS3.3 C.7.6.2.1.1), as in `inference.volume.Volume`.
        positions: (k,) mm along the patient's axis across the slices: z (axial), y (coronal) or x (sagittal),
            so that a sagittal series runs from left to right with falling x.
    """
    field = field_of(plan)
    coarse = _paint(plan, field)
    random = np.random.default_rng([plan.seed, 3])
    voxels = np.empty((len(field.positions_mm), field.rows, field.columns), dtype=np.int16)
    for k, plane in enumerate(coarse):
        full = interpolated(plane) if field.halved else plane
        noisy = full + _noise(random, full.shape)
        voxels[k] = np.clip(np.rint(noisy), *STORED_RANGE_HU).astype(np.int16)
    return voxels, np.asarray(field.positions_mm)


def _paint(plan: SimulationPlan, field: Field) -> Grid:
    """Paint the drawing on the field's coarse grid: (k, j, i) float32 HU, thickness averaged."""
    person = Person.of(plan.seed)
    sx, sy, sz = person.scale
    x, y, z = field.axes(SAMPLE_MM)
    drawing = solids(person, plan.arms)
    slab = SLAB * field.samples(SAMPLE_MM)
    parts = [
        _mean(_slab(drawing, (z[at : at + slab] / sz, y / sy, x / sx), plan, field.painted_mm), plan, field)
        for at in tracked("drawing", range(0, len(z), slab), total=-(-len(z) // slab))
    ]
    return field.oriented(np.concatenate(parts))


def _slab(
    drawing: Iterable[Solid], axes: tuple[Grid, Grid, Grid], plan: SimulationPlan, edge_mm: float
) -> Grid:
    canvas = np.full([len(axis) for axis in axes], AIR_HU, dtype=np.float32)
    for solid in drawing:
        _brush(canvas, solid, axes, hounsfield(solid.tissue, contrast=plan.contrast), edge_mm)
    return canvas


def _brush(canvas: Grid, solid: Solid, axes: tuple[Grid, Grid, Grid], hu: float, edge: float) -> None:
    """Blend one solid into the canvas; its edge is soft over one pixel, as in a scanner's."""
    box = solid.box
    spans = [
        _span(axis, low - edge, high + edge)
        for axis, low, high in zip(axes, reversed(box.low), reversed(box.high), strict=True)
    ]
    if any(span.start >= span.stop for span in spans):
        return
    z, y, x = (axis[span] for axis, span in zip(axes, spans, strict=True))
    distance = solid.distance(z[:, None, None], y[None, :, None], x[None, None, :])
    cover = np.clip(0.5 - distance / np.float32(edge), 0, 1)
    part = canvas[tuple(spans)]
    part += cover * (np.float32(hu) - part)


def _span(axis: Grid, low: float, high: float) -> slice:
    """The run of a monotonic axis that lies between two values."""
    rising = axis if axis[0] <= axis[-1] else -axis
    ends = (low, high) if axis[0] <= axis[-1] else (-high, -low)
    return slice(int(np.searchsorted(rising, ends[0])), int(np.searchsorted(rising, ends[1], side="right")))


_SLICE_AXIS: Final = {Orientation.AXIAL: 0, Orientation.CORONAL: 1, Orientation.SAGITTAL: 2}


def _mean(canvas: Grid, plan: SimulationPlan, field: Field) -> Grid:
    """Average the planes that make up one slice's thickness."""
    axis, samples = _SLICE_AXIS[plan.orientation], field.samples(SAMPLE_MM)
    shape = list(canvas.shape)
    shape[axis : axis + 1] = [shape[axis] // samples, samples]
    return np.asarray(canvas.reshape(shape).mean(axis=axis + 1), dtype=np.float32)


def interpolated(plane: Grid) -> Grid:
    """Twice the rows and columns by linear interpolation between pixel centres."""
    for axis in (0, 1):
        edges = np.take(plane, [0], axis=axis), np.take(plane, [-1], axis=axis)
        padded = np.concatenate([edges[0], plane, edges[1]], axis=axis)
        count = plane.shape[axis]
        before, here, after = (np.take(padded, range(n, n + count), axis=axis) for n in (0, 1, 2))
        pair = np.stack([0.75 * here + 0.25 * before, 0.75 * here + 0.25 * after], axis=axis + 1)
        plane = pair.reshape([size * (2 if n == axis else 1) for n, size in enumerate(plane.shape)])
    return plane


def _noise(random: np.random.Generator, shape: tuple[int, ...]) -> Grid:
    """Noise with the grain of a soft kernel: neighbours are correlated."""
    white = random.standard_normal((shape[0] + 1, shape[1] + 1), dtype=np.float32)
    mixed = white[1:, 1:] + white[:-1, 1:] + white[1:, :-1] + white[:-1, :-1]
    return np.asarray(mixed * np.float32(NOISE_HU / 2), dtype=np.float32)
