"""One SeriesInstanceUID is not one volume: the slices of a series, parted as a radiographer would. Pure.

Localizers, pages and foreign objects come out with the reason why they are not analysed. The rest is parted

1. always, by what one reconstruction has one of: frame of reference, kernel, orientation, matrix, spacing;
2. only where positions repeat, by what may also change from slice to slice of one scan (a step-and-shoot
   scan counts acquisitions): temporal position, phase, acquisition, kV, slice thickness, image type, time;
3. where one run of regular spacing ends and another begins, as in a head scanned at 4 and at 7 mm.

Whether a part is a volume is decided by geometry.stack, not here. Step 2 is in geometry.repeats, step 3 in
geometry.scans.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from pydicom.uid import UID

from storage.geometry.attributes import same_orientation, same_pixel_spacing
from storage.geometry.faults import SAME_POSITION_MM
from storage.geometry.frames import PlacedSlice
from storage.geometry.repeats import Scan, Slices
from storage.geometry.scans import distances_mm, grouped, scans
from storage.geometry.stack import MIN_SLICES
from storage.header import CT_SOP_CLASSES

NOT_ANATOMY: Final = {
    "LOCALIZER": "localizer",
    "SCREEN SAVE": "screen save",
    "SCREENSAVE": "screen save",
    "DOSE": "dose page",
    "DOSE_INFO": "dose page",
    "CT_SOM5 PROT": "patient protocol page",
    "CT_SOM7 PROT": "patient protocol page",
    "CT_SOM5 TOP": "localizer",
    "CT_SOM7 TOP": "localizer",
    "SCOUT": "localizer",
    "TOPOGRAM": "localizer",
    "REFERENCE": "reference image",
    "MIP": "maximum projection",
    "MAX_IP": "maximum projection",
    "MAXIMUM": "maximum projection",
    "MINIP": "minimum projection",
    "MIN_IP": "minimum projection",
    "MINIMUM": "minimum projection",
    "SUBTRACTION": "subtraction",
    "VOLUME_RENDER": "rendering",
    "SURFACE_RENDER": "rendering",
    "VRT": "rendering",
    "SSD": "rendering",
    "CURVED_MPR": "curved reformat",
}
"""Values of Image Type (0008,0008) of CT images that hold no slices of the body.

