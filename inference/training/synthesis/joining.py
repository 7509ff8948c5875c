"""Longer bodies: one atlas on top of another, joined at a disc, a neck or the thighs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from inference.training.synthesis.atlas import VOXEL_MM, Atlas, Voxel, is_bone
from inference.training.synthesis.landmarks import Point
from inference.training.synthesis.outline import DEPTH_RANGE_MM

SEAM_MM: Final = 25.0
"""The outline is smoothed this far above and below a seam."""

SCALE_RANGE: Final = (0.8, 1.25)
"""A guest is scaled in plane to its host's width and depth at the seam, within this."""

AWAY_MM: Final = 20.0
"""Landmarks of soft organs closer to a seam than this are dropped: the organ may be cut."""


NECK_LEVELS: Final = {"T1": "C7", "T2": "T1"}
"""Levels at which a head is put on, and the vertebra above."""

NECK_HALF_WIDTH_MM: Final = 110.0
"""A head brings no shoulders."""

LEGS_MM: Final = 420.0
"""Legs reach this far below the ischium: to the knees."""


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How the guest's slices are laid on the host's: host = (guest - centre) * scale + place, in x and y."""

    guest_z_mm: float  # height of the seam in the guest
    host_z_mm: float  # and in the host
    centre_mm: tuple[float, float]  # of the guest
    place_mm: tuple[float, float]  # in the host
    scale: tuple[float, float]


def joined_at_disc(upper: Atlas, lower: Atlas, above: str, below: str) -> Atlas:
    """The upper atlas down to the disc between two vertebrae, the lower atlas from there.

    Args:
        upper: the host, not scaled.
        lower: the guest, scaled to the host's body at the seam.
        above: the vertebra above the disc; both atlases have it.
        below: the vertebra below.
    """
    seam = [_between(a.bodies[above], a.bodies[below]) for a in (upper, lower)]
    sizes = [_extent_mm(a, p[2]) for a, p in zip((upper, lower), seam, strict=True)]
    scale = tuple(float(np.clip(h / g, *SCALE_RANGE)) for h, g in zip(*sizes, strict=True))
    fit = Fit(
        guest_z_mm=seam[1][2],
        host_z_mm=seam[0][2],
        centre_mm=seam[1][:2],
        place_mm=seam[0][:2],
        scale=(scale[0], scale[1]),
    )
    return _stacked(upper, lower, fit, guest_on_top=False)


def with_head(trunk: Atlas, phantom: Atlas) -> Atlas:
    """The phantom's head and neck on a trunk that shows T1 or T2: from the disc above it."""
    level = next(level for level in NECK_LEVELS if level in trunk.bodies)
    place, centre = trunk.bodies[level], phantom.bodies[level]
    rise = 0.5 * (phantom.bodies[NECK_LEVELS[level]][2] - centre[2])
    fit = Fit(
        guest_z_mm=centre[2] + rise,
        host_z_mm=place[2] + rise,
        centre_mm=centre[:2],
        place_mm=place[:2],
        scale=(1.0, 1.0),
    )
    far = np.abs(np.arange(phantom.labels.shape[2]) * VOXEL_MM - centre[0]) > NECK_HALF_WIDTH_MM
    labels, depth = phantom.labels.copy(), phantom.depth_mm.copy()
    labels[:, :, far], depth[:, :, far] = 0, DEPTH_RANGE_MM[1]
    return _stacked(trunk, replace(phantom, labels=labels, depth_mm=depth), fit, guest_on_top=True)


def with_legs(trunk: Atlas, phantom: Atlas) -> Atlas:
    """The phantom's legs under a trunk that shows the whole pelvis: shaft on shaft."""
    heights = [a.points["ischium_bottom"][2] for a in (trunk, phantom)]
    feet = round((heights[1] - LEGS_MM) / VOXEL_MM)
    phantom = replace(
        phantom, labels=phantom.labels[feet:], depth_mm=phantom.depth_mm[feet:], bodies={}, points={}
    )
    heights[1] -= feet * VOXEL_MM
    host, guest = (_shafts(a, z) for a, z in zip((trunk, phantom), heights, strict=True))
    apart = float(np.clip((host[1][0] - host[0][0]) / (guest[1][0] - guest[0][0]), *SCALE_RANGE))
    fit = Fit(
        guest_z_mm=heights[1],
        host_z_mm=heights[0],
        centre_mm=_between((*guest[0], 0.0), (*guest[1], 0.0))[:2],
        place_mm=_between((*host[0], 0.0), (*host[1], 0.0))[:2],
        scale=(apart, 1.0),
    )
    return _stacked(trunk, phantom, fit, guest_on_top=False)


