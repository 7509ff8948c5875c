"""What every slice-score model offers: one number a slice, on one scale, whoever's weights speak."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference.findings import ModelIdentity
from inference.volume import Volume


@dataclass(frozen=True, kw_only=True)
class SliceScores:
    """The scores of a volume's slices, or of the axial slices that were made of it.

    Raises:
        ValueError: the arrays are not one-dimensional, or differ in length.
    """

    z_mm: NDArray[np.float64]  # (k,), the patient's z at each slice's centre; k is 0 where none can be scored
    raw: NDArray[np.float64]  # (k,), 0 at the pelvis' start, 100 at the eyes' end; NaN: the model gives none
    sd: NDArray[np.float64] | None  # (k,), the model's own sd, score units; None: it has no idea

    def __post_init__(self) -> None:
        shapes = {a.shape for a in (self.z_mm, self.raw, self.sd) if a is not None}
        if shapes != {(len(self.z_mm),)}:
            raise ValueError(f"one z, score and sd a slice: shapes {sorted(shapes)}")

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Shape (k,): whether the model gives the slice a score."""
        return np.isfinite(self.raw)


class ScoreSource(Protocol):
    """A loaded slice-score model."""

    @property
    def identity(self) -> ModelIdentity:
        """Which weights speak."""

    def scores(self, volume: Volume) -> SliceScores:
        """Score a volume.

        Args:
            volume: of any orientation, in HU.

        Returns:
            The scores in the volume's slice order; where the volume is not axial, those of the axial slices
            made of it (`inference.axial`), in increasing z; empty where none can be made.
        """
