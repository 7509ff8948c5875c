"""A labelled body of boxes: every vertebra, rib pairs, lungs, liver, aorta, kidneys and hips."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from inference.training.synthesis.atlas import VOXEL_MM, Atlas, make_atlas
from inference.training.synthesis.labels import NUMBER, VERTEBRAE
from inference.training.synthesis.recipe import Recipe
from inference.training.synthesis.spacing import SPACING_MM

SHAPE = (330, 130, 150)
SPINE = (75, 190.0)
"""Column and y mm of the spine."""

PELVIS_MM = 180.0
"""S1's height."""

PLAIN = Recipe(
    whole_chance=1.0,
    pixel_mm=(4.0, 4.0),
    slice_mm=(5.0, 5.0),
    thickness_ratio=(1.0, 1.0),
    small_field_chance=0.0,
    usual_chance=1.0,
    scoliosis_chance=0.0,
    gantry_tilt_chance=0.0,
    arms_chance=0.0,
    table_chance=0.0,
    metal_chance=0.0,
    oral_chance=0.0,
    pathology_chance=0.0,
    noise_hu=(1.0, 2.0),
    frame_chance=0.0,
)
"""Little chance: what is measured is the body."""


def heights_mm() -> dict[str, float]:
    """z of each vertebra, at the usual distances."""
    z, found = PELVIS_MM, {}
    for level in reversed(VERTEBRAE):
        found[level] = z
        z += SPACING_MM.get(level, (0.0, 0.0))[0]
    return found


@cache
def box_body(patients: tuple[str, ...] = ("nobody",)) -> Atlas:
    """The body; its last ribs are on T12 and there are five lumbar vertebrae. Shared: change a copy."""
    labels = np.zeros(SHAPE, np.uint8)
    z = heights_mm()
    for level in VERTEBRAE:
        tall = 0.35 * SPACING_MM.get(level, (15.0, 0.0))[0]
        _fill(labels, f"vertebrae_{level}", z[level], tall, (190, 208), (-20, 20))
        _fill(labels, f"vertebrae_{level}", z[level] - 3, 4, (208, 240), (-6, 6))
    for n in range(1, 13):
        for side, (near, far) in (("left", (22, 110)), ("right", (-110, -22))):
            _fill(labels, f"rib_{side}_{n}", z[f"T{n}"], 4, (205, 215), (near, far))
    middle = (z["T10"] + z["T2"]) / 2
    half = (z["T2"] - z["T10"]) / 2
    _fill(labels, "lung_lower_lobe_left", middle, half, (80, 190), (30, 105))
    _fill(labels, "lung_lower_lobe_right", middle, half, (80, 190), (-105, -30))
    _fill(labels, "heart", z["T8"], 40, (80, 150), (-25, 28))
    _fill(labels, "liver", z["T12"], 55, (80, 180), (-105, -10))
    _fill(labels, "aorta", z["T12"], 150, (165, 188), (-10, 12))
    for side, (near, far) in (("left", (40, 80)), ("right", (-80, -40))):
        _fill(labels, f"kidney_{side}", z["L2"], 45, (180, 220), (near, far))
        _fill(labels, f"hip_{side}", z["S1"] - 60, 90, (150, 220), (near, far + 20 * np.sign(far)))
    _fill(labels, "colon", z["L3"], 60, (70, 110), (-100, 100))
    return make_atlas(identifier="boxes", patients=patients, labels=labels)


def _fill(
    labels: NDArray[np.uint8],
    name: str,
    z_mm: float,
    half_mm: float,
    y_mm: tuple[float, float],
    x_mm: tuple[float, float],
) -> None:
    """Paint a box; x is from the spine's axis."""
    k, j, i = (np.arange(n) * VOXEL_MM for n in SHAPE)
    x = i - SPINE[0] * VOXEL_MM
    box = np.ix_(
        np.abs(k - z_mm) <= half_mm, (j >= y_mm[0]) & (j <= y_mm[1]), (x >= min(x_mm)) & (x <= max(x_mm))
    )
    labels[box] = NUMBER[name]
