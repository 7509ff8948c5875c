"""How good intravenous contrast is: ranking, decisions, calibration. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.evaluation.case import Group, Kind, Measured
from inference.evaluation.figure import Figure, figure, mean
from inference.findings import Contrast, Region

OUTPUT: Final = "contrast"

BINS: Final = 5
"""Of the reliability diagram, equally wide in probability."""

PARTS: Final = ("head and neck", "chest", "abdomen and pelvis", "limb")
"""Body parts of the contrast figures."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Truth and answer of one case."""

    positive: bool  # contrast medium is seen
    told: Contrast
    probability: float | None  # that it is seen


@dataclass(frozen=True, kw_only=True)
class Bin:
    """A bar of the reliability diagram."""

    low: float  # probabilities from here
    high: float  # to here
    n: int  # cases in it
    mean_probability: float  # told
    positive_share: float  # true


def part_of(measured: Measured) -> str:
    """The body part under which a case's contrast is counted; empty where its regions are not known."""
    group, regions = measured.case.group, measured.case.truth.regions
    if group in (Group.LEGS, Group.ARMS):
        return "limb"
    if group in (Group.HEAD, Group.NECK, Group.HEAD_NECK):
        return "head and neck"
    required = regions.required if regions is not None else frozenset[Region]()
    if Region.CHEST in required:
        return "chest"
    return "abdomen and pelvis" if required & {Region.ABDOMEN, Region.PELVIS} else ""


def answers(measured: Sequence[Measured]) -> list[tuple[str, Answer]]:
    """(patient, answer) of every case whose contrast is known."""
    return [
        (
            m.case.patient,
            Answer(
                positive=m.case.truth.contrast is Contrast.YES,
                told=m.findings.contrast.value,
                probability=m.findings.contrast.probability,
            ),
        )
        for m in measured
        if m.case.truth.contrast is not Contrast.UNDETERMINED
    ]


def auc(rows: Sequence[Answer]) -> float:
    """Area under the receiver operating characteristic: the share of (positive, negative) pairs ranked
    rightly, ties half (Mann-Whitney). NaN without both."""
    yes = np.asarray([a.probability for a in rows if a.positive and a.probability is not None], float)
    no = np.asarray([a.probability for a in rows if not a.positive and a.probability is not None], float)
    if not len(yes) or not len(no):
        return float("nan")
    below = np.searchsorted(np.sort(no), yes, side="left")
    to = np.searchsorted(np.sort(no), yes, side="right")
    return float((below + to).sum() / 2 / len(yes) / len(no))


def brier(rows: Sequence[Answer]) -> float:
    """Mean square of probability less truth, over answers with a probability."""
    return mean([(a.probability - a.positive) ** 2 for a in rows if a.probability is not None])


def sensitivity(rows: Sequence[Answer]) -> float:
    """Share of decided positives told as such."""
    return mean([float(a.told is Contrast.YES) for a in rows if a.positive and _decided(a)])


def specificity(rows: Sequence[Answer]) -> float:
    """Share of decided negatives told as such."""
    return mean([float(a.told is Contrast.NO) for a in rows if not a.positive and _decided(a)])


def _decided(answer: Answer) -> bool:
    return answer.told is not Contrast.UNDETERMINED


def _accuracy(rows: Sequence[Answer]) -> float:
    return mean([float((a.told is Contrast.YES) == a.positive) for a in rows if _decided(a)])


def _undetermined(rows: Sequence[Answer]) -> float:
    return mean([float(not _decided(a)) for a in rows])


def contrast_figures(kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    """The figures over all body parts, and over each by itself."""
    figures = list(_figures("", kind, answers(measured)))
    for part in PARTS:
        rows = answers([m for m in measured if part_of(m) == part])
        if rows:
            figures += _figures(f", {part}", kind, rows)
    return tuple(figures)


def _figures(suffix: str, kind: Kind, rows: Sequence[tuple[str, Answer]]) -> tuple[Figure, ...]:
    decided = [(p, a) for p, a in rows if _decided(a)]
    probable = [(p, a) for p, a in rows if a.probability is not None]
    table = (
        ("contrast AUC", probable, auc, ""),
        ("contrast right among decided", decided, _accuracy, "%"),
        ("contrast undetermined", rows, _undetermined, "%"),
        ("contrast sensitivity", [(p, a) for p, a in decided if a.positive], sensitivity, "%"),
        ("contrast specificity", [(p, a) for p, a in decided if not a.positive], specificity, "%"),
        ("contrast Brier score", probable, brier, ""),
    )
    return tuple(
        figure(OUTPUT, f"{name}{suffix}", kind, sample, statistic, unit=unit)
        for name, sample, statistic, unit in table
    )


def reliability(rows: Sequence[Answer]) -> tuple[Bin, ...]:
    """Told probability against true share in BINS bins; empty bins are left out."""
    found = [(a.probability, a.positive) for a in rows if a.probability is not None]
    bins: dict[int, list[tuple[float, bool]]] = {}
    for probability, positive in found:
        bins.setdefault(min(int(probability * BINS), BINS - 1), []).append((probability, positive))
    return tuple(
        Bin(
            low=at / BINS,
            high=(at + 1) / BINS,
            n=len(rows),
            mean_probability=mean([p for p, _ in rows]),
            positive_share=mean([float(positive) for _, positive in rows]),
        )
        for at, rows in sorted(bins.items())
    )
