"""What is said of volumes that are not what they seem: no body, another plane, reversed, squeezed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inference.analysis import NOT_CREDIBLE, analyse
from inference.contrast import NOT_A_BODY
from inference.findings import Axis, Contrast, Disagreement, Presence
from inference.volume import Volume
from tests.inference.score_factory import LOOK, SLOPE, geometry, header, ruler_models, volume

MODEL = ruler_models()


def looking(**seen):
    """The ruler, with a series model that sees this."""
    return ruler_models(look=replace(LOOK, **seen))


def test_pixels_that_are_no_body_leave_everything_undetermined():
    found = analyse(
        volume(geometry((133, 32, 32))), looking(body=0.49, contrast=0.99, brightest_hu=200.0), header("HEAD")
    )
    reason = "the pixels do not look like a human body: probability 0.49"
    assert found.curve_warnings == (reason,)
    assert (found.body_part.value, found.body_part.regions, found.body_part.classes) == (
        "undetermined",
        (),
        (),
    )
    for level in (found.t12, found.l3):
        assert (level.presence, level.reason) == (Presence.CANNOT_TELL, NOT_CREDIBLE + reason)
        assert level.z_mm is None
    assert (found.contrast.value, found.contrast.reason) == (Contrast.UNDETERMINED, NOT_A_BODY)
    assert (found.axis.value, found.axis.confidence) == (Axis.AXIAL, 0.7)
    assert found.disagreements == ()
    assert len(found.slice_scores) == 133  # what the network said stands, with its warning


@pytest.mark.parametrize(
    ("pixels", "confidence", "contrast", "disagrees"),
    [
        (Axis.AXIAL, 0.99, Contrast.YES, False),
        (Axis.UNDETERMINED, 0.99, Contrast.YES, False),
        (Axis.OBLIQUE, 0.99, Contrast.YES, False),
        (Axis.CORONAL, 0.4, Contrast.UNDETERMINED, True),
        (Axis.SAGITTAL, 0.4, Contrast.UNDETERMINED, True),
    ],
)
def test_pixels_that_show_another_plane_contradict_the_header(pixels, confidence, contrast, disagrees):
    models = looking(axis=pixels, contrast=0.97, brightest_hu=180.0)
    found = analyse(volume(geometry((133, 32, 32))), models, header())
    assert (found.axis.value, found.axis.from_header, found.axis.from_pixels) == (
        Axis.AXIAL,
        Axis.AXIAL,
        pixels,
    )
    assert found.axis.confidence == confidence
    assert found.contrast.value is contrast
    assert found.contrast.probability == (None if disagrees else 0.97)
    reason = f"the slices look {pixels}, and the header says axial"
    assert found.contrast.reason == (reason if disagrees else "")
    assert found.l3.presence is (Presence.CANNOT_TELL if disagrees else Presence.FOUND)
    assert (found.body_part.value == "undetermined") is disagrees
    assert (reason in found.curve_warnings) is disagrees
    said = Disagreement(attribute="ImageOrientationPatient", header="axial", pixels=pixels)
    planes = tuple(each for each in found.disagreements if each.attribute == said.attribute)
    assert planes == ((said,) if disagrees else ())


def test_slices_stacked_upside_down_are_found_out():
    v = volume(geometry((133, 32, 32), origin_mm=(0.0, 0.0, 0.0)))
    upside_down = Volume(
        series_instance_uid="1.2.3", number=1, geometry=v.geometry, voxels=v.voxels[::-1].copy()
    )
    found = analyse(upside_down, MODEL, header())
    assert found.curve_warnings[0].startswith("reversed order")
    assert found.body_part.value == "undetermined"
    assert found.l3.presence is Presence.CANNOT_TELL
    assert found.l3.reason.startswith("the score curve is not credible: reversed order")
    assert found.axis.confidence == 0.7
    np.testing.assert_allclose(
        [s.raw for s in found.slice_scores], SLOPE * 5 * np.arange(132, -1, -1), atol=0.2
    )


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
    found = analyse(replace(volume(g), voxels=voxels), ruler_models(at_zero=50.0), header())
    assert found.body_part.value == "undetermined"
    assert found.t12.presence is Presence.CANNOT_TELL
