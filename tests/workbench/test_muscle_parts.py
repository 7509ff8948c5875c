"""The pieces of the muscle rule by themselves."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from inference.workbench.muscle.height import height_m
from inference.workbench.muscle.standard import Way, coarse, fine
from inference.workbench.muscle.wall import best_path
from tests.inference.series_factory import ct_slice, save


def test_the_best_path_is_the_best_of_all() -> None:
    random = np.random.default_rng(3)
    worth = random.normal(size=(6, 5))
    best = max(
        (path for path in np.ndindex(*[5] * 6) if all(abs(a - b) <= 1 for a, b in pairwise(path))),
        key=lambda path: sum(worth[n, column] for n, column in enumerate(path)),
    )
    assert best_path(worth, 1).tolist() == list(best)


def test_the_grid_of_one_millimetre_is_linear_and_comes_back() -> None:
    own = np.add.outer(np.arange(7) * 2.5, np.arange(9) * 4.0)
    there = Way(transposed=True, flip_y=True, flip_x=False, y_mm=2.5, x_mm=4.0)
    grid = fine(own, there)
    assert np.allclose(grid, np.add.outer(np.arange(16), np.arange(33)))
    assert coarse(grid >= 20, own.shape, there).tolist() == (np.rint(own) >= 20).tolist()
    assert np.array_equal(there.own(there.standard(own)), own)


@pytest.mark.parametrize(
    ("size", "found"),
    [
        ("1.75", (1.75, "")),
        (None, (None, "Patient's Size (0010,1020) is absent: no index")),
        ("175", (None, "Patient's Size (0010,1020) is 175 m: no index")),
        ("0", (None, "Patient's Size (0010,1020) is 0 m: no index")),
    ],
)
def test_a_height_is_believed_if_it_can_be_one(size: str | None, found: Any, tmp_path: Path) -> None:
    attributes = {} if size is None else {"PatientSize": size}
    (path,) = save([ct_slice((0, 0, 0), number=1, **attributes)], tmp_path)
    assert height_m(path) == found


def test_a_file_that_is_no_dicom_has_no_height(tmp_path: Path) -> None:
    (tmp_path / "a.nii").write_bytes(b"x")
    assert height_m(tmp_path / "a.nii")[0] is None
