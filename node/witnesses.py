"""Simulated series, and what others say of how many images they have: also wrong or too late. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Final

from node.recording import Happening, Kind
from storage.geometry.frames import CLASSIC_CT, PlacedSlice, placed_by
from storage.header import Header
from storage.states import Source

SLICES: Final = (40, 400)
"""Of a series, or of all its phases: a head at 5 mm to a trunk at 1.5 mm."""
ORDERS: Final = {"up": 0.8, "down": 0.12, "any": 0.08}
"""By Instance Number, against it, or as an archive's database has them."""
ACQUIRED: Final = {"absent": 0.6, "right": 0.3, "wrong": 0.1}
"""Images in Acquisition (0020,1002) is Type 3: most leave it out; a wrong one counts other series too."""
MPPS_OF_THE_MODALITY: Final = 0.4
MPPS_S: Final = 45.0
"""Median time from the last image to the end of the examination, which is when COMPLETED is told."""
MPPS_BEFORE: Final = 0.1
"""Share of the transfers from an archive of which the MPPS was told long before."""
COUNTED: Final = 0.4
"""Share of the transfers from an archive that we ask."""
STILL_RECEIVING: Final = 0.2
"""Share of these in which it sends on what it receives, and counts only that."""
ASKED_AGAIN_S: Final = 10.0
COMMITTED: Final = 0.15
"""Share of the modality's transfers after which it asks for storage commitment."""
FROM_THE_MODALITY: Final = ("scanner", "phases")


@dataclass(frozen=True)
class Image:
    """One image to be sent."""

    series: str
    instance: str
    placed: PlacedSlice
    images_in_acquisition: int | None


def series_images(rng: Random, series: str, *, phases: bool) -> list[Image]:
    """The images of a series in the order in which they are sent; phases lie at the same positions."""
    slices = round(math.exp(rng.uniform(*map(math.log, SLICES))))
    times = rng.randint(2, 3) if phases else 1
    spacing_mm, each = rng.choice((1.0, 1.5, 2.5, 5.0)), max(20, slices // times)
    told = {"absent": None, "right": each, "wrong": 2 * each * times}[_choice(rng, ACQUIRED)]
    images = [
        _image(series, phase, number, each, spacing_mm, told)
        for phase in range(1, times + 1)
        for number in range(1, each + 1)
    ]
    order = _choice(rng, ORDERS)
    if order == "any":
        rng.shuffle(images)
    return images[::-1] if order == "down" and not phases else images


def _choice(rng: Random, shares: dict[str, float]) -> str:
    return rng.choices(list(shares), list(shares.values()))[0]


def _image(series: str, phase: int, number: int, each: int, spacing_mm: float, told: int | None) -> Image:
    instance = (phase - 1) * each + number
    header = Header(
        sop_instance_uid=f"{series}.{instance}",
        sop_class_uid=CLASSIC_CT,
        series_instance_uid=series,
        study_instance_uid="",
        modality="CT",
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        instance_number=instance,
        acquisition_number=phase,
        temporal_position=phase,
        frame_of_reference_uid="f1",
        position_mm=(-250.0, -250.0, spacing_mm * number),
        orientation=(1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
        pixel_spacing_mm=(0.9765625, 0.9765625),
        slice_thickness_mm=spacing_mm,
        rows=512,
        columns=512,
        rescale_slope=1.0,
        rescale_intercept=-1024.0,
        convolution_kernel="STANDARD",
    )
    return Image(series, f"{series}.{instance}", placed_by(header), told)


def witnesses(
    rng: Random, manner: str, images: Sequence[Image], happenings: Sequence[Happening]
) -> list[Happening]:
    """What is told of one series, given when its images came."""
    series, times = images[0].series, {}
    for each in happenings:
        if each.kind is Kind.INSTANCE and each.series == images[0].series:
            times[each.instance] = each.at
    first, last = min(times.values()), max(times.values())
    every = tuple(image.instance for image in images)
    found: list[Happening] = []
    if manner in FROM_THE_MODALITY:
        if rng.random() < MPPS_OF_THE_MODALITY:
            found.append(
                _listed(series, Source.MPPS, last + rng.lognormvariate(math.log(MPPS_S), 1.0), every)
            )
        if rng.random() < COMMITTED:
            found.append(_listed(series, Source.COMMITMENT, last + rng.expovariate(0.2), every))
        return found
    if rng.random() < MPPS_BEFORE:
        found.append(_listed(series, Source.MPPS, first - 1.0, every))
    if rng.random() < COUNTED:
        grows = rng.random() < STILL_RECEIVING
        asked = [first + 1.0] if not grows else _asked(first, last)
        for at in asked:
            arrived = sum(time <= at for time in times.values())
            count = min(len(every), arrived + rng.randint(0, 5)) if grows else len(every)
            found.append(
                Happening(
                    at=at, kind=Kind.TOLD, series=series, source=Source.QUERY, told_by="archive", count=count
                )
            )
    return found


def _asked(first: float, last: float) -> list[float]:
    rounds = math.ceil((last - first) / ASKED_AGAIN_S) + 1
    return [first + 1.0 + ASKED_AGAIN_S * n for n in range(rounds)]


def _listed(series: str, source: Source, at: float, instances: tuple[str, ...]) -> Happening:
    return Happening(
        at=at, kind=Kind.TOLD, series=series, source=source, told_by=f"{source} {series}", instances=instances
    )
