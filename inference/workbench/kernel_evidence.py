"""What a series was reconstructed for, by the kernel's name, and the texture measured beside it. Pure.

The class is that of the name alone (inference.kernel). The texture is evidence for a reader: neighbouring
pixels of soft tissue differ by noise; a sharp kernel leaves as much of it between next neighbours as between
distant ones, a soft kernel much less.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.kernel import Kernel, kernel_of
from storage.header import Header

SOFT_HU: Final = (-20, 120)
"""Pixels of soft tissue: all of a pair, and those between, are within it."""

FAR_PX: Final = 4

MOST_SLICES: Final = 24
LEAST_PAIRS: Final = 2000

NORMAL: Final = 1.4826
"""Median absolute deviation to sd, of a normal distribution."""


@dataclass(frozen=True, kw_only=True)
class KernelEvidence:
    """What is known of the reconstruction."""

    name: str | None  # Convolution Kernel (0018,1210), as it stands
    manufacturer: str | None  # (0008,0070)
    kernel: Kernel | None  # by name; None where it is absent, unknown, or between two uses
    noise_hu: float | None  # sd of soft tissue, of pixels FAR_PX apart; None: there is too little
    texture: float | None  # difference of next neighbours over that of pixels FAR_PX apart; 1: white noise

    def words(self) -> str:
        """In a sentence."""
        name = f"kernel {self.name}" if self.name else "no kernel in the header"
        told = f"{name} of {self.manufacturer or 'no manufacturer'}: {self.kernel or 'not known'}"
        if self.texture is None:
            return f"{told}; too little soft tissue to measure its texture"
        return (
            f"{told}; measured noise {self.noise_hu:.0f} HU, texture {self.texture:.2f}: 1 is white noise, "
            "less is smoother"
        )


def kernel_evidence(voxels: NDArray[np.int16], header: Header) -> KernelEvidence:
    """Of a volume, (k, j, i) in HU."""
    step = max(1, len(voxels) // MOST_SLICES)
    near, far = [], []
    for slice_ in voxels[::step]:
        soft = (slice_ > SOFT_HU[0]) & (slice_ < SOFT_HU[1])
        run = np.logical_and.reduce([soft[:, n : soft.shape[1] - FAR_PX + n] for n in range(FAR_PX + 1)])
        first = slice_[:, : slice_.shape[1] - FAR_PX].astype(np.int32)
        near.append((slice_[:, 1 : slice_.shape[1] - FAR_PX + 1] - first)[run])
        far.append((slice_[:, FAR_PX:] - first)[run])
    noise, texture = _texture(np.concatenate(near), np.concatenate(far))
    return KernelEvidence(
        name=header.convolution_kernel,
        manufacturer=header.manufacturer,
        kernel=kernel_of(header.convolution_kernel, header.manufacturer),
        noise_hu=noise,
        texture=texture,
    )


def _texture(near: NDArray[np.int32], far: NDArray[np.int32]) -> tuple[float | None, float | None]:
    if len(near) < LEAST_PAIRS:
        return None, None
    next_hu, far_hu = (NORMAL * float(np.median(np.abs(d))) / 2**0.5 for d in (near, far))
    return far_hu, next_hu / far_hu if far_hu > 0 else None
