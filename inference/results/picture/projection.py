"""A projection of a volume, and its pixels at wanted places. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.results.picture.grid import Mm

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class View:
    """One projection on its own grid, and where that lies: across to the left or back, up to the head."""

    attenuation: Floats  # (a, b): 0 is air, about 1000 water
    middle_mm: Mm  # (a, 2): across and up, of the middle of each line a
    step_mm: Mm  # (2,): across and up, from one b to the next
    across_mm: tuple[float, float]  # of the body, lowest and highest
    up_mm: tuple[float, float]  # of what is shown, lowest and highest
    depth_mm: float | None  # of what was averaged; None: the whole

    def lines_up_mm(self, across_mm: Mm) -> Mm:
        """How high each line lies: (a, n) for n places across."""
        slope = 0.0 if self.step_mm[0] == 0 else self.step_mm[1] / self.step_mm[0]
        return np.asarray(self.middle_mm[:, 1:] + (across_mm[None, :] - self.middle_mm[:, :1]) * slope)


def sampled(view: View, across_mm: Mm, up_mm: Mm) -> Floats:
    """A view at given places, linear between its pixels, averaged where they are denser; 0 outside.

    Args:
        view: of a volume.
        across_mm: (n,), evenly apart.
        up_mm: (m,), evenly apart.

    Returns:
        (m, n) attenuation.
    """
    pixel_mm = abs(float(across_mm[1] - across_mm[0]))
    line_mm = float(np.linalg.norm(view.middle_mm[-1] - view.middle_mm[0])) / (len(view.middle_mm) - 1)
    image = _smoothed(view.attenuation, pixel_mm / line_mm)
    image = _smoothed(image.T, pixel_mm / float(np.linalg.norm(view.step_mm))).T
    return _linear(image, *_inverse(view, *np.meshgrid(across_mm, up_mm)))


def _inverse(view: View, across_mm: Mm, up_mm: Mm) -> tuple[Mm, Mm]:
    """Line and column, in fractions, of places in the view's plane."""
    first, last = view.middle_mm[0], view.middle_mm[-1]
    way = (last - first) / np.linalg.norm(last - first)
    far = (view.middle_mm - first) @ way
    inverse = np.linalg.inv(np.stack([way, view.step_mm], axis=1))
    offset = np.stack([across_mm - first[0], up_mm - first[1]])
    distance, steps = np.tensordot(inverse, offset, 1)
    lines = np.arange(len(far), dtype=float)
    half_first, half_last = (far[1] - far[0]) / 2, (far[-1] - far[-2]) / 2
    # half a slice beyond the ends still belongs to them
    places = np.concatenate([[far[0] - half_first], far, [far[-1] + half_last]])
    line = np.interp(distance, places, [-0.5, *lines, lines[-1] + 0.5], left=np.nan, right=np.nan)
    return line, steps + (view.attenuation.shape[1] - 1) / 2


def _smoothed(image: Floats, lines: float) -> Floats:
    """Means over the odd number of lines that is nearest; the first and the last are repeated beyond."""
    reach = int(lines / 2)
    if reach < 1:
        return image
    padded = np.pad(image, [(reach + 1, reach), (0, 0)], mode="edge").cumsum(axis=0, dtype=np.float64)
    width = 2 * reach + 1
    return np.asarray((padded[width:] - padded[:-width]) / width, dtype=np.float32)


def _linear(image: Floats, line: Mm, column: Mm) -> Floats:
    """Between the four nearest pixels; NaN lines are outside."""
    last, end = (n - 1 for n in image.shape)
    inside = np.isfinite(line) & (column > -0.5) & (column < end + 0.5)
    line, column = np.clip(np.nan_to_num(line), 0, last), np.clip(column, 0, end)
    r, c = line.astype(int), column.astype(int)
    below, right = np.minimum(r + 1, last), np.minimum(c + 1, end)
    dr, dc = line - r, column - c
    upper = image[r, c] * (1 - dc) + image[r, right] * dc
    lower = image[below, c] * (1 - dc) + image[below, right] * dc
    return np.asarray(np.where(inside, upper * (1 - dr) + lower * dr, 0), dtype=np.float32)
