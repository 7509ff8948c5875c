"""Whether a field of view holds the body or is cut out of it: what lies at the image's edge."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

BODY_ABOVE_HU: Final = -300
"""Above this is body: fat is about -100 HU, lung and the padding outside the scanned circle far less."""


def body_at_edge(voxels: NDArray[Any]) -> float:
    """The share of the edge of a typical slice that lies in the body.

    Args:
        voxels: (k, j, i) in HU, axial; any resolution.

    Returns:
        0..1, the median over slices: 0 where air is all around, near 1 where a spine or a temporal bone was
        reconstructed alone. Table and arms at the edge count too; they are a small part of it.
    """
    body = voxels > BODY_ABOVE_HU
    edges = [body[:, 0, :], body[:, -1, :], body[:, 1:-1, 0], body[:, 1:-1, -1]]
    return float(np.median(np.concatenate(edges, axis=1).mean(axis=1)))
