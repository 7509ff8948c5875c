"""From a volume to findings, with a model that reads the height out of the pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.analysis import NOT_RESAMPLED, analyse
from inference.findings import Axis, Contrast, Presence, Region
from inference.models.bundle import Models
from inference.models.product import PRODUCT
from inference.models.score import ScoreModel
from inference.models.score_network import ScoreNetwork
from inference.training.folds import fold_of
from inference.volume import Volume
from storage.geometry.stack import slice_centres_z_mm
from tests.inference.real_series import DATA
from tests.inference.score_factory import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    geometry,
    header,
    positions_mm,
    ruler_models,
    volume,
)

MODEL = ruler_models()
L3_MM, T12_MM = 33.817 / 0.118, 44.952 / 0.118


WHOLE = (11.0, 11.0)
"""Between pixels: 32 of them are a field that shows a whole trunk."""


def axial(
    low_mm=0.0, high_mm=660.0, spacing_mm=5.0, directions=AXIAL, body_part=None, model=MODEL, pixel_mm=WHOLE
):
    count = int((high_mm - low_mm) / spacing_mm) + 1
    row, column = np.asarray(directions)
    start = low_mm if np.cross(row, column)[2] > 0 else low_mm + (count - 1) * spacing_mm
    g = geometry(
        (count, 32, 32), directions, spacing_mm=spacing_mm, pixel_mm=pixel_mm, origin_mm=(0.0, 0.0, start)
    )
    return analyse(volume(g), model, header(body_part))


def test_an_axial_trunk_is_read_from_feet_to_head():
    found = axial()
    assert found.body_part.value == "CHEST-ABDOMEN-PELVIS"
    assert (found.axis.value, found.axis.from_header, found.axis.confidence) == (Axis.AXIAL, Axis.AXIAL, 0.99)
    assert found.curve_warnings == ()
    assert found.t12.z_mm == pytest.approx(T12_MM, abs=0.2)
    assert found.l3.z_mm == pytest.approx(L3_MM, abs=0.2)
    assert found.l3.interval_mm == pytest.approx((L3_MM - 8, L3_MM + 8), abs=0.2)
    assert found.l3.confidence == pytest.approx(0.95 * 0.9, abs=0.002)
    assert found.t12.warnings == found.l3.warnings == ()
    assert (found.t12.slice_index, found.l3.slice_index) == (76, 57)
    assert found.l3.sop_instance_uid == "1.2.3.58"
    assert [s.z_mm for s in found.slice_scores] == [5.0 * k for k in range(133)]
    assert [s.sop_instance_uid for s in found.slice_scores] == [f"1.2.3.{k + 1}" for k in range(133)]
    np.testing.assert_allclose([s.score for s in found.slice_scores], 0.118 * 5 * np.arange(133), atol=0.1)
    np.testing.assert_allclose([s.raw for s in found.slice_scores], 0.118 * 5 * np.arange(133), atol=0.2)
    assert all(1.5 < s.sd < 3 for s in found.slice_scores)
    assert (found.contrast.value, found.contrast.confidence) == (Contrast.UNDETERMINED, 0.0)
    assert found.model == MODEL.identity


FLIPS = [
    AXIAL,
    ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    ((1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    ((0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
    ((0.0, -1.0, 0.0), (1.0, 0.0, 0.0)),
]


@pytest.mark.parametrize("directions", FLIPS)
def test_a_flipped_orientation_gives_the_same_answer(directions):
    plain, flipped = axial(), axial(directions=directions)
    assert flipped.body_part.value == plain.body_part.value
    assert flipped.curve_warnings == ()
    assert flipped.l3.z_mm == pytest.approx(plain.l3.z_mm, abs=0.01)
    falling = np.cross(*np.asarray(directions))[2] < 0
    z = [s.z_mm for s in flipped.slice_scores]
    assert z == sorted(z, reverse=bool(falling))
    assert flipped.l3.slice_index == (132 - 57 if falling else 57)
    assert flipped.slice_scores[flipped.l3.slice_index].z_mm == 285.0
    for ours, theirs in zip(flipped.body_part.regions, plain.body_part.regions, strict=True):
        assert (ours.region, ours.start_mm, ours.end_mm) == (theirs.region, theirs.start_mm, theirs.end_mm)


@pytest.fixture(scope="module")
def untrained():
    """The product's network, untrained: any change of the picture changes its answer."""
    torch.manual_seed(0)
    return replace(
        MODEL, score=ScoreModel(sha256="", device=torch.device("cpu"), members=(ScoreNetwork().eval(),))
    )


