"""The cases of a data set: a small one made here, and the real one where it is present."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from inference.axis import from_geometry
from inference.evaluation.case import Containment, Group, Kind
from inference.evaluation.covered import read_covered
from inference.evaluation.dataset import origins
from inference.evaluation.derived import BANDS, derived_cases
from inference.evaluation.measure import Only, cases
from inference.evaluation.simulated import simulated_case
from inference.findings import Axis, Contrast, Region
from inference.simulation.plan import Coverage, SimulationPlan
from storage.errors import ConfigError
from tests.inference.evaluation_factory import data_set, trunk_points

DATA = Path(__file__).resolve().parents[2] / "../shared/data"
AT = dict(trunk_points())


@pytest.fixture
def found(tmp_path):
    return {o.case.identifier: o for o in origins(data_set(tmp_path))}


def test_every_volume_with_pixels_is_a_case_with_its_truths(found):
    one, two, slab, masked = (found[n].case for n in ("wb-one", "wb-two", "wb-slab", "kbp-1"))
    assert len(found) == 4
    assert [c.patient for c in (one, two, slab, masked)] == ["p-1", "p-2", "p-2", "kbp-1"]
    assert [c.group for c in (one, two, slab, masked)] == [Group.TRUNK] * 3 + [Group.HEAD_NECK]
    assert [c.truth.axis for c in (one, slab, masked)] == [Axis.AXIAL, Axis.CORONAL, Axis.AXIAL]
    assert (one.truth.t12.z_mm, one.truth.l3.z_mm) == (AT["T12"], AT["L3"])
    assert (one.truth.series_class, slab.truth.series_class) == ("Chest-abdomen-pelvis", None)
    assert masked.truth.t12.containment is masked.truth.l3.containment is Containment.OUTSIDE


def test_doubtful_landmarks_are_left_out(found):
    names = {m.name for m in found["wb-two"].case.truth.landmarks}
    assert {"L3", "T11"}.isdisjoint(names)
    assert len(names) == 15
    assert found["wb-two"].case.truth.l3.containment is Containment.INSIDE  # the catalogue says so
    assert found["wb-two"].case.truth.l3.z_mm is None


def test_contrast_that_sources_disagree_upon_is_not_judged(found):
    said = {n: o.case.truth.contrast for n, o in found.items()}
    assert (said["wb-one"], said["wb-two"], said["wb-slab"]) == (
        Contrast.YES,
        Contrast.UNDETERMINED,
        Contrast.NO,
    )


def test_an_anchor_is_counted_from_the_lowest_slice(found):
    """anchors.csv gives C1 of kbp-1 at 183 mm; the lowest slice lies at -50."""
    assert [(m.name, m.z_mm, m.score) for m in found["kbp-1"].case.truth.landmarks] == [("C1", 133.0, 89.234)]


def test_loading_gives_the_stored_volume(found):
    volume = found["wb-one"].case.load()
    assert volume.voxels.shape == (100, 20, 24)
    assert volume.geometry.z_mm == pytest.approx(found["wb-one"].case.z_mm)
    assert volume.voxels[3, 2, 1] == 3 * 8 + 2 + 30 - 500


def test_derived_cases_keep_patient_and_fold_and_are_marked(found):
    made = list(derived_cases(found["wb-one"]))
    assert Counter(c.kind for c in made) == {
        Kind.CROP: sum(c.kind is Kind.CROP for c in made),
        Kind.REFORMAT: 3,
        Kind.REVERSED: 1,
        Kind.WRONG_SPACING: 2,
    }
    assert {c.patient for c in made} == {"p-1"}
    assert {c.source for c in made} == {"wb-one"}
    assert len({c.identifier for c in made}) == len(made)
    assert list(derived_cases(found["wb-slab"])) == []


def test_crops_have_labels_of_their_own_and_the_voxels_of_their_range(found):
    whole = found["wb-one"].case.load()
    crops = {c.identifier.split("/")[1]: c for c in derived_cases(found["wb-one"]) if c.kind is Kind.CROP}
    assert {"chest", "abdomen", "upper-abdomen", "lumbar", "window-0"} <= set(crops)
    chest, abdomen = crops["chest"], crops["abdomen"]
    assert chest.truth.t12.containment is chest.truth.l3.containment is Containment.OUTSIDE
    assert chest.truth.regions.exact == {Region.CHEST}
    assert abdomen.truth.t12.containment is abdomen.truth.l3.containment is Containment.INSIDE
    assert (chest.truth.series_class, abdomen.truth.series_class) == ("Chest", "Abdomen")
    assert crops["window-0"].truth.series_class is None
    for crop in crops.values():
        volume = crop.load()
        assert volume.geometry.z_mm == pytest.approx(crop.z_mm)
        first = found["wb-one"].case.z_mm.index(crop.z_mm[0])
        assert (volume.voxels == whole.voxels[first : first + len(crop.z_mm)]).all()
        inside = {n for n, z in trunk_points() if crop.z_mm[0] <= z <= crop.z_mm[-1]}
        assert {m.name for m in crop.truth.landmarks} == inside
        assert all(np.isin(crop.z_mm, found["wb-one"].case.z_mm))


def test_the_same_data_set_gives_the_same_windows(tmp_path):
    root = data_set(tmp_path)
    first, second = ([(c.identifier, c.z_mm) for c in cases(root, frozenset({Only.DERIVED}))] for _ in "ab")
    assert first == second


def test_spoilt_and_reformatted_cases_load_what_they_say(found):
    made = {c.identifier: c for c in derived_cases(found["wb-one"])}
    backwards, half = made["wb-one/reversed"].load(), made["wb-one/spacing-x0.5"].load()
    assert backwards.voxels[0, 0, 0] == 99 * 8 - 500
    assert half.geometry.spacing_mm == 2.5
    for plane in (Axis.CORONAL, Axis.SAGITTAL, Axis.OBLIQUE):
        case = made[f"wb-one/{plane}"]
        assert case.truth.axis is plane
        assert from_geometry(case.load().geometry) is plane
        assert case.truth.landmarks == ()
        assert case.truth.t12.z_mm == AT["T12"]


def test_parts_are_measured_by_themselves(tmp_path):
    root = data_set(tmp_path)
    assert [c.identifier for c in cases(root, frozenset({Only.VOLUMES}))] == ["wb-one", "wb-slab", "wb-two"]
    assert [c.identifier for c in cases(root, frozenset({Only.HEAD_NECK}))] == ["kbp-1"]
    assert list(cases(root, frozenset({Only.LABELLED}))) == []
    drawn = list(cases(root, frozenset({Only.SYNTHETIC})))
    assert {c.kind for c in drawn} == {Kind.SYNTHETIC}
    assert {c.truth.contrast for c in drawn} == {Contrast.YES, Contrast.NO}


def test_a_simulated_case_lies_where_its_truth_says(found):
    plan = SimulationPlan(seed=9001, coverage=Coverage.PELVIS, matrix=64, spacing_mm=20.0)
    case = simulated_case(plan, found["wb-one"].priors)
    volume = case.load()
    assert volume.geometry.z_mm == pytest.approx(case.z_mm)
    assert (case.kind, case.truth.series_class) == (Kind.SYNTHETIC, "Pelvis")
    assert case.truth.t12.containment is Containment.OUTSIDE
    assert (volume.voxels > -300).any(axis=(1, 2)).all()


def test_a_folder_without_truths_is_refused_and_told_what_is_needed(tmp_path):
    (tmp_path / "IM0001.dcm").write_bytes(b"")
    with pytest.raises(
        ConfigError, match=r"no data set with truths: catalog.csv, series.csv.*ctnode analyze"
    ):
        list(origins(tmp_path))


real_data = pytest.mark.skipif(
    not (DATA / "catalog.csv").is_file(), reason="real CT absent: ../shared/data holds no catalog.csv"
)


@real_data
@pytest.mark.data
def test_the_real_data_set_has_the_cases_and_truths_that_were_counted_by_hand():
    found = [o.case for o in origins(DATA)]
    # 81 volumes, 150 heads and necks, 5 labelled of which 3 hold no CT and 1 is a copy
    assert Counter(c.folder for c in found) == {"volumes": 81, "head_neck": 150, "labelled": 1}
    groups = Counter(c.group for c in found)
    assert (groups[Group.LEGS], groups[Group.ARMS], groups[Group.SPINE]) == (47, 4, 3)
    axes = Counter(c.truth.axis for c in found)
    assert (axes[Axis.CORONAL], axes[Axis.SAGITTAL], axes[Axis.AXIAL]) == (2, 2, 228)
    read = {c.identifier: c.truth for c in found if c.truth.t12.z_mm is not None}
    both = {n for n, t in read.items() if t.t12.containment is t.l3.containment is Containment.INSIDE}
    assert both == {
        "abd-crlm-1004-ce",
        "abd-crlm-1006-ce",
        "abd-pancreas-cb-001-di",
        "abd-tcga-bc-a10x-ce",
        "abdpel-tcga-bc-a10w-ce",
        "petct-acrin001-b",
        "wb-ccth-a01",
    }
    by_name = {c.identifier: c.truth for c in found}
    assert by_name["neck-tcga-e3-a3e5-ce"].contrast is Contrast.UNDETERMINED  # the two sources disagree
    assert by_name["petct-acrin013-ax"].t12.containment is Containment.UNKNOWN  # 0.55 sure of its numbers
    assert by_name["chest-cmb-crc-01068"].t12.containment is Containment.OUTSIDE


@real_data
@pytest.mark.data
def test_every_region_seen_of_the_real_catalogue_has_a_row():
    with (DATA / "catalog.csv").open(encoding="utf-8") as file:
        seen = {row["region_seen"] for row in csv.DictReader(file) if row["folder"] == "volumes"}
    assert seen - set(read_covered()) == set()


@real_data
@pytest.mark.data
def test_real_crops_exclude_each_level_somewhere_and_hold_it_elsewhere():
    crops = [c for o in origins(DATA) for c in derived_cases(o) if c.kind is Kind.CROP]
    for level in ("t12", "l3"):
        told = Counter(getattr(c.truth, level).containment for c in crops)
        assert told[Containment.OUTSIDE] > 20
        assert told[Containment.INSIDE] > 15
    assert {c.identifier.split("/")[1] for c in crops} >= set(BANDS)
