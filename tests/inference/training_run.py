"""A run of the score networks made small: the data folder's volumes as they are, in one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from inference.projection import views
from inference.training.bank import Shelf
from inference.training.config import ScoreTraining
from inference.training.landmarks import score_table
from inference.training.row_targets import row_targets
from inference.training.study import load_studies
from tests.inference.training_folder import data_folder

TINY = ScoreTraining(steps=2, windows=2, rows=32, warm_up_steps=1, synthetic=0, workers=1, save_every=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder."""
    return data_folder(tmp_path_factory.mktemp("training"))


@pytest.fixture(scope="module")
def shelves(data: Path) -> list[Shelf]:
    """Its volumes."""
    return shelves_of(data)


@pytest.fixture(autouse=True)
def threads() -> Iterator[None]:
    """A fold is trained on one thread; the other tests get theirs back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


class Here:
    """A pool of processes that is none."""

    def __init__(self, *_: object) -> None: ...

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *_: object) -> None: ...

    def map(self, function, *given):
        """As of an executor."""
        return map(function, *given)


def shelves_of(data: Path) -> list[Shelf]:
    """Every volume, once."""
    table = score_table(data / "priors" / "bpr_lookup_table.csv")
    return [
        Shelf(
            identifier=s.identifier,
            patient=s.patient,
            folds=s.folds,
            group=s.group,
            copies=(views(s.hu.float()).half(),),
            targets=row_targets(s, table),
        )
        for s in load_studies(data)
    ]


def begun(out: Path, shelves: list[Shelf]) -> Path:
    """A run's folder with its bank and nothing else."""
    out.mkdir(parents=True, exist_ok=True)
    torch.save(shelves, out / "bank.pt")
    return out
