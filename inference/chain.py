"""The spine as a chain: where each vertebra lies, by what the network says of rows and how spines are spaced.

One vertebra looks like the next, so a network that reads a few rows cannot be sure of a name. The chain
weighs everything at once: a body's centre seen here or not, its likely name, the slice score, and the
distances that spines have. Forward and backward sums over all places give the posterior of every
vertebra, in the field and beyond its ends: whether a level is in the field is read from the same numbers.

Pure; every array is in rows of ROW_MM, upwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.curve import SLOPE_PER_MM
from inference.projection import ROW_MM
from inference.spine import VERTEBRA_SCORES, VERTEBRAE

Numbers = NDArray[np.float64]

BEYOND_ROWS: Final = 260
"""Rows added below and above the field: 780 mm, more than a spine."""

SIZES: Final = np.linspace(-2, 2, 9)
"""Body sizes that are tried, in sd."""

FARTHEST: Final = 30.0
"""A score this unlikely (natural log) is as unlikely as any: one wild row does not forbid a name."""

TORN: Final = 1e-30
"""Probability, in a step, of any distance at all: slices may be missing where the heights do not say so, and
the vertebrae on one side of the tear must not drag those on the other."""

DRIFT_PER_MM: Final = 0.02
"""Score units a mm by which the score may drift beyond the field's end."""


USUAL: Final = tuple(range(len(VERTEBRAE)))
"""Seven cervical, twelve thoracic and five lumbar vertebrae."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What the network says of each row; r rows."""

    z_mm: Numbers  # (r,), increasing, ROW_MM apart
    score: Numbers  # (r,)
    sd: Numbers  # (r,), of the score, score units
    centre: Numbers  # (r,), logit: the centre of any vertebral body lies here
    name: Numbers  # (25, r), logit: that of this vertebra


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How much each kind of evidence counts; fitted on patients that the network had not seen."""

    centre: float  # of the logit that a body's centre is here
    centre_offset: float  # added to that logit
    name: float  # of the logit of a name
    name_offset: float  # added to that logit
    clip: float  # no logit counts for more than this, up or down
    score: float  # of the score's log likelihood
    score_sd: float  # score units, added to the network's own sd: errors that a whole volume shares
    spacing: float  # of the spacing's sd: what of it is one vertebra's own, and not the body's size
    size_sd: float  # sd of the natural log of the body's size


@dataclass(frozen=True, kw_only=True)
class Spacing:
    """Distance in z from each vertebra to the next below."""

    mean_mm: tuple[float, ...]  # (24,), in the order of VERTEBRAE
    sd_mm: tuple[float, ...]  # (24,)


@dataclass(frozen=True, kw_only=True)
class Posterior:
    """Where every vertebra lies."""

    z_mm: Numbers  # (g,), the field and what lies beyond, ROW_MM apart
    inside: NDArray[np.bool_]  # (g,): whether that row is in the field
    probability: Numbers  # (n, g), a row for each vertebra of the order; it adds up to 1
    log_evidence: float  # natural log of the sum over all chains: the greater, the better this order fits


def posterior(
    evidence: Evidence, weights: Weights, spacing: Spacing, order: tuple[int, ...] = USUAL
) -> Posterior:
    """Every vertebra's place.

    Args:
        evidence: of a volume.
        weights: of the kinds of evidence.
        spacing: of spines.
        order: indices in VERTEBRAE from the head downwards: one left out is a vertebra that this spine is
            supposed not to have, one given twice is one more of its kind.

    Returns:
        The posterior, its rows in the order given. Beyond the field it rests on spacing and on a score
        carried on at SLOPE_PER_MM.
    """
    rows = len(evidence.z_mm)
    place = np.arange(rows + 2 * BEYOND_ROWS) - BEYOND_ROWS
    unary = _unary(evidence, weights, place)[list(order)]
    gaps = list(pairwise(order))
    sums = [_chain(unary, gaps, weights, spacing, float(np.exp(s * weights.size_sd))) for s in SIZES]
    log_size = np.asarray([_log_sum(total[0]) for total in sums]) - 0.5 * SIZES**2
    share = np.exp(log_size - log_size.max())
    mixed = sum(w * _normalised(total) for w, total in zip(share / share.sum(), sums, strict=True))
    return Posterior(
        z_mm=evidence.z_mm[0] + place * ROW_MM,
        inside=(place >= 0) & (place < rows),
        probability=np.asarray(mixed),
        log_evidence=float(log_size.max() + np.log(share.sum())),
    )


def _unary(evidence: Evidence, weights: Weights, place: NDArray[np.int64]) -> Numbers:
    """(25, g): log evidence that each vertebra's centre is at a place."""
    last = len(evidence.z_mm) - 1
    nearest = np.clip(place, 0, last)
    beyond_mm = (place - nearest) * ROW_MM
    score = evidence.score[nearest] + SLOPE_PER_MM * beyond_mm
    variance = evidence.sd[nearest] ** 2 + weights.score_sd**2 + (DRIFT_PER_MM * beyond_mm) ** 2
    away = (score - np.asarray(VERTEBRA_SCORES)[:, None]) ** 2 / variance
    unary = -weights.score * np.minimum(0.5 * away, FARTHEST)
    inside = beyond_mm == 0
    centre = np.clip(evidence.centre + weights.centre_offset, -weights.clip, weights.clip)
    name = np.clip(evidence.name + weights.name_offset, -weights.clip, weights.clip)
    unary[:, inside] += weights.centre * centre + weights.name * name
    return np.asarray(unary)


def _chain(
    unary: Numbers, gaps: list[tuple[int, int]], weights: Weights, spacing: Spacing, size: float
) -> Numbers:
    """(n, g): log of the sum over all chains that put each vertebra at each place, for one body size."""
    steps = [
        _step(spacing.mean_mm[lower - 1] * size / ROW_MM, spacing.sd_mm[lower - 1] * weights.spacing / ROW_MM)
        for _, lower in gaps
    ]
    below, above = [unary[-1]], [np.zeros(unary.shape[1])]
    for here, step in zip(unary[-2::-1], steps[::-1], strict=True):
        below.append(here + _upwards(below[-1], step))
    for here, step in zip(unary[:-1], steps, strict=True):
        above.append(_upwards((above[-1] + here)[::-1], step)[::-1])
    return np.asarray(below[::-1]) + np.asarray(above)


def _step(mean_rows: float, sd_rows: float) -> Numbers:
    """The probability of each distance of 0, 1, 2... rows."""
    distance = np.arange(int(np.ceil(mean_rows + 4 * sd_rows)) + 2)
    weight = np.exp(-0.5 * ((distance - mean_rows) / sd_rows) ** 2)
    weight[:2] = 0  # two vertebrae are not one
    return np.asarray(weight / weight.sum())


def _upwards(message: Numbers, step: Numbers) -> Numbers:
    """The log message, carried up by one vertebra."""
    top = message.max()
    carried = np.convolve(np.exp(message - top), step)[: len(message)]
    return np.asarray(np.log(carried + TORN) + top)


def _log_sum(values: Numbers) -> float:
    top = values.max()
    return float(top + np.log(np.exp(values - top).sum()))


def _normalised(total: Numbers) -> Numbers:
    weight = np.exp(total - total.max(axis=1, keepdims=True))
    return np.asarray(weight / weight.sum(axis=1, keepdims=True))
