"""How often each HU occurs in a volume, as a table, a picture and shares of tissue. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.workbench import svg

BIN_HU: Final = 25
LOWEST_HU: Final = -1100
HIGHEST_HU: Final = 3100
"""Beyond both: in the first and the last bin."""

TISSUES: Final = (
    ("air", -32768, -950),
    ("lung", -950, -500),
    ("between", -500, -150),
    ("fat", -150, -30),
    ("water and soft tissue", -30, 90),
    ("enhanced, marrow", 90, 200),
    ("bone, contrast medium", 200, 3071),
    ("beyond 12 bits", 3071, 32768),
)
"""Name, from, below: usual ranges, for orientation."""

WIDTH: Final = 640.0
HEIGHT: Final = 220.0


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Counts of voxels."""

    edges_hu: NDArray[np.int64]  # (n + 1,)
    counts: NDArray[np.int64]  # (n,)
    shares: dict[str, float]  # of TISSUES, 0..1


def histogram(voxels: NDArray[np.int16]) -> Histogram:
    """Of a volume of any shape."""
    edges = np.arange(LOWEST_HU, HIGHEST_HU + 1, BIN_HU)
    values, counts = np.unique(voxels, return_counts=True)
    place = np.clip((values.astype(int) - LOWEST_HU) // BIN_HU, 0, len(edges) - 2)
    made = np.bincount(place, weights=counts, minlength=len(edges) - 1).astype(np.int64)
    shares = {
        name: float(counts[(values >= low) & (values < high)].sum() / voxels.size)
        for name, low, high in TISSUES
    }
    return Histogram(edges_hu=edges, counts=made, shares=shares)


def rows(found: Histogram) -> list[tuple[int, int, int]]:
    """From, below, count."""
    return [
        (int(a), int(b), int(n))
        for a, b, n in zip(found.edges_hu[:-1], found.edges_hu[1:], found.counts, strict=True)
    ]


def picture(found: Histogram) -> str:
    """Bars, logarithmic: a ten-thousandth of the voxels still shows."""
    share = found.counts / max(int(found.counts.sum()), 1)
    tall = np.clip(np.log10(np.maximum(share, 1e-9)) + 5, 0, 5) / 5
    step, left, top = WIDTH / len(share), 60.0, 24.0
    parts = [svg.text(0, 14, "HU histogram, share of voxels (logarithmic)", extra="font-weight='bold'")]
    for power in range(6):
        y = top + HEIGHT * power / 5
        parts.append(svg.line(left, y, left + WIDTH, y, stroke=svg.PALE, dash="2 3"))
        parts.append(svg.text(left - 6, y + 4, f"{10.0 ** (2 - power):g} %", anchor="end"))
    for n, part in enumerate(tall):
        high = HEIGHT * float(part)
        parts.append(
            svg.rectangle(left + n * step, top + HEIGHT - high, step, high, fill=svg.LINE, stroke="none")
        )
    for hu in range(-1000, HIGHEST_HU, 500):
        x = left + WIDTH * (hu - LOWEST_HU) / (HIGHEST_HU - LOWEST_HU)
        parts.append(svg.text(x, top + HEIGHT + 16, str(hu), anchor="middle"))
    told = ", ".join(f"{name} {100 * share:.1f} %" for name, share in found.shares.items())
    return svg.drawing(left + WIDTH + 20, top + HEIGHT + 26, f"HU histogram: {told}", parts)
