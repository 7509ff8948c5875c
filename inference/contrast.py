"""From the probability that contrast medium is seen to what is said: yes, no, or undetermined, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from inference.findings import Contrast, ContrastFinding, Region

NOT_A_BODY: Final = "the pixels do not look like a human body"
NOT_LOOKED_AT: Final = "no axial slices could be made of the series"
IN_DOUBT: Final = "the probability lies within the band of doubt for this body part"
NOTHING_BRIGHT: Final = "no homogeneous tissue is bright enough for contrast medium"

BODY_LEAST: Final = 0.5
"""Below this probability of a human body nothing is said."""

ENHANCED_LEAST_HU: Final = 75.0
"""Native blood holds 30 to 60 HU, muscle and liver up to 75: without brighter tissue, none is enhanced."""


@dataclass(frozen=True, kw_only=True)
class Band:
    """Between the two nothing is said."""

    no: float  # NO at this probability or below
    yes: float  # YES at this probability or above


TRUNK_BAND: Final = Band(no=0.25, yes=0.75)
"""Aorta, heart, liver or kidneys are in the field."""

NECK_BAND: Final = Band(no=0.3, yes=0.7)
"""Carotid and jugular: small, but many volumes stand behind it."""

HEAD_BAND: Final = Band(no=0.1, yes=0.97)
"""Brain alone: bleeding and calcium look like contrast medium, and few heads were learnt from."""

LIMB_BAND: Final = Band(no=0.2, yes=0.95)
"""No enhanced limb was learnt from but synthetic ones."""

_BANDS: Final = (
    (frozenset({Region.CHEST, Region.ABDOMEN}), TRUNK_BAND),
    (frozenset({Region.NECK}), NECK_BAND),
    (frozenset({Region.PELVIS}), TRUNK_BAND),
    (frozenset({Region.HEAD}), HEAD_BAND),
    (frozenset({Region.LEGS}), LIMB_BAND),
)
"""The first whose regions are covered."""

UNKNOWN_BAND: Final = Band(no=0.1, yes=0.97)
"""Where the body part is not known: the widest."""


def band(regions: frozenset[Region]) -> Band:
    """The band of doubt of the regions that a volume covers; of the region whose vessels tell it best."""
    return next((b for covered, b in _BANDS if covered & regions), UNKNOWN_BAND)


def decide(
    probability: float | None,
    regions: frozenset[Region],
    *,
    body: float,
    brightest_hu: float | None = None,
    doubts: tuple[str, ...] = (),
) -> ContrastFinding:
    """What is said of intravenous contrast.

    Args:
        probability: calibrated, that it is seen; None where no axial slices could be made.
        regions: that the volume covers; empty where that is not known.
        body: probability that the pixels show a human body.
        brightest_hu: of `inference.series_input.brightest_tissue_hu`; None where nothing could be measured.
        doubts: why the slices that were looked at may not be what the header says.

    Returns:
        UNDETERMINED with its reason within the band of doubt. The confidence is that of the value: the
        probability that it is right, or for UNDETERMINED the doubt, 1 - |2p - 1|.
    """
    if probability is None:
        return _doubt(None, NOT_LOOKED_AT)
    if body < BODY_LEAST:
        return _doubt(None, NOT_A_BODY)
    if doubts:
        return _doubt(None, "; ".join(doubts))
    limits = band(regions)
    if probability >= limits.yes:
        if brightest_hu is not None and brightest_hu < ENHANCED_LEAST_HU:
            return _doubt(probability, NOTHING_BRIGHT)
        return ContrastFinding(value=Contrast.YES, confidence=probability, probability=probability)
    if probability <= limits.no:
        return ContrastFinding(value=Contrast.NO, confidence=1 - probability, probability=probability)
    return _doubt(probability, IN_DOUBT)


def _doubt(probability: float | None, reason: str) -> ContrastFinding:
    confidence = 0.0 if probability is None else 1 - abs(2 * probability - 1)
    return ContrastFinding(
        value=Contrast.UNDETERMINED, confidence=confidence, probability=probability, reason=reason
    )
