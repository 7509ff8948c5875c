"""Protocols of the 16 series classes of Li 2023 (Can Assoc Radiol J, doi 10.1177/08465371231180844).

Where each class's ends lie, how wide its field of view is, which kernels it uses: as textbooks and scanners
have them, not fitted to data. The kernels' shares follow the paper's own (64 % soft, 31 % bone, 5 % lung).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from inference.kernel import Kernel


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """One class."""

    low: tuple[float, float]  # where its end nearer the feet lies, score units
    high: tuple[float, float]  # where its other end lies
    field_mm: tuple[float, float]  # field of view
    kernels: dict[Kernel, float]  # share of its series
    inside: bool | None = False  # whether its field of view is cut out of the body; None: either
    thin: bool = False  # whether its slices are thin, always


_TRUNK_KERNELS: Final = {Kernel.SOFT: 0.93, Kernel.BONE: 0.05, Kernel.LUNG: 0.02}
_CHEST_KERNELS: Final = {Kernel.SOFT: 0.60, Kernel.BONE: 0.05, Kernel.LUNG: 0.35}
_SPINE_KERNELS: Final = {Kernel.SOFT: 0.35, Kernel.BONE: 0.64, Kernel.LUNG: 0.01}
_HEAD_KERNELS: Final = {Kernel.SOFT: 0.65, Kernel.BONE: 0.34, Kernel.LUNG: 0.01}
_NECK_KERNELS: Final = {Kernel.SOFT: 0.90, Kernel.BONE: 0.09, Kernel.LUNG: 0.01}
_EAR_KERNELS: Final = {Kernel.SOFT: 0.05, Kernel.BONE: 0.94, Kernel.LUNG: 0.01}

_HEAD_MM: Final = (180.0, 280.0)
_TRUNK_MM: Final = (260.0, 500.0)
_SPINE_MM: Final = (100.0, 220.0)

PROTOCOLS: Final[dict[str, Protocol]] = {
    "Head": Protocol(low=(86.5, 96), high=(103, 112), field_mm=_HEAD_MM, kernels=_HEAD_KERNELS),
    "Head and face": Protocol(low=(80, 86.5), high=(103, 112), field_mm=_HEAD_MM, kernels=_HEAD_KERNELS),
    "Face/Orbits/Sinus": Protocol(
        low=(81, 93), high=(97, 104), field_mm=(120, 220), kernels=_HEAD_KERNELS, inside=None
    ),
    "Temporal bone": Protocol(
        low=(87, 94), high=(93, 100), field_mm=(70, 200), kernels=_EAR_KERNELS, inside=True, thin=True
    ),
    "Head and neck": Protocol(low=(58, 80), high=(101, 112), field_mm=(200, 400), kernels=_NECK_KERNELS),
    "Neck": Protocol(low=(60, 77), high=(87.5, 101), field_mm=(180, 400), kernels=_NECK_KERNELS),
    "C-spine": Protocol(
        low=(70, 77), high=(87.5, 96), field_mm=(100, 220), kernels=_SPINE_KERNELS, inside=True
    ),
    "C and T spine": Protocol(
        low=(36, 56), high=(87.5, 96), field_mm=_SPINE_MM, kernels=_SPINE_KERNELS, inside=True
    ),
    "T-spine": Protocol(low=(34, 46), high=(74, 82), field_mm=_SPINE_MM, kernels=_SPINE_KERNELS, inside=True),
    "T and L-spine": Protocol(
        low=(10, 28), high=(73, 82), field_mm=_SPINE_MM, kernels=_SPINE_KERNELS, inside=True
    ),
    "L-spine": Protocol(low=(10, 28), high=(42, 54), field_mm=_SPINE_MM, kernels=_SPINE_KERNELS, inside=True),
    "Chest": Protocol(low=(32, 52), high=(72.5, 82), field_mm=_TRUNK_MM, kernels=_CHEST_KERNELS),
    "Chest-abdomen-pelvis": Protocol(
        low=(-12, 9), high=(72.5, 83), field_mm=_TRUNK_MM, kernels=_TRUNK_KERNELS
    ),
    "Abdomen": Protocol(low=(20, 35), high=(47, 64), field_mm=_TRUNK_MM, kernels=_TRUNK_KERNELS),
    "Abdomen-pelvis": Protocol(low=(-12, 9), high=(47, 64), field_mm=_TRUNK_MM, kernels=_TRUNK_KERNELS),
    "Pelvis": Protocol(low=(-14, 12), high=(22, 37), field_mm=(200, 500), kernels=_TRUNK_KERNELS),
}
"""Every class. The scores are those of inference/landmark_table.py."""

EDGE_UNITS: Final = 1.5
"""Sd of where a technologist ends a scan beyond a class's bounds."""

FIELD_SD_MM: Final = 15.0
"""The same for the field of view."""

UNUSUAL_FIELD: Final = {True: 0.002, None: 0.02, False: 0.15}
"""Share of series with any field of view at all, by Protocol.inside: few that are cut out of the body, more
of the rest, for radiotherapy and PET keep the whole couch."""

FIELDS_MM: Final = (60.0, 700.0)
"""All fields of view."""

SCORES: Final = (-80.0, 108.0)
"""All ends of a field."""

NONE_SHARE: Final = 0.15
"""How likely a series is of none of the classes, before anything is measured."""

ANY_KERNEL: Final = {Kernel.SOFT: 0.643, Kernel.BONE: 0.311, Kernel.LUNG: 0.046}

EDGE_IN_BODY: Final = 0.35
"""Share of the image's edge in the body that parts fields cut out of it from fields that hold it."""

EDGE_SD: Final = 0.12

UNTOLD: Final = 0.5
"""Likelihood of an edge that says nothing."""

THIN_MM: Final = 1.5
"""Slices of a temporal bone are not farther apart."""

THICK_SHARE: Final = 0.05
"""Share of temporal bones with thicker slices."""
