"""The truth files of a data set: who, what was read, what is seen."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.evaluation.truths import Points, Priors
from inference.findings import Axis, Contrast
from inference.training.landmarks import read_anchors, read_landmarks, score_table
from storage.errors import ConfigError

TRAINING: Final = Path(__file__).resolve().parent.parent / "training"

ANCHORS: Final = TRAINING / "anchors.csv"
"""Landmarks of heads, necks and limbs, read by one reader."""

CONTRAST_LABELS: Final = TRAINING / "contrast_labels.csv"
"""Columns id and seen (yes, no, unclear): of volumes that series.csv does not hold; may be absent."""

NEEDED: Final = (
    "catalog.csv",
    "series.csv",
    "landmarks.csv",
    "priors/bpr_lookup_table.csv",
    "priors/vertebra_spacing_stats.csv",
)
"""Files without which a folder is no data set with truths."""

FOLDERS: Final = ("volumes", "head_neck", "labelled")

SURE: Final = 0.7
"""Where a reader gave less for the vertebrae's numbers, no level is held against them."""


@dataclass(frozen=True, kw_only=True)
class Records:
    """Everything that a data set says of its volumes."""

    patients: dict[str, str]  # id to patient
    seen: dict[str, str]  # id to region_seen
    axes: dict[str, Axis]  # id to the plane of the slices
    contrast: dict[str, Contrast]  # id to what is seen; absent where sources disagree or say nothing
    points: dict[str, Points]  # id to trusted landmarks, patient z
    above_lowest: dict[str, Points]  # id to landmarks, mm above the lowest slice
    doubtful_names: frozenset[str]  # ids whose vertebrae may be misnumbered
    priors: Priors


def check_dataset(dataset: Path) -> None:
    """Refuse a folder that holds no truths.

    Raises:
        ConfigError: says which files are missing, and what to do with plain DICOM.
    """
    missing = [name for name in NEEDED if not (dataset / name).is_file()]
    if not any((dataset / name).is_dir() for name in FOLDERS):
        missing.append(" or ".join(f"{name}/" for name in FOLDERS))
    if missing:
        raise ConfigError(
            f"{dataset} is no data set with truths: {', '.join(missing)} missing. To evaluate, volumes are"
            " needed as .npz with what is true of them; DICOM series without truths are read by"
            " `ctnode analyze`, which measures nothing"
        )


def read_records(dataset: Path) -> Records:
    """The truth files of a data set.

    Raises:
        ConfigError: one is missing.
    """
    check_dataset(dataset)
    catalog = [row for row in _rows(dataset / "catalog.csv") if row["folder"] in FOLDERS]
    series = _rows(dataset / "series.csv")
    labels = _rows(CONTRAST_LABELS) if CONTRAST_LABELS.is_file() else []
    return Records(
        patients={row["id"]: row["patient"] for row in catalog},
        seen={row["id"]: row["region_seen"] for row in catalog},
        axes={row["id"]: Axis(row["orientation"]) for row in catalog},
        contrast=agreed_contrast(
            [(row["id"], row["iv_contrast_seen"]) for row in catalog]
            + [(row["id"], row["iv_contrast"]) for row in series]
            + [(row["id"], row["seen"]) for row in labels]
        ),
        points={key: tuple(v) for key, v in read_landmarks(dataset / "landmarks.csv").items()},
        above_lowest={key: tuple(v) for key, v in read_anchors(ANCHORS).items()},
        doubtful_names=frozenset(row["id"] for row in series if _least_sure(row) < SURE),
        priors=_priors(dataset / "priors"),
    )


def agreed_contrast(said: list[tuple[str, str]]) -> dict[str, Contrast]:
    """Contrast of each id that all sources agree upon.

    Args:
        said: (id, what is seen: text that begins with yes or no; anything else says nothing).
    """
    words: dict[str, set[Contrast]] = {}
    for key, text in said:
        word = _contrast(text)
        if word is not Contrast.UNDETERMINED:
            words.setdefault(key, set()).add(word)
    return {key: next(iter(found)) for key, found in words.items() if len(found) == 1}


def _contrast(text: str) -> Contrast:
    text = text.strip().lower()
    if text.startswith("yes"):
        return Contrast.YES
    return Contrast.NO if text.startswith("no") or "not enhanced" in text else Contrast.UNDETERMINED


def _least_sure(row: dict[str, str]) -> float:
    said = [row[key] for key in ("p_level_name_right_reader1", "p_reader2") if row[key]]
    return min(map(float, said), default=1.0)


def _priors(folder: Path) -> Priors:
    spacing = _rows(folder / "vertebra_spacing_stats.csv")
    return Priors(
        scores=score_table(folder / "bpr_lookup_table.csv"),
        shortest_mm={row["upper"]: float(row["dz_p05"]) for row in spacing if row["lower"] != "L6"},
    )


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))
