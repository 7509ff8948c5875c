"""How good the body part, its regions and the 16 classes are. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from inference.evaluation.case import Group, Kind, Measured
from inference.evaluation.figure import Figure, figure, mean
from inference.evaluation.regions import CLASSES, told_regions

OUTPUT: Final = "body part"

NONE_TOLD: Final = "none told"
"""Column of the confusion matrix for cases that were given no class."""

Confusion = Counter[tuple[str, str]]
"""(true class, class told) to cases."""


def regions_right(measured: Measured) -> bool | None:
    """Whether every region surely there is named, and none that is not; None where the truth does not say.

    An undetermined body part is not right.
    """
    truth = measured.case.truth.regions
    if truth is None:
        return None
    told = told_regions(measured.findings.body_part.value)
    return told is not None and truth.required <= told <= truth.allowed


def part_figures(kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    """The figures of regions and classes."""
    return (*_region_figures(kind, measured), *_class_figures(kind, measured))


def _region_figures(kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    judged = [(m, right) for m in measured if (right := regions_right(m)) is not None]
    told = [(m, told_regions(m.findings.body_part.value)) for m, _ in judged]
    trunk = [(m.case.patient, float(right)) for m, right in judged if m.case.group is Group.TRUNK]
    exact = [
        (m.case.patient, float(said == m.case.truth.regions.exact))
        for m, said in told
        if m.case.truth.regions is not None and m.case.truth.regions.exact is not None
    ]
    silent = [(m.case.patient, float(said is None)) for m, said in told]
    answered = [
        (m.case.patient, float(right)) for (m, right), (_, said) in zip(judged, told, strict=True) if said
    ]
    rows = (
        ("regions right", [(m.case.patient, float(right)) for m, right in judged]),
        ("regions right, trunk", trunk),
        ("regions right where told", answered),
        ("regions exactly those of the landmarks", exact),
        ("body part undetermined", silent),
    )
    return tuple(figure(OUTPUT, name, kind, sample, mean, unit="%") for name, sample in rows)


def ranked(measured: Measured) -> tuple[str, ...]:
    """The classes told, likeliest first; empty where none were."""
    guesses = sorted(measured.findings.body_part.classes, key=lambda guess: -guess.probability)
    return tuple(guess.name for guess in guesses)


def _class_figures(kind: Kind, measured: Sequence[Measured]) -> tuple[Figure, ...]:
    known = [(m.case.patient, m.case.truth.series_class, ranked(m)) for m in measured]
    rows = [(patient, truth, told) for patient, truth, told in known if truth is not None]
    first = [(p, float(told[:1] == (truth,))) for p, truth, told in rows]
    second = [(p, float(truth in told[:2])) for p, truth, told in rows]
    told = [(p, float(bool(told))) for p, _, told in rows]
    figures = [
        figure(OUTPUT, "16 classes right", kind, first, mean, unit="%"),
        figure(OUTPUT, "16 classes right among the first two", kind, second, mean, unit="%"),
        figure(OUTPUT, "16 classes told", kind, told, mean, unit="%"),
    ]
    for name in CLASSES:
        of_class = [(p, float(said[:1] == (name,))) for p, truth, said in rows if truth == name]
        if of_class:
            figures.append(figure(OUTPUT, f"class sensitivity, {name}", kind, of_class, mean, unit="%"))
    return tuple(figures)


def confusion(measured: Sequence[Measured]) -> Confusion:
    """How often each true class was told as each class."""
    return Counter(
        (m.case.truth.series_class, next(iter(ranked(m)), NONE_TOLD))
        for m in measured
        if m.case.truth.series_class is not None
    )
