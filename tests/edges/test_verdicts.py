"""A verdict on every edge, its volumes, a reason that names what is wrong, and every voxel in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.edges.corpus import EDGES, described, files_of
from tests.edges.judging import Worth, judged
from tests.edges.ours import Stack, answer
from tests.edges.readers import Made
from tests.edges.verdicts import UNSEEN, VERDICTS

Numbers = NDArray[Any]


def test_every_edge_has_its_verdict() -> None:
    assert set(VERDICTS) == set(EDGES)


@pytest.mark.parametrize("name", EDGES)
def test_an_edge_says_where_it_is_documented(name: str) -> None:
    what, documented = described(EDGES[name])

    assert what.endswith(".")
    assert documented.endswith(".")


@pytest.mark.parametrize("name", EDGES)
def test_verdict_volumes_and_reason(name: str) -> None:
    ours, due = answer(name), VERDICTS[name]

    assert (ours.verdict, ours.volumes) == (due.verdict, due.volumes), ours.reasons
    assert due.says in "; ".join(ours.reasons)
    assert bool(due.says) == bool(ours.reasons), ours.reasons


@pytest.mark.parametrize("name", EDGES)
def test_every_voxel_lies_where_it_belongs(name: str) -> None:
    ours, files = answer(name), files_of(name)
    due = UNSEEN.get(name, Worth.RIGHT if ours.outputs else Worth.REFUSED)

    worth = judged(ours.made, files.truths, files.foreign)

    assert worth.worth is due, worth.fits


def test_the_reader_of_edges_tells_a_wrong_volume_from_a_right_one() -> None:
    files, ours = files_of("sound_axial"), answer("sound_axial")
    (right,) = ours.outputs
    assert isinstance(right, Stack)

    def worth(voxels: Numbers = right.voxels, shift: Numbers | float = 0.0, stretch: float = 1.0) -> Worth:
        corners = right.corners_mm * [1.0, 1.0, stretch] + shift
        made = Made(outputs=(replace(right, voxels=voxels, corners_mm=corners),), said=(), error="")
        return judged(made, files.truths, ()).worth

    assert worth() is Worth.RIGHT
    assert worth(right.voxels[::-1]) is Worth.SILENT  # left and right exchanged
    assert worth(right.voxels[:, ::-1]) is Worth.SILENT  # back and front exchanged
    assert worth(right.voxels[:, :, ::-1]) is Worth.SILENT  # upside down
    assert worth(right.voxels.transpose(1, 0, 2)) is Worth.SILENT  # rows and columns exchanged
    assert worth(right.voxels + 4) is Worth.SILENT  # 4 HU too high
    assert worth(stretch=1.05) is Worth.SILENT  # 0.25 mm more between slices
    for axis in np.eye(3):
        assert worth(shift=1.5 * axis) is Worth.SILENT  # half a pixel off
