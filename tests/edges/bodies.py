"""Edges that only the pixels show: a drawn body whose header is wrong and does not contradict itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from inference.simulation import Coverage, SimulationPlan, render_volume
from tests.edges.phantom import CORNERS, Truth, centres, set_hu
from tests.edges.stacks import Files, give, stack

PLAN = SimulationPlan(seed=7, coverage=Coverage.TRUNK, spacing_mm=20.0, matrix=64)
PIXEL_MM, SPACING_MM = 500.0 / 64, 20.0
PLACES = 60
"""Places of truth: voxels of tissue, drawn by lot."""

Turn = Callable[[NDArray[np.int16]], NDArray[np.int16]]


def stored_values_as_hounsfield() -> Files:
    """A trunk whose stored values are HU + 1024, Rescale Intercept 0: everything reads 1024 HU too high.

    Documented: no check is documented by any of the three.
    """
    files = _body()
    give(files.slices, RescaleIntercept=0)
    return files


def intercept_applied_twice() -> Files:
    """A trunk whose stored values are HU already, Rescale Intercept -1024: everything reads 1024 HU too low.

    Documented: no check is documented by any of the three.
    """
    files = _body(intercept=0)
    give(files.slices, RescaleIntercept=-1024)
    return files


def orientation_a_quarter_turn_off() -> Files:
    """A trunk whose rows and columns were exchanged in the pixels; the header is that of a sound one.

    Documented: MONAI App SDK PR #560 (axes mixed up); no check is documented by any of the three.
    """
    return _body(turn=lambda hu: np.swapaxes(hu, 1, 2))


def back_and_front_exchanged() -> Files:
    """A trunk whose rows run from the back: the header says supine, the pixels lie prone.

    Documented: MONAI #8467 (RAS and LPS mixed up); no check is documented by any of the three.
    """
    return _body(turn=lambda hu: hu[:, ::-1])


def left_and_right_exchanged() -> Files:
    """A trunk whose columns run from the left: mirrored, the liver on the left.

    Documented: MONAI #8467 (RAS and LPS mixed up); no check is documented by any of the three.
    """
    return _body(turn=lambda hu: hu[:, :, ::-1])


def _body(*, intercept: int = -1024, turn: Turn = lambda hu: hu) -> Files:
    """The trunk with the pixels that `turn` makes of it; the truth is what was there before."""
    hu = _trunk()
    side = (hu.shape[1] - 1) * PIXEL_MM / 2
    slices = stack(
        len(hu), spacing_mm=SPACING_MM, corner_mm=(-side, -side, 0.0), SliceThickness=SPACING_MM,
        PixelSpacing=[PIXEL_MM, PIXEL_MM], RescaleIntercept=intercept,
    )  # fmt: skip
    truth = _truth(slices, hu)
    for ds, image in zip(slices, turn(hu), strict=True):
        set_hu(
            ds,
            image.astype(float),
            dtype="<u2" if intercept else "<i2",
            bits_stored=16 if not intercept else 12,
        )
    return Files(slices=tuple(slices), truths=(truth,))


@lru_cache(maxsize=1)
def _trunk() -> NDArray[np.int16]:
    """HU of a trunk, (k, j, i), k towards the head."""
    voxels, _ = render_volume(PLAN)
    return voxels


def _truth(slices: list[Dataset], hu: NDArray[np.int16]) -> Truth:
    """Voxels of tissue and of gas in the body's neighbourhood, the same at every call."""
    inner = np.argwhere(np.abs(hu[:, 4:-4, 4:-4]) < 500) + np.array([0, 4, 4])
    k, j, i = inner[np.random.default_rng(1).choice(len(inner), PLACES, replace=False)].T
    scanned = np.stack([centres(ds) for ds in slices])
    corners = np.concatenate([place[CORNERS] for place in scanned])
    return Truth(points_mm=scanned[k, j, i], hu=hu[k, j, i].astype(float), corners_mm=corners)
