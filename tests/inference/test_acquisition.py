"""How a series was reconstructed."""

from __future__ import annotations

import numpy as np
import pytest

from inference.acquisition import acquisition_of, field_of_view_mm
from inference.kernel import Kernel
from inference.series_class import Acquisition
from inference.volume import Volume
from storage.header import Header
from tests.inference.score_factory import AXIAL, CORONAL, SAGITTAL, geometry

HEADER = Header(
    sop_instance_uid="1.2.3",
    sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
    series_instance_uid="1.2",
    study_instance_uid="1",
    convolution_kernel="BONEPLUS",
    manufacturer="GE MEDICAL SYSTEMS",
)


@pytest.mark.parametrize(
    ("directions", "expected"),
    [
        (AXIAL, (40 * 2.0, 30 * 3.0)),  # 40 rows of 2 mm and 30 columns of 3 mm
        (CORONAL, (30 * 3.0, 20 * 1.5)),  # the rows run along z: columns, and 20 slices of 1.5 mm
        (SAGITTAL, (30 * 3.0, 20 * 1.5)),
    ],
)
def test_the_field_of_view_lies_across_the_patient(
    directions: tuple[tuple[float, ...], tuple[float, ...]], expected: tuple[float, float]
) -> None:
    made = geometry((20, 40, 30), directions, spacing_mm=1.5, pixel_mm=(2.0, 3.0))
    assert field_of_view_mm(made) == pytest.approx(np.sqrt(expected[0] * expected[1]))


def test_a_tilted_gantry_changes_nothing() -> None:
    tilt = np.radians(25)
    directions = ((1.0, 0.0, 0.0), (0.0, float(np.cos(tilt)), float(-np.sin(tilt))))
    assert field_of_view_mm(geometry((9, 40, 50), directions, pixel_mm=(2.0, 2.0))) == pytest.approx(
        np.sqrt(80.0 * 100.0)
    )


@pytest.mark.parametrize(("directions", "spacing_mm", "edge"), [(AXIAL, 5.0, 1.0), (CORONAL, None, None)])
def test_spacing_and_edge_are_read_from_axial_slices_alone(
    directions: tuple[tuple[float, ...], tuple[float, ...]], spacing_mm: float | None, edge: float | None
) -> None:
    made = geometry((4, 10, 20), directions)
    voxels = np.zeros((4, 10, 20), np.int16)
    volume = Volume(series_instance_uid="1.2", number=1, geometry=made, voxels=voxels)
    assert acquisition_of(volume, HEADER) == Acquisition(
        field_of_view_mm=field_of_view_mm(made),
        kernel=Kernel.BONE,
        spacing_mm=spacing_mm,
        body_at_edge=edge,
    )