@pytest.mark.parametrize("directions", FLIPS)
def test_the_network_sees_the_same_picture_however_it_is_stored(directions, untrained):
    def scores(d):
        g = geometry((5, 64, 64), d, spacing_mm=5.0)
        p = positions_mm(g) - positions_mm(g)[0].reshape(-1, 3).mean(axis=0)
        hu = np.where((p[..., 0] > 20) & (p[..., 1] < -10), 800, -500).astype(np.int16)
        made = analyse(replace(volume(g), voxels=hu), untrained, header())
        return sorted(s.raw for s in made.slice_scores)

    np.testing.assert_allclose(scores(directions), scores(AXIAL), atol=1e-3)


@settings(max_examples=15, deadline=None)
@given(st.floats(-25, 25))
def test_a_tilted_gantry_is_measured_at_the_slice_s_centre(degrees):
    angle = np.radians(degrees)
    tilted = ((1.0, 0.0, 0.0), (0.0, float(np.cos(angle)), float(np.sin(angle))))
    g = geometry((40, 64, 64), tilted, spacing_mm=5.0, stacking=(0.0, 0.0, 1.0))
    centres = positions_mm(g)[..., 2].mean(axis=(1, 2))
    np.testing.assert_allclose(slice_centres_z_mm(g), centres, atol=1e-6)
    found = analyse(volume(g), MODEL, header())
    assert found.axis.value is Axis.AXIAL
    np.testing.assert_allclose(
        [s.raw for s in found.slice_scores], 0.118 * centres, atol=0.3
    )  # 2.5 mm, half a slice


@pytest.mark.parametrize(
    ("directions", "shape", "origin", "expected"),
    [
        (CORONAL, (30, 190, 60), (-100.0, -60.0, 660.0), Axis.CORONAL),
        (SAGITTAL, (40, 190, 40), (-80.0, -70.0, 660.0), Axis.SAGITTAL),
        (((1.0, 0.0, 0.0), (0.0, 0.5, -np.sqrt(0.75))), (60, 231, 60), (0.0, 0.0, 750.0), Axis.OBLIQUE),
    ],
)
def test_a_reformat_is_read_along_the_patient(directions, shape, origin, expected):
    g = geometry(shape, directions, pixel_mm=(3.5, 3.5), spacing_mm=4.0, origin_mm=origin)
    found = analyse(volume(g), MODEL, header())
    assert (found.axis.value, found.axis.from_header) == (expected, expected)
    assert found.slice_scores == ()
    if expected is Axis.OBLIQUE:
        return  # its middle column of axial pixels leaves the volume at both ends
    assert found.body_part.value == "CHEST-ABDOMEN-PELVIS"
    assert found.t12.presence is found.l3.presence is Presence.FOUND
    assert found.t12.z_mm == pytest.approx(T12_MM, abs=2)
    assert found.l3.z_mm == pytest.approx(L3_MM, abs=2)
    assert (found.l3.slice_index, found.l3.sop_instance_uid) == (None, None)
    assert {(r.first_slice, r.last_slice) for r in found.body_part.regions} == {(0, shape[0] - 1)}
    (abdomen,) = [r for r in found.body_part.regions if r.region is Region.ABDOMEN]
    assert abdomen.start_mm == pytest.approx(25.532 / 0.118, abs=6)  # L5, on slices 5 mm apart
    assert abdomen.end_mm == pytest.approx(56.856 / 0.118, abs=6)  # T8


def test_a_single_oblique_slice_says_that_it_says_nothing():
    steep = ((1.0, 0.0, 0.0), (0.0, float(np.cos(0.7)), float(np.sin(0.7))))
    g = geometry((1, 16, 16), steep)
    found = analyse(volume(g), MODEL, header("HEAD"))
    assert found.axis.value is Axis.OBLIQUE
    assert found.body_part.value == "undetermined"
    assert found.curve_warnings == (NOT_RESAMPLED,)
    assert (found.t12.presence, found.t12.reason) == (Presence.CANNOT_TELL, NOT_RESAMPLED)
    assert found.disagreements == ()


def test_an_illegible_reformat_says_nothing_against_the_header():
    g = geometry((30, 190, 60), CORONAL, spacing_mm=4.0, origin_mm=(-100.0, -60.0, 660.0))
    found = analyse(volume(g), ruler_models(slope=-0.118, at_zero=80.0), header())
    assert (found.axis.value, found.axis.confidence) == (Axis.CORONAL, 0.7)
    assert found.curve_warnings[0].startswith("made axial for scoring: reversed order")
    assert found.body_part.value == "undetermined"


