"""Stacks of slices however they may lie in a patient, for properties of what is cut out of them."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference.volume import Geometry, Volume
from tests.inference.score_factory import geometry

RIGHT_HANDED = [
    matrix
    for order in permutations(range(3))
    for signs in product((1.0, -1.0), repeat=3)
    if np.linalg.det(matrix := np.eye(3)[list(order)] * np.asarray(signs)[:, None]) > 0
]
"""Rows, columns and normal along the patient's axes: the 24 ways in which a stack can lie squarely."""


def turn(x: float, y: float, z: float) -> NDArray[np.float64]:
    """About the patient's axes, degrees."""
    made = np.eye(3)
    for axis, degrees in enumerate((x, y, z)):
        a, b = [n for n in range(3) if n != axis]
        one = np.eye(3)
        c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        one[a, a], one[a, b], one[b, a], one[b, b] = c, -s, s, c
        made = one @ made
    return made


@st.composite
def stacks(draw: Any, most_deg: float = 18.0, most_tilt_deg: float = 25.0) -> Geometry:
    """Square or oblique, tilted or not, of any spacing; at least three slices."""
    square = draw(st.sampled_from(RIGHT_HANDED))
    angles = [draw(st.sampled_from([0.0, 0.0, most_deg, -7.5, 1.0])) for _ in range(3)]
    row, column, normal = square @ turn(*angles).T
    tilt = np.tan(np.radians(draw(st.sampled_from([0.0, 0.0, 10.0, most_tilt_deg]))))
    along = normal + tilt * column
    shape = (draw(st.integers(3, 9)), draw(st.integers(2, 7)), draw(st.integers(2, 7)))
    return geometry(
        shape,
        (tuple(row.tolist()), tuple(column.tolist())),
        spacing_mm=draw(st.sampled_from([0.625, 1.0, 2.5, 5.0, 8.0])),
        pixel_mm=(draw(st.sampled_from([0.5, 0.9765625, 3.0])), draw(st.sampled_from([0.5, 0.8, 3.0]))),
        origin_mm=tuple(draw(st.floats(-400, 400, width=16)) for _ in range(3)),
        stacking=tuple((along / np.linalg.norm(along)).tolist()),
    )


def volume_of(g: Geometry) -> Volume:
    """Every voxel with a value of its own."""
    shape = (len(g.slices), g.rows, g.columns)
    voxels = (np.arange(np.prod(shape), dtype=np.int16) - 1000).reshape(shape)
    return Volume(series_instance_uid="1.2.3", number=1, geometry=g, voxels=voxels)
