"""Cases in, figures out: the whole evaluation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from inference.evaluation.case import Case, Kind, Measured
from inference.evaluation.dataset import origins
from inference.evaluation.derived import derived_cases
from inference.evaluation.figure import Figure
from inference.evaluation.levels import level_error, level_figures, level_of
from inference.evaluation.media import contrast_figures
from inference.evaluation.parts import part_figures, regions_right
from inference.evaluation.planes import axis_figures, slope_figures
from inference.evaluation.scores import score_figures, spearman
from inference.evaluation.simulated import simulated_cases
from inference.findings import Findings, Presence
from inference.volume import Volume

Analyse = Callable[[Volume, Case], Findings]
"""What is measured. It must not have learnt from the case's patient (`inference.training.folds`)."""


class Only(StrEnum):
    """Parts of an evaluation."""

    VOLUMES = "volumes"
    HEAD_NECK = "head_neck"
    LABELLED = "labelled"
    DERIVED = "derived"
    SYNTHETIC = "synthetic"


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Everything that was measured."""

    figures: tuple[Figure, ...]  # by kind, then output
    measured: tuple[Measured, ...]  # the cases and what was said of them

    def of(self, kind: Kind) -> tuple[Figure, ...]:
        """The figures of one kind of cases."""
        return tuple(f for f in self.figures if f.kind is kind)

    @property
    def missed(self) -> tuple[Figure, ...]:
        """The figures that miss their goal."""
        return tuple(f for f in self.figures if f.met is False)


def evaluate(
    dataset: Path,
    analyse: Analyse,
    say: Callable[[str], None] = print,
    only: frozenset[Only] = frozenset(Only),
) -> Figures:
    """Measure the findings of every case of a data set.

    Args:
        dataset: see `inference.evaluation.dataset`.
        analyse: what is measured.
        say: told a line a case.
        only: parts to measure.

    Raises:
        ConfigError: the data set holds no truths.
    """
    measured = []
    for case in cases(dataset, only):
        measured.append(Measured(case=case, findings=analyse(case.load(), case)))
        say(line_of(measured[-1]))
    return Figures(figures=figures_of(measured), measured=tuple(measured))


def cases(dataset: Path, only: frozenset[Only] = frozenset(Only)) -> Iterator[Case]:
    """Every case: each real one, then what is made of it; synthetic ones at the end."""
    priors = None
    for origin in origins(dataset):
        priors = origin.priors
        if Only(origin.case.folder) in only:
            yield origin.case
        if Only.DERIVED in only:
            yield from derived_cases(origin)
    if Only.SYNTHETIC in only and priors is not None:
        yield from simulated_cases(priors)


def figures_of(measured: Iterable[Measured]) -> tuple[Figure, ...]:
    """Every figure, of each kind of cases by itself; what could not be measured of a kind has n = 0."""
    by_kind: dict[Kind, list[Measured]] = {}
    for m in measured:
        by_kind.setdefault(m.case.kind, []).append(m)
    return tuple(f for kind in Kind if kind in by_kind for f in _of_kind(kind, by_kind[kind]))


def _of_kind(kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    if kind in (Kind.REVERSED, Kind.WRONG_SPACING):
        return slope_figures(kind, measured)
    return (
        *score_figures(kind, measured),
        *level_figures(kind, measured),
        *part_figures(kind, measured),
        *axis_figures(kind, measured),
        *contrast_figures(kind, measured),
        *slope_figures(kind, measured),
    )


def line_of(measured: Measured) -> str:
    """One case in one line: what was said, and how far it is right."""
    findings, ranks = measured.findings, spearman(measured)
    words = [
        f"{measured.case.identifier} ({measured.case.kind}): {findings.body_part.value}",
        {True: "right", False: "WRONG", None: "not judged"}[regions_right(measured)],
        f"Spearman {ranks[0]:.3f} raw {ranks[1]:.3f} smoothed" if ranks else "no scores",
        *(_level_words(measured, name) for name in ("T12", "L3")),
        f"{findings.axis.value} (true {measured.case.truth.axis})",
        f"contrast {findings.contrast.value} (true {measured.case.truth.contrast})",
    ]
    return "; ".join(words)


def _level_words(measured: Measured, name: str) -> str:
    truth, told = level_of(measured, name)
    error = level_error(measured, name)
    if error is not None:
        return f"{name} {error.mm:+.1f} mm{' WRONG LEVEL' if error.wrong else ''}"
    where = f" at {told.z_mm:.0f} mm" if told.presence is Presence.FOUND and told.z_mm is not None else ""
    return f"{name} {told.presence}{where} (true: {truth.containment})"
