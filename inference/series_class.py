"""Which of 16 series classes a volume is of, from what it covers and how it was reconstructed.

Many classes differ by protocol, not by anatomy: a C-spine and a neck cover the same range, one in a small
field of view and with a bone kernel. Every class is a row of PROTOCOLS, which gives the likelihood of what
was measured; a seventeenth, "none of them", is as likely everywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, hypot, sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.coverage import Coverage, shared_errors
from inference.findings import ClassGuess
from inference.kernel import Kernel
from inference.series_protocols import (
    ANY_KERNEL,
    EDGE_IN_BODY,
    EDGE_SD,
    EDGE_UNITS,
    FIELD_SD_MM,
    FIELDS_MM,
    NONE_SHARE,
    PROTOCOLS,
    SCORES,
    THICK_SHARE,
    THIN_MM,
    UNTOLD,
    UNUSUAL_FIELD,
    Protocol,
)

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Acquisition:
    """What the header and the geometry say of a series; None where it is not known."""

    field_of_view_mm: float | None = None  # the side of what is covered across the long axis
    kernel: Kernel | None = None
    spacing_mm: float | None = None  # between axial slices
    body_at_edge: float | None = None  # 0..1, share of the image's edge that lies in the body


LEAST_PROBABILITY: Final = 0.01
"""A class less likely than this is not told."""


def series_classes(coverage: Coverage, acquisition: Acquisition) -> tuple[ClassGuess, ...]:
    """The classes that a series may be of, likeliest first.

    Args:
        coverage: the ends of the volume, and how wrong they may be.
        acquisition: what else is known.

    Returns:
        Those of at least LEAST_PROBABILITY. What they lack of 1 is the probability that the series is of
        none of the 16 (legs, chest and abdomen without pelvis, a slab); empty where that is nearly sure.
    """
    share = (1 - NONE_SHARE) / len(PROTOCOLS)
    likelihoods = {c: share * _likelihood(p, coverage, acquisition) for c, p in PROTOCOLS.items()}
    whole = sum(likelihoods.values()) + NONE_SHARE * _likelihood_of_none(acquisition)
    guesses = [ClassGuess(name=c, probability=round(v / whole, 3)) for c, v in likelihoods.items()]
    told = [guess for guess in guesses if guess.probability >= LEAST_PROBABILITY]
    return tuple(sorted(told, key=lambda guess: -guess.probability))


def decided(classes: Sequence[ClassGuess]) -> ClassGuess | None:
    """The class that a series is said to be of: the first, unless it is likelier of none of the 16."""
    none = 1 - sum(guess.probability for guess in classes)
    return classes[0] if classes and classes[0].probability > none else None


def _likelihood(protocol: Protocol, coverage: Coverage, acquisition: Acquisition) -> float:
    error, weight = shared_errors(coverage)
    low = _within(coverage.low + error, protocol.low, hypot(EDGE_UNITS, coverage.low_sd))
    high = _within(coverage.high + error, protocol.high, hypot(EDGE_UNITS, coverage.high_sd))
    return float(
        (weight @ (low * high))
        * _field(protocol, acquisition.field_of_view_mm)
        * _kernel(protocol.kernels, acquisition.kernel)
        * _edge(protocol, acquisition.body_at_edge)
        * _spacing(protocol, acquisition.spacing_mm)
    )


def _likelihood_of_none(acquisition: Acquisition) -> float:
    """Ends anywhere, the lower one below, in any field of view."""
    ends = 2 / (SCORES[1] - SCORES[0]) ** 2
    field = 1.0 if acquisition.field_of_view_mm is None else 1 / (FIELDS_MM[1] - FIELDS_MM[0])
    return ends * field * UNTOLD * _kernel(ANY_KERNEL, acquisition.kernel)


def _within(value: Numbers, bounds: tuple[float, float], sd: float) -> Numbers:
    """Density of a value that lies evenly between the bounds, but for a normal error."""
    low, high = (_normal((bound - value) / sd) for bound in bounds)
    return np.asarray((high - low) / (bounds[1] - bounds[0]))


_normal = np.vectorize(lambda x: 0.5 * (1 + erf(x / sqrt(2))), otypes=[float])


def _field(protocol: Protocol, field_mm: float | None) -> float:
    if field_mm is None:
        return 1.0
    unusual = UNUSUAL_FIELD[protocol.inside]
    usual = float(_within(np.asarray([field_mm]), protocol.field_mm, FIELD_SD_MM)[0])
    return (1 - unusual) * usual + unusual / (FIELDS_MM[1] - FIELDS_MM[0])


def _kernel(shares: dict[Kernel, float], kernel: Kernel | None) -> float:
    if kernel is None:
        return 1.0
    return shares[Kernel.BONE] + shares[Kernel.LUNG] if kernel is Kernel.SHARP else shares[kernel]


def _edge(protocol: Protocol, body_at_edge: float | None) -> float:
    """1 for the kind of field that the edge speaks for, 0 for the other, UNTOLD where it says nothing."""
    if body_at_edge is None or protocol.inside is None:
        return UNTOLD
    inside = float(_normal((body_at_edge - EDGE_IN_BODY) / EDGE_SD))
    return inside if protocol.inside else 1 - inside


def _spacing(protocol: Protocol, spacing_mm: float | None) -> float:
    if spacing_mm is None or not protocol.thin or spacing_mm <= THIN_MM:
        return 1.0
    return THICK_SHARE
