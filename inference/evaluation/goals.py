"""What was to be reached, and what others reached: by figure name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from inference.evaluation.case import Kind


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A limit that a figure should keep."""

    limit: float  # in the figure's unit
    at_most: bool  # whether smaller is better

    def met_by(self, value: float) -> bool:
        """Whether a value keeps the limit, the limit itself included."""
        return value <= self.limit if self.at_most else value >= self.limit

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='} {self.limit:g}"


def _most(limit: float) -> Goal:
    return Goal(limit=limit, at_most=True)


def _least(limit: float) -> Goal:
    return Goal(limit=limit, at_most=False)


_BPR: Final = "4.8: public BodyPartRegression model, from its table's sd, its own data"
_LEVEL: Final = "1 slice (Kanavati 2018: 1 mm, 1006 CT; L3SEG-net: 3.7 mm)"
_GROSS: Final = "92-93 % of L3 (L3SEG-net)"
_LI_CLASS: Final = "96.0 internal, 97.3 external (Li 2023)"

GOALS: Final[dict[str, tuple[Goal, str]]] = {
    "LMSE by the table, all": (_most(3.0), _BPR),
    "LMSE by the table, pelvis to eyes": (_most(3.0), _BPR),
    "LMSE by the table, trunk": (_most(3.0), _BPR),
    "LMSE as BodyPartRegression, all": (_most(3.0), _BPR),
    "LMSE as BodyPartRegression, trunk": (_most(3.0), _BPR),
    "landmark error median, all": (_most(8.0), "7.4 (supervised slice localisation)"),
    "landmark error median, pelvis to eyes": (_most(8.0), "7.4 (supervised slice localisation)"),
    "landmark error median, trunk": (_most(8.0), "7.4 (supervised slice localisation)"),
    "Spearman raw median, trunk": (_least(0.995), ""),
    "Spearman raw median, head": (_least(0.98), ""),
    "Spearman raw median, neck": (_least(0.98), ""),
    "Spearman raw median, masked head and neck": (_least(0.98), ""),
    "Spearman raw median, legs": (_least(0.98), ""),
    "Spearman smoothed median, trunk": (_least(0.995), ""),
    "Spearman smoothed median, head": (_least(0.98), ""),
    "Spearman smoothed median, neck": (_least(0.98), ""),
    "Spearman smoothed median, masked head and neck": (_least(0.98), ""),
    "Spearman smoothed median, legs": (_least(0.98), ""),
    "T12 error median": (_most(5.0), _LEVEL),
    "L3 error median": (_most(5.0), _LEVEL),
    "T12 error median in slices": (_most(1.0), _LEVEL),
    "L3 error median in slices": (_most(1.0), _LEVEL),
    "T12 within 10 mm": (_least(90.0), _GROSS),
    "L3 within 10 mm": (_least(90.0), _GROSS),
    "T12 wrong level": (_most(5.0), "8.5 (vertebrae-slice-detection, T12)"),
    "L3 wrong level": (_most(5.0), "4.6 (vertebrae-slice-detection, L3)"),
    "T12 found without it": (_most(2.0), ""),
    "L3 found without it": (_most(2.0), ""),
    "T12 found without it, trunk": (_most(2.0), ""),
    "L3 found without it, trunk": (_most(2.0), ""),
    "regions right": (_least(96.0), "94.0 of slices (BodyPartRegression, 5 classes)"),
    "regions right, trunk": (_least(96.0), ""),
    "16 classes right": (_least(96.0), _LI_CLASS),
    "axis right": (_least(100.0), "99.2 internal, 99.6 external (Li 2023)"),
    "contrast AUC": (_least(0.97), "0.993 internal (Li 2023)"),
    "contrast right among decided": (_least(95.0), "97.5 internal, 90.0 external (Li 2023)"),
    "contrast undetermined": (_most(10.0), ""),
}
"""Goal and reference of each figure on real volumes."""

ALSO: Final[dict[str, frozenset[Kind]]] = {"axis right": frozenset({Kind.REFORMAT})}
"""Kinds besides real ones that a goal holds for."""

REFERENCES: Final[dict[str, str]] = {
    "16 classes right among the first two": "99.1 (Li 2023)",
    "contrast sensitivity": "99.2 (Li 2023)",
    "contrast specificity": "95.6 (Li 2023)",
}
"""What others reached where no goal was set."""


def goal_of(name: str, kind: Kind) -> tuple[Goal | None, str]:
    """The goal of a figure of one kind, and the reference; goals hold for real volumes."""
    if name not in GOALS:
        return None, REFERENCES.get(name, "")
    goal, reference = GOALS[name]
    holds = kind is Kind.REAL or kind in ALSO.get(name, ())
    return (goal if holds else None), (reference if holds else "")