@pytest.mark.parametrize("offset_mm", [-900.0, 137.0])
def test_another_origin_moves_every_height_and_nothing_else(offset_mm):
    g = geometry((133, 32, 32))
    moved = tuple(replace(s, position_mm=(0.0, 0.0, s.position_mm[2] + offset_mm)) for s in g.slices)
    v = volume(g)
    here = analyse(v, MODEL, header())
    there = analyse(replace(v, geometry=replace(g, slices=moved)), MODEL, header())
    assert there.body_part.value == here.body_part.value
    for ours, theirs in ((there.l3, here.l3), (there.t12, here.t12)):
        assert ours.z_mm - theirs.z_mm == pytest.approx(offset_mm, abs=1e-6)
        assert (ours.slice_index, ours.confidence) == (theirs.slice_index, theirs.confidence)
    assert [s.score for s in there.slice_scores] == pytest.approx([s.score for s in here.slice_scores])


@pytest.mark.parametrize("spacing_mm", [0.7, 1.25, 3.0, 8.0])
def test_thin_and_thick_slices_give_the_same_levels(spacing_mm):
    found = axial(low_mm=200, high_mm=480, spacing_mm=spacing_mm)
    assert found.t12.z_mm == pytest.approx(T12_MM, abs=1.0)
    assert found.l3.z_mm == pytest.approx(L3_MM, abs=1.0)
    at = found.slice_scores[found.l3.slice_index]
    assert abs(at.z_mm - found.l3.z_mm) <= spacing_mm / 2 + 1e-6


@pytest.mark.parametrize(
    ("low", "high", "t12", "l3"),
    [
        (420, 660, Presence.NOT_IN_FIELD, Presence.NOT_IN_FIELD),
        (340, 660, Presence.FOUND, Presence.NOT_IN_FIELD),
        (0, 330, Presence.NOT_IN_FIELD, Presence.FOUND),
        (286, 660, Presence.FOUND, Presence.CANNOT_TELL),
    ],
)
def test_a_field_without_the_level_says_so(low, high, t12, l3):
    found = axial(low_mm=low, high_mm=high)
    assert (found.t12.presence, found.l3.presence) == (t12, l3)
    for level in (found.t12, found.l3):
        if level.presence is Presence.NOT_IN_FIELD:
            assert level.z_mm is level.slice_index is level.sop_instance_uid is None
            assert level.confidence > 0.96
            assert level.reason.endswith("mm below the field" if low > 200 else "mm above the field")


def test_a_level_in_a_cut_field_is_told_where_the_sacrum_is_in_it():
    reason = "in a field of 224 mm vertebrae are counted from the sacrum, which is not in it"
    cut = axial(low_mm=286, high_mm=480, pixel_mm=(7.0, 7.0))
    assert (cut.t12.presence, cut.t12.reason) == (Presence.CANNOT_TELL, reason)
    assert cut.t12.z_mm is None and cut.t12.confidence == 0
    assert axial(low_mm=0, high_mm=480, pixel_mm=(7.0, 7.0)).t12.presence is Presence.FOUND
    assert axial(low_mm=286, high_mm=480).t12.presence is Presence.FOUND


def test_a_head_is_not_a_chest():
    found = axial(low_mm=0, high_mm=450, body_part="HEAD")
    (disagreement,) = found.disagreements
    assert (disagreement.attribute, disagreement.header) == ("BodyPartExamined", "HEAD")
    assert disagreement.pixels == "ABDOMEN-PELVIS"


REAL = [
    ("abdpel-tcga-bc-a10w-ce", "abdpel-tcga-bc-a10w-ce", "ABDOMEN", {"CHEST", "ABDOMEN", "PELVIS"}),
    ("chest-lidc-0002", "chest-lidc-0002", "CHEST", {"NECK", "CHEST", "ABDOMEN"}),
    ("petct-acrin001-b", "petct-acrin001", "ABDOMEN", {"CHEST", "ABDOMEN", "PELVIS"}),
]
"""Volume, patient, a region that it shows whole, and all that it shows (../shared/data/series.csv)."""


@pytest.mark.parametrize(("name", "patient", "whole", "shown"), REAL)
def test_no_held_out_patient_is_given_a_region_that_is_not_there(name, patient, whole, shown):
    path = DATA / "volumes" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"real CT absent: volumes/{name}.npz is not in ../shared/data")
    if not all(p.is_file() for p in (PRODUCT.score, PRODUCT.levels, PRODUCT.series)):
        pytest.skip("the weights are not there")
    with np.load(path) as file:
        hu, z, pixel = file["hu"], file["z_mm"].astype(float), file["pixel_mm"].astype(float)
    g = geometry(
        hu.shape, spacing_mm=float(np.median(np.diff(z))), pixel_mm=(float(pixel[0]), float(pixel[1]))
    )
    at = tuple(replace(s, position_mm=(0.0, 0.0, float(v))) for s, v in zip(g.slices, z, strict=True))
    v = Volume(series_instance_uid="1.2", number=1, geometry=replace(g, slices=at), voxels=hu)
    found = analyse(v, Models.load("cpu", fold_of(patient)), header())
    named = set(found.body_part.value.split("-"))
    assert whole in named
    assert named <= shown