def _stacked(host: Atlas, guest: Atlas, fit: Fit, *, guest_on_top: bool) -> Atlas:
    h, g = round(fit.host_z_mm / VOXEL_MM), round(fit.guest_z_mm / VOXEL_MM)
    rows, columns = host.labels.shape[1:]
    labels = _laid(guest.labels, fit, (rows, columns), sitk.sitkNearestNeighbor, 0)
    depth = _laid(guest.depth_mm, fit, (rows, columns), sitk.sitkLinear, 100)
    parts = ((host.labels, labels), (host.depth_mm, depth))
    if guest_on_top:
        stacked = [np.concatenate([a[:h], b[g:]]) for a, b in parts]
        seam, names = h, (guest.identifier, host.identifier)
        host_shift, guest_shift = 0.0, (h - g) * VOXEL_MM
    else:
        stacked = [np.concatenate([b[:g], a[h:]]) for a, b in parts]
        seam, names = g, (host.identifier, guest.identifier)
        host_shift, guest_shift = (g - h) * VOXEL_MM, 0.0
    above = {"host": not guest_on_top, "guest": guest_on_top}
    z = seam * VOXEL_MM
    bodies = _kept(host.bodies, host_shift, z, above["host"], 0.0) | _kept(
        {n: _mapped(p, fit) for n, p in guest.bodies.items()}, guest_shift, z, above["guest"], 0.0
    )
    points = _kept(host.points, host_shift, z, above["host"], AWAY_MM) | _kept(
        {n: _mapped(p, fit) for n, p in guest.points.items()}, guest_shift, z, above["guest"], AWAY_MM
    )
    return Atlas(
        identifier="+".join(names),
        patients=tuple(dict.fromkeys((*host.patients, *guest.patients))),
        labels=stacked[0],
        depth_mm=_smoothed(stacked[1], seam),
        hu=None,
        bodies=dict(sorted(bodies.items(), key=lambda item: -item[1][2])),
        points=points,
    )


def _kept(
    points: dict[str, Point], shift: float, seam_z: float, above: bool, away: float
) -> dict[str, Point]:
    moved = {name: (x, y, z + shift) for name, (x, y, z) in points.items()}
    return {n: p for n, p in moved.items() if (p[2] - seam_z) * (1 if above else -1) > away}


def _mapped(point: Point, fit: Fit) -> Point:
    x, y = (
        (p - c) * s + q for p, c, s, q in zip(point, fit.centre_mm, fit.scale, fit.place_mm, strict=False)
    )
    return x, y, point[2]


def _laid(
    values: NDArray[Voxel], fit: Fit, size: tuple[int, int], interpolator: int, outside: int
) -> NDArray[Voxel]:
    image = sitk.GetImageFromArray(values)
    image.SetSpacing([VOXEL_MM] * 3)
    sx, sy = fit.scale
    transform = sitk.AffineTransform(3)
    transform.SetMatrix([1 / sx, 0, 0, 0, 1 / sy, 0, 0, 0, 1])
    transform.SetTranslation(
        [c - q / s for c, q, s in zip(fit.centre_mm, fit.place_mm, fit.scale, strict=True)] + [0.0]
    )
    grid = [size[1], size[0], values.shape[0]]
    identity = [1, 0, 0, 0, 1, 0, 0, 0, 1]
    laid = sitk.Resample(image, grid, transform, interpolator, [0.0] * 3, [VOXEL_MM] * 3, identity, outside)
    return np.asarray(sitk.GetArrayFromImage(laid), values.dtype)


def _smoothed(depth: NDArray[np.int8], seam: int) -> NDArray[np.int8]:
    """The outline runs evenly from one body to the other: a moving mean along z, near the seam only."""
    reach = int(SEAM_MM / VOXEL_MM)
    low, high = max(seam - reach, 0), min(seam + reach, len(depth))
    result = depth.copy()
    for k in range(low, high):
        half = max(reach - abs(k - seam), 0)
        window = depth[max(k - half, 0) : k + half + 1].astype(np.float32)
        result[k] = window.mean(axis=0).astype(np.int8)
    return result


def _between(a: Point, b: Point) -> Point:
    x, y, z = ((p + q) / 2 for p, q in zip(a, b, strict=True))
    return x, y, z


def _extent_mm(atlas: Atlas, z_mm: float) -> tuple[float, float]:
    core = atlas.depth_mm[round(z_mm / VOXEL_MM)] < 0
    return float(np.ptp(np.flatnonzero(core.any(axis=0)))), float(np.ptp(np.flatnonzero(core.any(axis=1))))


def _shafts(atlas: Atlas, z_mm: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """(x, y) mm of the right and the left femur at a height: the bone on each side of the pelvis's middle."""
    j, i = np.nonzero(is_bone(atlas.labels[round(z_mm / VOXEL_MM) - 1]))
    middle = atlas.labels.shape[2] / 2
    lateral = np.abs(i - middle) * VOXEL_MM > 60.0
    sides = [(i < middle) & lateral, (i > middle) & lateral]
    right, left = ((float(i[s].mean() * VOXEL_MM), float(j[s].mean() * VOXEL_MM)) for s in sides)
    return right, left
