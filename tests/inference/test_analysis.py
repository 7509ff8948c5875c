"""From a volume to findings, with a model that reads the height out of the pixels."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.analysis import NOT_RESAMPLED, analyse, slice_centres_z_mm
from inference.findings import Axis, Contrast, Presence
from inference.models.score import WEIGHTS, ScoreModel
from inference.volume import Volume
from storage.header import Header
from tests.inference.real_series import DATA
from tests.inference.score_factory import (
    AXIAL,
    CORONAL,
    SAGITTAL,
    geometry,
    positions_mm,
    ruler_model,
    volume,
)

MODEL = ruler_model()
L3_MM, T12_MM = 33.817 / 0.118, 44.952 / 0.118


def header(body_part: str | None = None) -> Header:
    return Header(
        sop_instance_uid="1.2.3.1",
        sop_class_uid="1.2.840.10008.5.1.4.1.1.2",
        series_instance_uid="1.2.3",
        study_instance_uid="1.2",
        body_part_examined=body_part,
    )


def axial(low_mm=0.0, high_mm=660.0, spacing_mm=5.0, directions=AXIAL, body_part=None, model=MODEL):
    count = int((high_mm - low_mm) / spacing_mm) + 1
    row, column = np.asarray(directions)
    start = low_mm if np.cross(row, column)[2] > 0 else low_mm + (count - 1) * spacing_mm
    g = geometry((count, 32, 32), directions, spacing_mm=spacing_mm, origin_mm=(0.0, 0.0, start))
    return analyse(volume(g), model, header(body_part))


def test_an_axial_trunk_is_read_from_feet_to_head():
    found = axial()
    assert found.body_part.value == "CHEST-ABDOMEN-PELVIS"
    assert (found.axis.value, found.axis.from_header, found.axis.confidence) == (Axis.AXIAL, Axis.AXIAL, 0.99)
    assert found.curve_warnings == ()
    assert found.t12.z_mm == pytest.approx(T12_MM, abs=0.1)
    assert found.l3.z_mm == pytest.approx(L3_MM, abs=0.1)
    assert (found.t12.slice_index, found.l3.slice_index) == (76, 57)
    assert found.l3.sop_instance_uid == "1.2.3.58"
    assert [s.z_mm for s in found.slice_scores] == [5.0 * k for k in range(133)]
    assert [s.sop_instance_uid for s in found.slice_scores] == [f"1.2.3.{k + 1}" for k in range(133)]
    np.testing.assert_allclose([s.score for s in found.slice_scores], 0.118 * 5 * np.arange(133), atol=0.02)
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


def ball_model():
    """The product's network, untrained: any change of the picture changes its answer."""
    import torch

    from inference.models.network import ScoreNetwork

    torch.manual_seed(0)
    return replace(MODEL, network=ScoreNetwork().eval())


@pytest.mark.parametrize("directions", FLIPS)
def test_the_network_sees_the_same_picture_however_it_is_stored(directions):
    def scores(d):
        g = geometry((3, 64, 64), d, spacing_mm=5.0)
        middle = positions_mm(g)[0].reshape(-1, 3).mean(axis=0)
        p = positions_mm(g) - middle
        hu = np.where((p[..., 0] > 20) & (p[..., 1] < -10), 800, -500).astype(np.int16)
        made = analyse(replace(volume(g), voxels=hu), ball_model(), header())
        return sorted(s.raw for s in made.slice_scores)

    np.testing.assert_allclose(scores(directions), scores(AXIAL), atol=1e-3)


@settings(max_examples=20)
@given(st.floats(-25, 25))
def test_a_tilted_gantry_is_measured_at_the_slice_s_centre(degrees):
    angle = np.radians(degrees)
    tilted = ((1.0, 0.0, 0.0), (0.0, float(np.cos(angle)), float(np.sin(angle))))
    g = geometry((40, 64, 64), tilted, spacing_mm=5.0, stacking=(0.0, 0.0, 1.0))
    centres = positions_mm(g)[..., 2].mean(axis=(1, 2))
    np.testing.assert_allclose(slice_centres_z_mm(g), centres, atol=1e-6)
    found = analyse(volume(g), MODEL, header())
    assert found.axis.value is Axis.AXIAL
    np.testing.assert_allclose([s.raw for s in found.slice_scores], 0.118 * centres, atol=0.15)


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


