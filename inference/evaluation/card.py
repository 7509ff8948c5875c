"""The models' card: CARD.md for people and card.json for programs, written from the same record."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from inference.evaluation import card_text
from inference.evaluation.case import Kind, Measured
from inference.evaluation.failures import failures, shortened
from inference.evaluation.figure import Figure
from inference.evaluation.learning import Point
from inference.evaluation.measure import Figures
from inference.evaluation.media import answers, reliability
from inference.evaluation.parts import confusion
from inference.evaluation.serial import from_record, to_record
from inference.evaluation.tables import (
    NOTHING,
    derived_rows,
    goal_words,
    main_rows,
    markdown_table,
    measured_words,
    number,
)
from inference.training.folds import fold_of

CARD: Final = "CARD.md"
CARD_JSON: Final = "card.json"
NOT_WEIGHTS: Final = frozenset({CARD, CARD_JSON})
"""Of the folder, what was not fitted."""

TOLD_AND_TRUE: Final = ("mean_probability", "positive_share")
MAIN_HEAD: Final = ("output", "figure", "goal", "real", "synthetic", "reference")
DERIVED_HEAD: Final = ("made of real volumes", "output", "figure", "goal", "measured")


def write_card(figures: Figures, weights: Path, learning: Sequence[Point] = ()) -> None:
    """Write CARD.md and card.json into the folder of the weights that were measured."""
    record = card_record(figures, weights, learning)
    (weights / CARD_JSON).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    (weights / CARD).write_text(card_markdown(record), encoding="utf-8")


def card_record(figures: Figures, weights: Path, learning: Sequence[Point] = ()) -> dict[str, Any]:
    """Everything on the card, as JSON types."""
    return {
        "statement": card_text.STATEMENT,
        "weights": weights_records(weights),
        "folds": _folds(figures.measured),
        "figures": [to_record(f) for f in figures.figures],
        "confusion": _confusion(figures.measured),
        "reliability": _reliability(figures.measured),
        "failures": failures(figures.measured),
        "learning": [asdict(point) for point in learning],
    }


def weights_records(folder: Path) -> list[dict[str, Any]]:
    """Name, bytes and sha256 of everything fitted in a folder, by name: networks, chain, calibrations."""
    return [
        {
            "file": path.name,
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.iterdir())
        if path.is_file() and path.name not in NOT_WEIGHTS
    ]


def _folds(measured: Iterable[Measured]) -> list[dict[str, int]]:
    """Patients and real volumes that each fold was measured on."""
    real = [m.case for m in measured if m.case.kind is Kind.REAL]
    volumes = Counter(fold_of(case.patient) for case in real)
    patients = Counter(fold_of(patient) for patient in {case.patient for case in real})
    return [{"fold": fold, "patients": patients[fold], "volumes": volumes[fold]} for fold in sorted(volumes)]


def _confusion(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """True class, class told, and how many real volumes."""
    counts = confusion([m for m in measured if m.case.kind is Kind.REAL])
    return [{"true": true, "told": told, "n": n} for (true, told), n in sorted(counts.items())]


def _reliability(measured: Sequence[Measured]) -> list[dict[str, Any]]:
    """The bins of contrast's reliability diagram, real volumes."""
    rows = answers([m for m in measured if m.case.kind is Kind.REAL])
    return [asdict(b) for b in reliability([answer for _, answer in rows])]


def card_markdown(record: dict[str, Any]) -> str:
    """CARD.md of a card's record: nothing in it comes from elsewhere but the hand-written part."""
    figures = tuple(from_record(r) for r in record["figures"])
    parts = (
        ("# The reference models", record["statement"]),
        ("## Intended use", card_text.INTENDED_USE),
        ("## Weights", _weights_table(record["weights"])),
        ("## Goals missed", _missed(figures)),
        ("## Measured", markdown_table(MAIN_HEAD, main_rows(figures))),
        ("## Measured on what was made of real volumes", markdown_table(DERIVED_HEAD, derived_rows(figures))),
        ("## Series classes, real volumes", _confusion_table(record["confusion"])),
        ("## Contrast, told and true, real volumes", _reliability_table(record["reliability"])),
        ("## How it was measured", card_text.METHOD),
        ("## Folds", card_text.SPLITS + "\n\n" + _folds_table(record["folds"])),
        ("## Known failures", _failures(record["failures"])),
        ("## Learning curves", _learning(record["learning"])),
        ("## Data", card_text.DATA),
        ("## Licences and attribution", card_text.LICENCES),
    )
    return "\n\n".join(f"{head}\n\n{text}" for head, text in parts) + "\n"


def _weights_table(weights: list[dict[str, Any]]) -> str:
    rows = [(w["file"], f"{w['bytes']:,}", w["sha256"]) for w in weights]
    return markdown_table(
        ("file", "bytes", "sha256"), [*rows, ("all", f"{sum(w['bytes'] for w in weights):,}", "")]
    )


def _missed(figures: Sequence[Figure]) -> str:
    missed = [f for f in figures if f.met is False]
    unmeasured = [f for f in figures if f.goal is not None and f.value is None]
    lines = [f"- {f.name} ({f.kind}): {goal_words(f)} wanted, {measured_words(f)}" for f in missed]
    lines += [f"- {f.name} ({f.kind}): {goal_words(f)} wanted, **not measured**" for f in unmeasured]
    return "\n".join(lines) or "None."


def _confusion_table(rows: list[dict[str, Any]]) -> str:
    cells = [(r["true"], r["told"], str(r["n"])) for r in rows]
    return markdown_table(("true", "told", "volumes"), cells) if cells else "Not measured."


def _reliability_table(bins: list[dict[str, Any]]) -> str:
    cells = [
        (f"{b['low']:.1f} to {b['high']:.1f}", str(b["n"]), *(number(b[k]) for k in TOLD_AND_TRUE))
        for b in bins
    ]
    head = ("probability told", "volumes", "mean told", "share with contrast medium")
    return markdown_table(head, cells) if cells else "Not measured."


def _folds_table(folds: list[dict[str, int]]) -> str:
    rows = [(str(f["fold"]), str(f["patients"]), str(f["volumes"])) for f in folds]
    return markdown_table(("fold", "patients", "real volumes"), rows)


def _failures(found: dict[str, list[str]]) -> str:
    lines = [f"- {name} ({len(cases)}): {shortened(cases)}" for name, cases in found.items()]
    return "\n".join(lines) or "None in these cases."


def _learning(points: list[dict[str, Any]]) -> str:
    if not points:
        return "Not measured."
    rows = [(p["figure"], str(p["patients"]), number(p["value"]), _spread(p)) for p in points]
    table = markdown_table(("figure", "patients learnt from", "value", "95 % interval"), rows)
    return f"{card_text.LEARNT}\n\n{table}"


def _spread(point: dict[str, Any]) -> str:
    if point["low"] is None or point["high"] is None:
        return NOTHING
    return f"{number(point['low'])} to {number(point['high'])}"