PS3.3 C.8.2.1.1.1, C.8.16.1.4, C.8.16.2.1.4, and vendors'. A plane reformat (MPR, REFORMATTED) is slices.
"""

HOUNSFIELD: Final = ("HU", "HU_MOD", "US")
"""Rescale Types (0028,1054) read as HU; US, unspecified, is what many writers put beside HU values."""


CLUSTERS_COMPARED: Final = 100
"""A series of more orientations than this is no stack; its values are then told apart exactly."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """Slices of one series that belong together."""

    number: int  # from 1, within the series; the volume number of its report and results
    slices: Slices  # in order of SOP Instance UID and frame; geometry.stack orders them in space
    reason: str  # why it is not analysed; empty where geometry.stack is to decide
    told_by: str = ""  # attributes that told it from others at the same positions; empty where there are none


def split(placed: Iterable[PlacedSlice]) -> tuple[Part, ...]:
    """The parts of a series, the same for any order of its slices.

    Numbers run from 1: first the parts with slices enough for a volume, then the few, then those refused
    here; among each by lowest Instance Number.
    """
    slices = sorted(placed, key=lambda s: (s.sop_instance_uid, s.frame))
    by_reason = grouped(slices, key=exclusion)
    parts = [("", scan) for group in _reconstructions(by_reason.pop("", ())) for scan in scans(group)]
    for reason, excluded in by_reason.items():
        parts += [(reason, Scan(slices=group)) for group in _reconstructions(excluded)]
    parts.sort(key=lambda p: (bool(p[0]), len(p[1].slices) < MIN_SLICES, _first_instance(p[1].slices)))
    return tuple(
        Part(number=n, slices=scan.slices, reason=reason, told_by=scan.told_by)
        for n, (reason, scan) in enumerate(parts, start=1)
    )


def exclusion(placed: PlacedSlice) -> str:
    """Why this is no slice of anatomy in HU: '' where it is one."""
    if placed.sop_class_uid not in CT_SOP_CLASSES:
        return f"not a CT image: {UID(placed.sop_class_uid).name or 'no SOP Class UID'}"
    if placed.modality not in (None, "CT"):
        return f"not a CT image: Modality {placed.modality}"
    for value in placed.image_type:
        if value.upper() in NOT_ANATOMY:
            return f"{NOT_ANATOMY[value.upper()]}: ImageType " + "\\".join(placed.image_type)
    if placed.frames > 1:
        return f"multi-frame image that places no frame: NumberOfFrames {placed.frames}"
    if placed.samples_per_pixel != 1:
        return f"not a grey image: SamplesPerPixel {placed.samples_per_pixel}"
    if placed.rescale_type is not None and placed.rescale_type.upper() not in HOUNSFIELD:
        return f"not in Hounsfield units: RescaleType {placed.rescale_type}"
    return ""


def _reconstructions(slices: Sequence[PlacedSlice]) -> list[Slices]:
    """Groups that agree in all that one reconstruction has one of."""
    exact = grouped(slices, key=lambda s: (s.frame_of_reference_uid, s.kernel))
    return [
        group
        for same in exact.values()
        for plane in _clustered(same, value=lambda s: s.orientation, agree=same_orientation)
        for group in _fields_of_view(plane)
    ]


def _fields_of_view(plane: Slices) -> list[Slices]:
    """Parallel slices by matrix and pixel spacing; strays that fill holes of the largest group stay in it.

    A stray of another pixel spacing inside a stack is a damaged stack, which geometry.stack refuses with
    both values; taken out, it would leave a gap and hide why.
    """
    groups = [
        group
        for matrix in grouped(plane, key=lambda s: (s.rows, s.columns)).values()
        for group in _clustered(matrix, value=lambda s: s.pixel_spacing_mm, agree=same_pixel_spacing)
    ]
    largest = max(groups, key=len)
    strays = [g for g in groups if len(g) < MIN_SLICES <= len(largest) and _fills_holes(g, largest)]
    whole = tuple(s for group in [largest, *strays] for s in group)
    return [whole] + [group for group in groups if group is not largest and group not in strays]


def _fills_holes(stray: Slices, stack: Slices) -> bool:
    """Whether every slice of the stray lies inside the stack, where the stack has none."""
    if any(s.position_mm is None or s.orientation is None for s in stack + stray):
        return False
    held = distances_mm(stack)
    return all(
        held.min() < d < held.max() and abs(held - d).min() > SAME_POSITION_MM for d in distances_mm(stray)
    )


def _clustered(
    slices: Slices, *, value: Callable[[PlacedSlice], Any], agree: Callable[[Any, Any], bool]
) -> list[Slices]:
    """Groups whose value agrees with that of the group's first slice; an absent value agrees with absent."""
    clusters: dict[Any, list[PlacedSlice]] = {}
    home: dict[Any, Any] = {}  # value -> the value of its cluster's first slice
    for placed in slices:
        own = value(placed)
        if own not in home:
            known = islice(clusters, CLUSTERS_COMPARED)
            home[own] = next((first for first in known if _same_or_absent(first, own, agree)), own)
        clusters.setdefault(home[own], []).append(placed)
    return [tuple(cluster) for cluster in clusters.values()]


def _same_or_absent(one: Any, other: Any, agree: Callable[[Any, Any], bool]) -> bool:
    if one is None or other is None:
        return one is other
    return agree(one, other)


def _first_instance(group: Slices) -> tuple[float, str, int]:
    numbers = [s.instance_number for s in group if s.instance_number is not None]
    return (min(numbers, default=float("inf")), group[0].sop_instance_uid, group[0].frame)
