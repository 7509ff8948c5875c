"""What is said of the spleen of one volume, for every form that it is written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from inference.findings import (
    Axis,
    AxisFinding,
    BodyPartFinding,
    Contrast,
    ContrastFinding,
    Findings,
    LevelFinding,
    ModelIdentity,
    Presence,
)
from inference.report import NOT_FOR_DIAGNOSIS
from inference.spleen.weights import SpleenWeights

EXPERIMENTAL: Final = (
    "EXPERIMENTAL: how well these weights find a spleen has been measured on next to nothing"
)
MODEL_NAME: Final = "ctnode spleen U-Net, experimental"
MODEL_VERSION: Final = "0.1.0"

CUT_OFF: Final = "the mask reaches the edge of the image: the spleen may be cut off, and larger than measured"
NOT_FOUND: Final = "no spleen was found"


@dataclass(frozen=True, kw_only=True)
class SpleenFinding:
    """The mask in numbers."""

    mask: NDArray[np.bool_]  # (k, j, i), not empty
    volume_mm3: float
    mean_hu: float  # of the CT within the mask
    first_slice: int  # slice index, inclusive
    last_slice: int
    cut_off: bool  # the mask touches an edge of the image


def finding_of(
    mask: NDArray[np.bool_], voxels: NDArray[np.int16], affine_lps: NDArray[np.float64]
) -> SpleenFinding | None:
    """Measure a mask; None where it is empty.

    Args:
        mask: (k, j, i).
        voxels: of the same shape, HU.
        affine_lps: (4, 4), index (i, j, k, 1) to mm.
    """
    if not mask.any():
        return None
    slices = np.flatnonzero(mask.any(axis=(1, 2)))
    edges = [mask.take(end, axis=axis).any() for axis in range(3) for end in (0, -1)]
    return SpleenFinding(
        mask=mask,
        volume_mm3=int(mask.sum()) * voxel_mm3(affine_lps),
        mean_hu=float(voxels[mask].mean()),
        first_slice=int(slices[0]),
        last_slice=int(slices[-1]),
        cut_off=any(edges),
    )


def voxel_mm3(affine_lps: NDArray[np.float64]) -> float:
    """Of one voxel; a shear, as of a tilted gantry, changes nothing of it."""
    return abs(float(np.linalg.det(affine_lps[:3, :3])))


def record_of(finding: SpleenFinding | None, weights: SpleenWeights) -> dict[str, Any]:
    """The content of spleen.json."""
    said: dict[str, Any] = {
        "statement": NOT_FOR_DIAGNOSIS,
        "experimental": EXPERIMENTAL,
        "weights_sha256": weights.sha256,
        "axis": weights.recipe.axis,
        "found": finding is not None,
    }
    if finding is None:
        return said | {"reason": NOT_FOUND}
    return said | {
        "volume_mm3": round(finding.volume_mm3, 1),
        "mean_hu": round(finding.mean_hu, 1),
        "first_slice": finding.first_slice,
        "last_slice": finding.last_slice,
        "warnings": [CUT_OFF] if finding.cut_off else [],
    }


def unsaid(weights: SpleenWeights) -> Findings:
    """What the product's own models would say of the volume: nothing. They were not asked."""
    nothing = LevelFinding(presence=Presence.CANNOT_TELL)
    return Findings(
        axis=AxisFinding(value=Axis.UNDETERMINED, confidence=0.0, from_header=Axis.UNDETERMINED),
        body_part=BodyPartFinding(value="undetermined", confidence=0.0, regions=()),
        contrast=ContrastFinding(value=Contrast.UNDETERMINED, confidence=0.0),
        slice_scores=(),
        t12=nothing,
        l3=nothing,
        disagreements=(),
        curve_warnings=(),
        model=ModelIdentity(name=MODEL_NAME, version=MODEL_VERSION, sha256=weights.sha256),
    )
