"""Cases made of real ones: crops, reformats, reversed and stretched stacks, each with its own truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Final
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from inference.curve import JUDGED_EXTENT_MM, JUDGED_SLICES, SLOPE_PER_MM
from inference.evaluation.case import Case, Group, Kind
from inference.evaluation.dataset import Origin
from inference.evaluation.truths import MANY, truth_of
from inference.evaluation.volumes import PLANES, cropped, is_even, reformatted, reversed_slices, stretched
from inference.findings import Axis
from inference.training.landmarks import targets
from inference.volume import Volume


@dataclass(frozen=True, kw_only=True)
class Band:
    """A crop by true scores."""

    low: float  # true score of its lower end
    high: float  # of its upper end
    series_class: str | None = None  # of the 16; None where more than one would be right


BANDS: Final[dict[str, Band]] = {
    "pelvis": Band(low=0.0, high=27.0, series_class="Pelvis"),  # ischium to crest
    "lower-pelvis": Band(low=-10.0, high=24.0, series_class="Pelvis"),
    "abdomen-pelvis": Band(low=0.0, high=57.0, series_class="Abdomen-pelvis"),  # ischium to T8
    "abdomen": Band(low=25.0, high=55.0, series_class="Abdomen"),  # L5 to T9: holds L3 and T12
    "upper-abdomen": Band(low=38.0, high=58.0),  # L2 to T8: T12 without L3
    "lumbar": Band(low=20.0, high=42.0),  # S1 to L1: L3 without T12
    "chest": Band(low=50.0, high=76.0, series_class="Chest"),  # T10 to T1: neither
    "upper-chest": Band(low=60.0, high=80.0),
    "chest-upper-abdomen": Band(low=42.0, high=77.0, series_class="Chest"),  # L1 to C7
    "neck": Band(low=74.0, high=90.0, series_class="Neck"),
}
"""Crops by name."""

WINDOWS: Final = 3
"""Crops of each volume at random."""

WINDOW_MM: Final = (100.0, 260.0)
"""Shortest and longest of these."""

SEED: Final = 7
"""Of the windows, together with the volume's id."""

SLACK_MM: Final = 15.0
"""A band that the field misses by more than this is not cropped: the crop would be another."""

FACTORS: Final = (0.5, 2.0)
"""How wrong the spacings are; BodyPartRegression's rule tolerates 28 %."""

SHARE_OF_OTHERS: Final = 12
"""One of so many head-and-neck and limb volumes is made into reformats, chosen by a hash of its id."""


def derived_cases(origin: Origin) -> Iterator[Case]:
    """Everything that is made of one real case; nothing where it is not axial, or too short."""
    case = origin.case
    if origin.known.axis is not Axis.AXIAL or not _long_enough(case.z_mm):
        return
    yield from _crops(origin)
    if is_even(np.asarray(case.z_mm)) and (case.group is Group.TRUNK or _chosen(case.identifier)):
        yield from _reformats(case)
    if case.group is Group.TRUNK:
        yield from _spoilt(case)


def _long_enough(z_mm: tuple[float, ...]) -> bool:
    return len(z_mm) >= JUDGED_SLICES and z_mm[-1] - z_mm[0] >= JUDGED_EXTENT_MM


def _chosen(identifier: str) -> bool:
    return crc32(identifier.encode()) % SHARE_OF_OTHERS == 0


def _crops(origin: Origin) -> Iterator[Case]:
    marks = origin.case.truth.landmarks
    if len(marks) < MANY:
        return
    z = np.asarray(origin.case.z_mm)
    score, _ = targets(z, [(m.z_mm, m.score) for m in marks])
    for name, band in BANDS.items():
        inside = np.flatnonzero((score >= band.low) & (score <= band.high))
        reach = (float(score[0]) - band.low, band.high - float(score[-1]))
        if len(inside) and max(reach) / SLOPE_PER_MM <= SLACK_MM:
            yield from _crop(origin, name, int(inside[0]), int(inside[-1]), band.series_class)
    for number, (first, last) in enumerate(_windows(origin.case.identifier, z)):
        yield from _crop(origin, f"window-{number}", first, last, None)


def _windows(identifier: str, z: NDArray[np.float64]) -> Iterator[tuple[int, int]]:
    random = np.random.default_rng([SEED, crc32(identifier.encode())])
    for _ in range(WINDOWS):
        length = random.uniform(*WINDOW_MM)
        if length >= z[-1] - z[0]:
            continue
        start = random.uniform(z[0], z[-1] - length)
        inside = np.flatnonzero((z >= start) & (z <= start + length))
        yield int(inside[0]), int(inside[-1])


def _crop(origin: Origin, name: str, first: int, last: int, series_class: str | None) -> Iterator[Case]:
    """The crop, its labels made anew; nothing where it is too short, or the whole volume."""
    case = origin.case
    z_mm = case.z_mm[first : last + 1]
    if not _long_enough(z_mm) or len(z_mm) == len(case.z_mm):
        return
    part = replace(origin.known, covered=None, series_class=series_class, class_if_regions=None)
    truth = truth_of(origin.points, np.asarray(z_mm), part, origin.priors)
    yield replace(_made(case, name, Kind.CROP, lambda v: cropped(v, first, last)), truth=truth, z_mm=z_mm)


def _reformats(case: Case) -> Iterator[Case]:
    """Coronal, sagittal and oblique: what is true of the axial volume is true of them, but for the axis."""
    for plane in PLANES:
        truth = replace(case.truth, axis=plane, landmarks=())
        yield replace(_made(case, plane.value, Kind.REFORMAT, partial(reformatted, plane=plane)), truth=truth)


def _spoilt(case: Case) -> Iterator[Case]:
    yield _made(case, "reversed", Kind.REVERSED, reversed_slices)
    for factor in FACTORS:
        yield _made(case, f"spacing-x{factor:g}", Kind.WRONG_SPACING, partial(stretched, factor=factor))


def _made(case: Case, name: str, kind: Kind, change: Callable[[Volume], Volume]) -> Case:
    return replace(
        case,
        identifier=f"{case.identifier}/{name}",
        kind=kind,
        load=lambda: change(case.load()),
    )
