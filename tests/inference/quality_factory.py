"""Bodies for the checks of the pixels: a simulated chest, and the real volumes beside the repository."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.simulation.field import field_of
from inference.simulation.plan import Coverage, SimulationPlan
from inference.simulation.render import render_volume
from inference.volume import Geometry, Slice, Volume
from tests.inference.real_series import DATA

Hu = NDArray[np.int16]


def volume_of(
    hu: Hu, z_mm: NDArray[np.float64], pixel_mm: tuple[float, float], *, intercept: float = -1024.0
) -> Volume:
    """An axial volume: rows to the left, columns to the back."""
    slices = tuple(
        Slice(
            sop_instance_uid=f"1.2.3.{k + 1}",
            sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
            frame=1,
            position_mm=(0.0, 0.0, float(z)),
            rescale_slope=1.0,
            rescale_intercept=intercept,
        )
        for k, z in enumerate(z_mm)
    )
    geometry = Geometry(
        rows=hu.shape[1],
        columns=hu.shape[2],
        row_direction=(1.0, 0.0, 0.0),
        column_direction=(0.0, 1.0, 0.0),
        normal=(0.0, 0.0, 1.0),
        pixel_spacing_mm=pixel_mm,
        spacing_mm=float(np.median(np.diff(z_mm))),
        tilt_deg=0.0,
        frame_of_reference_uid="1.2.4",
        slices=slices,
    )
    return Volume(series_instance_uid="1.2.3", number=1, geometry=geometry, voxels=hu)


@cache
def simulated(coverage: Coverage = Coverage.CHEST) -> Volume:
    """A phantom in a wide field; its voxels are shared: change a copy."""
    plan = SimulationPlan(seed=1, coverage=coverage, matrix=128)
    field = field_of(plan)
    hu, _ = render_volume(plan)
    pixel = float(field.pixel_mm)
    return volume_of(hu.astype(np.int16), np.asarray(field.positions_mm), (pixel, pixel))


def real_names(folder: str) -> list[str]:
    """The axial volumes of ../shared/data/<folder>; one that is absent where there is none."""
    found = sorted(path.stem for path in (DATA / folder).glob("*.npz"))
    return [name for name in found if not name.endswith(("-cor", "-sag"))] or ["absent"]


def real(folder: str, name: str) -> Volume:
    """One of them; skips where the data are absent."""
    path = DATA / folder / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"real CT absent: {folder}/{name}.npz is not in ../shared/data")
    with np.load(path) as file:
        row, column = (float(mm) for mm in file["pixel_mm"])
        return volume_of(file["hu"], file["z_mm"].astype(float), (row, column))
