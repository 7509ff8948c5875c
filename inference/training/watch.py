"""After each epoch: losses and pictures of volumes that a network has not learnt from, and the run's page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from inference.models.score_network import ScoreNetwork
from inference.training.bank import Shelf
from inference.training.config import ScoreTraining
from inference.training.folds import FOLDS
from inference.training.held_out import held_out, mean_losses, read
from inference.training.preview import preview
from inference.training.run_page import Course, run_page
from inference.training.windows import levels_of

PAGE: Final = "training.html"

PICTURES: Final = "pictures"
"""Of a run's folder: fold-F/step-N/VOLUME.svg lies in it."""

MOST_PICTURED: Final = 4
"""Volumes of a fold, the same after each epoch: first those with T12 or L3."""


class Watch:
    """Of one fold. What it does draws nothing by chance: the weights are the same without it.

    Args:
        shelves: of the whole bank.
        out: the run's folder; what an earlier part of the run saw there is kept.
        fold: whose network is watched.
        config: of the run.
    """

    def __init__(self, shelves: Sequence[Shelf], out: Path, fold: int, config: ScoreTraining) -> None:
        self._held, self._out, self._fold, self._config = held_out(shelves, fold), out, fold, config
        self._seen: list[dict[str, float]] = _rows(_validation(out, fold))

    def look(self, network: ScoreNetwork, step: int) -> None:
        """Read every held-out volume; write losses, pictures and page, unless that was done at this step."""
        if any(row["step"] == step for row in self._seen):
            return
        readings = {shelf.identifier: read(network, shelf, self._config.loss) for shelf in self._held}
        folder = _folder(self._out, self._fold, step)
        folder.mkdir(parents=True, exist_ok=True)
        for shelf in pictured(self._held):
            title = f"{shelf.identifier}, network {self._fold}, step {step}"
            (folder / f"{shelf.identifier}.svg").write_text(
                preview(readings[shelf.identifier], title), encoding="utf-8"
            )
        means = {n: round(value, 4) for n, value in mean_losses([*readings.values()]).items()}
        self._seen.append({"step": step, **means})
        _write_whole(_validation(self._out, self._fold), json.dumps(self._seen))
        write_page(self._out, self._config.steps, self._fold)


def pictured(shelves: Sequence[Shelf]) -> list[Shelf]:
    """Those that are drawn, of what is held out."""
    return sorted(shelves, key=lambda s: not levels_of(s))[:MOST_PICTURED]


def write_page(out: Path, steps: int, writer: int = FOLDS) -> None:
    """The run's page, as far as its folds have come; writer: of the processes that may write at once."""
    courses = [_course(out, fold) for fold in range(FOLDS)]
    _write_whole(out / PAGE, run_page(courses, steps), str(writer))


def _course(out: Path, fold: int) -> Course:
    validation = _rows(_validation(out, fold))
    step = int(validation[-1]["step"]) if validation else 0
    pictures = sorted(_folder(out, fold, step).glob("*.svg"))
    return Course(
        fold=fold,
        training=tuple(_rows(out / f"metrics-{fold}.json")[1:]),
        validation=tuple(validation),
        pictures=tuple(p.read_text(encoding="utf-8") for p in pictures),
    )


def _validation(out: Path, fold: int) -> Path:
    return out / f"validation-{fold}.json"


def _folder(out: Path, fold: int, step: int) -> Path:
    return out / PICTURES / f"fold-{fold}" / f"step-{step:06}"


def _rows(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    rows: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return rows


def _write_whole(path: Path, content: str, writer: str = "") -> None:
    """What was there stands until the new one is whole."""
    partial = path.with_name(f"{path.name}.partial{writer}")
    partial.write_text(content, encoding="utf-8")
    partial.replace(path)
