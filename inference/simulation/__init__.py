"""A synthetic CT modality: an analytic phantom of the trunk and head, written as a DICOM CT series.

Every landmark is known exactly because the anatomy is built from it. The phantom's lengths are rounded adult
figures of its own; it stands for nobody. Not for diagnosis; research software.
"""

from __future__ import annotations

from inference.simulation.plan import (
    Arms,
    Coverage,
    Orientation,
    PixelEncoding,
    SimulationPlan,
)
from inference.simulation.render import render_volume
from inference.simulation.series import Simulated, simulate

__all__ = [
    "Arms",
    "Coverage",
    "Orientation",
    "PixelEncoding",
    "Simulated",
    "SimulationPlan",
    "render_volume",
    "simulate",
]