def test_a_sheared_oblique_volume_says_that_it_says_nothing():
    steep = ((1.0, 0.0, 0.0), (0.0, float(np.cos(0.7)), float(np.sin(0.7))))
    g = geometry((10, 16, 16), steep, stacking=(0.0, 0.0, 1.0))
    found = analyse(volume(g), MODEL, header("HEAD"))
    assert found.axis.value is Axis.OBLIQUE
    assert found.body_part.value == "undetermined"
    assert found.curve_warnings == (NOT_RESAMPLED,)
    assert (found.t12.presence, found.t12.reason) == (Presence.CANNOT_TELL, NOT_RESAMPLED)
    assert found.disagreements == ()


def test_an_illegible_reformat_says_nothing_against_the_header():
    g = geometry((30, 190, 60), CORONAL, spacing_mm=4.0, origin_mm=(-100.0, -60.0, 660.0))
    found = analyse(volume(g), ruler_model(slope=-0.118, at_zero=80.0), header())
    assert (found.axis.value, found.axis.confidence) == (Axis.CORONAL, 0.7)
    assert found.curve_warnings[0].startswith("made axial for scoring: reversed order")
    assert found.body_part.value == "undetermined"


def test_a_field_without_the_level_says_so():
    chest = axial(low_mm=420, high_mm=660)
    assert chest.l3.presence is Presence.NOT_IN_FIELD
    assert chest.body_part.value == "CHEST"


def test_a_head_is_not_a_chest():
    found = axial(low_mm=0, high_mm=450, body_part="HEAD")
    (disagreement,) = found.disagreements
    assert (disagreement.attribute, disagreement.header) == ("BodyPartExamined", "HEAD")
    assert disagreement.pixels == "ABDOMEN-PELVIS"


def test_slices_stacked_upside_down_are_found_out():
    v = volume(geometry((133, 32, 32), origin_mm=(0.0, 0.0, 0.0)))
    upside_down = Volume(
        series_instance_uid="1.2.3", number=1, geometry=v.geometry, voxels=v.voxels[::-1].copy()
    )
    found = analyse(upside_down, MODEL, header())
    assert found.curve_warnings[0].startswith("reversed order")
    assert found.body_part.value == "undetermined"
    assert found.l3.presence is Presence.CANNOT_TELL
    assert found.axis.confidence == 0.4


def test_wrong_spacing_is_found_out():
    v = volume(geometry((133, 32, 32)))
    squeezed = geometry((133, 32, 32), spacing_mm=2.5)
    found = analyse(replace(v, geometry=squeezed), MODEL, header())
    assert found.curve_warnings[0].startswith("spacing does not fit anatomy")
    assert "look 5.00 mm apart" in found.curve_warnings[0]


def test_a_thing_that_is_no_body_is_undetermined():
    g = geometry((100, 32, 32))
    fruit = np.random.default_rng(1).integers(-200, 300, 100).astype(np.int16)
    voxels = np.broadcast_to(fruit[:, None, None], (100, 32, 32)).copy()
    found = analyse(replace(volume(g), voxels=voxels), ruler_model(at_zero=50.0), header())
    assert found.body_part.value == "undetermined"
    assert found.t12.presence is Presence.CANNOT_TELL


REAL = [
    ("abdpel-tcga-bc-a10w-ce", "ABDOMEN", {"CHEST", "ABDOMEN", "PELVIS"}),
    ("chest-lidc-0002", "CHEST", {"NECK", "CHEST", "ABDOMEN"}),
    ("petct-acrin001-b", "ABDOMEN", {"CHEST", "ABDOMEN", "PELVIS"}),
]
"""Volume, a region that it shows whole, and every region that it shows (../shared/data/series.csv)."""


@pytest.mark.parametrize(("name", "whole", "shown"), REAL)
def test_no_held_out_patient_is_given_a_region_that_is_not_there(name, whole, shown):
    path = DATA / "volumes" / f"{name}.npz"
    if not path.is_file():
        pytest.skip(f"real CT absent: volumes/{name}.npz is not in ../shared/data")
    if not WEIGHTS.is_file():
        pytest.skip("the weights are not here")
    with np.load(path) as file:
        hu, z, pixel = file["hu"], file["z_mm"].astype(float), file["pixel_mm"].astype(float)
    g = geometry(
        hu.shape, spacing_mm=float(np.median(np.diff(z))), pixel_mm=(float(pixel[0]), float(pixel[1]))
    )
    at = tuple(replace(s, position_mm=(0.0, 0.0, float(v))) for s, v in zip(g.slices, z, strict=True))
    v = Volume(series_instance_uid="1.2", number=1, geometry=replace(g, slices=at), voxels=hu)
    found = analyse(v, ScoreModel.load("cpu"), header())
    named = set(found.body_part.value.split("-"))
    assert whole in named
    assert named <= shown
