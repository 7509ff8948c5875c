"""The picture of the findings: what stands in it, and where."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from inference.findings import (
    Axis,
    AxisFinding,
    BodyPartFinding,
    Contrast,
    ContrastFinding,
    Disagreement,
    Findings,
    LevelFinding,
    Presence,
    Region,
)
from inference.results.picture import MOST_ROWS, SCREEN, chart_scene, drawn, picture, picture_scene
from inference.results.picture.draw import PAPER
from inference.results.picture.fonts import font
from inference.results.picture.scene import Area, Ink, Label, Raster, Scene, Stroke
from inference.volume import Volume
from storage.geometry.verdicts import Check, noted
from tests.inference.results_factory import PROVENANCE, extent, findings_of, level, synthetic

NOT_FOUND = LevelFinding(presence=Presence.NOT_IN_FIELD, reason="about 161 mm below the field")
NAMES = tuple(f"image {40 - k}" for k in range(40))


def volume_of(**options: Any) -> Volume:
    return synthetic(**{"count": 40, **options})[1]


def scene_of(volume: Volume, names: Sequence[str] = NAMES, **changes: object) -> Scene:
    scene = picture_scene(volume, findings_of(volume, **changes), PROVENANCE, names)
    assert scene is not None
    return scene


def strokes(scene: Scene, ink: Ink, dashed: bool | None = None) -> list[Stroke]:
    """The level lines of an ink: as wide as one of the panels."""
    found = [m for m in scene.marks if isinstance(m, Stroke) and m.ink is ink and m.width_px == 2]
    return found if dashed is None else [m for m in found if (m.dash_px is not None) == dashed]


def rasters(scene: Scene) -> list[Raster]:
    return [m for m in scene.marks if isinstance(m, Raster)]


def marked(volume: Volume, index: int) -> Volume:
    """The volume with one slice of bone in a body of water."""
    voxels = np.where(volume.voxels > -500, 0, -1000).astype(np.int16)
    voxels[index][voxels[index] == 0] = 700
    return replace(volume, voxels=voxels)


@pytest.mark.parametrize("index", [5, 20, 33])
def test_the_line_of_a_level_lies_on_the_row_of_its_slice(index: int) -> None:
    volume = marked(volume_of(), index)
    scene = scene_of(volume, l3=level(volume, index, z_mm=-999.0))
    for raster, line in zip(rasters(scene), strokes(scene, Ink.L3), strict=False):
        middle = raster.grey[:, raster.grey.shape[1] // 2].astype(int)
        bright = np.flatnonzero(middle > (middle.max() + np.median(middle)) / 2)
        (_, first), (_, last) = line.points
        assert first == last == pytest.approx(raster.top + bright.mean() + 0.5, abs=0.6)


def test_the_line_is_drawn_there() -> None:
    volume = volume_of()
    scene = scene_of(volume, t12=NOT_FOUND)
    pixels = drawn(scene, SCREEN)
    line = strokes(scene, Ink.L3)[0]
    rows = np.flatnonzero((pixels[:, int(line.points[0][0]) + 2] == SCREEN[Ink.L3]).all(axis=1))
    assert rows.tolist() == [round(line.points[0][1]) - 1, round(line.points[0][1])]


def test_slices_that_run_to_the_feet_are_shown_head_up() -> None:
    """Rows to the left and columns to the front: the normal still points to the head; here to the feet."""
    volume = marked(volume_of(orientation=(1, 0, 0, 0, -1, 0), step_mm=(0, 0, -5.0)), 3)
    scene = scene_of(volume, l3=level(volume, 3, z_mm=85.0))
    raster = rasters(scene)[0]
    (_, row), _ = strokes(scene, Ink.L3)[0].points
    assert row < raster.top + raster.grey.shape[0] / 8
    assert raster.grey[int(row) - raster.top].mean() > raster.grey.mean()


def test_the_line_in_a_tilted_slice_is_tilted_as_it_is() -> None:
    tilt = np.radians(20)
    volume = volume_of(orientation=(1, 0, 0, 0, np.cos(tilt), -np.sin(tilt)))
    scene = scene_of(volume)
    coronal, sagittal, curve = (line.points for line in strokes(scene, Ink.T12))
    assert coronal[0][1] == coronal[1][1] == curve[0][1]
    (left, high), (right, low) = sagittal
    assert (low - high) / (right - left) == pytest.approx(np.tan(tilt))


def test_a_level_without_a_slice_lies_at_its_height() -> None:
    volume = volume_of(orientation=(1, 0, 0, 0, 0, -1), step_mm=(0, 5.0, 0))  # coronal: z from 100 down
    plane = AxisFinding(value=Axis.CORONAL, confidence=0.99, from_header=Axis.CORONAL)
    found = LevelFinding(presence=Presence.FOUND, z_mm=75.0, confidence=0.8)
    scene = scene_of(volume, axis=plane, slice_scores=(), t12=found, l3=NOT_FOUND)
    raster = rasters(scene)[0]
    (_, row), _ = strokes(scene, Ink.T12)[0].points
    # the 64 rows of 0.8 mm reach from 100.4 to 49.2
    assert (row - raster.top) / raster.grey.shape[0] == pytest.approx((100.4 - 75) / 51.2, abs=0.01)
    assert "z 75 mm" in scene.texts
    assert "none applies" in scene.texts


def test_a_level_beyond_the_chart_is_told_but_not_drawn() -> None:
    beyond = LevelFinding(presence=Presence.FOUND, z_mm=9000.0, confidence=0.8)
    scene = scene_of(volume_of(), t12=beyond, l3=NOT_FOUND)
    assert strokes(scene, Ink.T12) == []
    assert "z 9000 mm" in scene.texts


def test_bands_lie_beside_their_slices() -> None:
    volume = volume_of()
    scene = scene_of(volume)
    raster = rasters(scene)[0]
    rows = raster.grey.shape[0]
    bands = [m for m in scene.marks if isinstance(m, Area) and m.ink in (Ink.BAND, Ink.OTHER_BAND)]
    found = {b.ink: (b.points[0][1] - raster.top, b.points[2][1] - raster.top) for b in bands}
    # pelvis: slices 0 to 20 of 40, abdomen: 10 to 39; centres are half a slice from the edge
    assert found[Ink.OTHER_BAND] == pytest.approx((rows * 19.5 / 40, rows * 39.5 / 40), abs=1)
    assert found[Ink.BAND] == pytest.approx((rows * 0.5 / 40, rows * 29.5 / 40), abs=1)
    assert {"Pelvis", "Abdomen"} <= set(scene.texts)


def test_the_curve_has_the_score_at_the_height_of_each_slice() -> None:
    volume = volume_of()
    scene = scene_of(volume, t12=NOT_FOUND, l3=NOT_FOUND)
    (curve,) = [m for m in strokes(scene, Ink.TEXT) if len(m.points) > 2]
    ticks = [m for m in scene.marks if isinstance(m, Stroke) and m.ink is Ink.GRID][:5]
    zero, hundred = ticks[0].points[0][0], ticks[-1].points[0][0]
    scores = [(x - zero) / (hundred - zero) * 100 for x, _ in curve.points]
    expected = [s.score for s in findings_of(volume).slice_scores]
    assert scores == pytest.approx(expected)
    assert [y for _, y in curve.points] == sorted((y for _, y in curve.points), reverse=True)


def test_both_levels_are_told_apart_without_colour() -> None:
    scene = scene_of(volume_of())
    assert len(strokes(scene, Ink.T12, dashed=False)) == len(strokes(scene, Ink.L3, dashed=True)) == 3
    assert {"T12", "L3"} <= set(scene.texts)


def test_what_a_reader_is_told() -> None:
    volume = volume_of()
    scene = scene_of(
        volume,
        contrast=ContrastFinding(value=Contrast.UNDETERMINED, confidence=0.9, reason="in the band of doubt"),
        l3=NOT_FOUND,
        disagreements=(Disagreement(attribute="BodyPartExamined", header="CHEST", pixels="ABDOMEN-PELVIS"),),
        curve_warnings=("gap of 20.0 mm after slice 4",),
    )
    text = " ".join(scene.texts)
    for told in (
        "CT findings: abdomen-pelvis",
        "Not for diagnosis; research software",
        "40 slices, 5 mm apart",
        "ABDOMEN-PELVIS 87 %",
        "axial >99 %",
        "IV contrast undetermined in the band of doubt",
        "T12 image 10 91 %",
        "slice 31 of 40 by position",
        "L3 not in field about 161 mm below the field",
        "Body Part Examined: the header says CHEST, the pixels say ABDOMEN-PELVIS",
        "gap of 20.0 mm after slice 4",
        "model ctnode-trunk 0.1.0, weights SHA-256 abababababab",
        "revision 1",
    ):
        assert told in text
    assert "90 %" not in text  # how sure one is of not knowing


def test_the_sides_are_named_and_doubted_where_the_body_contradicts_them() -> None:
    volume = volume_of()
    sides = {"R", "L", "A", "P", "H", "F"}
    assert sides <= set(scene_of(volume).texts)
    doubted = scene_of(volume, checks=(noted(Check.SYMMETRY, "the body lies otherwise"),))
    assert {f"{side}?" for side in sides} <= set(doubted.texts)
    assert not sides & set(doubted.texts)
    falling = scene_of(volume, curve_warnings=("reversed order: score falls towards the head",))
    assert "H?" in falling.texts


def test_right_is_on_the_left_and_the_front_on_the_left() -> None:
    labels = {m.text: m.at for m in scene_of(volume_of()).marks if isinstance(m, Label) and m.halo}
    assert labels["R"][0] < labels["L"][0] < labels["A"][0] < labels["P"][0]
    heads = sorted((m.at[0], m.at[1]) for m in scene_of(volume_of()).marks if isinstance(m, Label) and m.halo)
    assert labels["H"][1] < labels["F"][1], heads


def test_doubts_that_do_not_fit_are_counted() -> None:
    doubts = tuple(f"doubt {n}: " + "a long sentence about the slices " * 3 for n in range(30))
    scene = scene_of(volume_of(), curve_warnings=doubts)
    (more,) = [text for text in scene.texts if text.endswith("more, in the report")]
    shown = sum(text.startswith("doubt") for text in scene.texts)
    assert more == f"and {30 - shown} more, in the report"
    assert scene.height <= MOST_ROWS


def test_a_header_s_strange_characters_are_escaped() -> None:
    odd = Disagreement(attribute="BodyPartExamined", header="腹\x07", pixels="ABDOMEN")
    text = " ".join(scene_of(volume_of(), disagreements=(odd,)).texts)
    assert "the header says \\u8179\\x07, the pixels say ABDOMEN" in text


def cases() -> Iterator[tuple[str, Volume, dict[str, object]]]:
    everything = [Region.LEGS, Region.PELVIS, Region.ABDOMEN, Region.CHEST, Region.NECK, Region.HEAD]
    tall = volume_of(count=360, side=32)
    parts = tuple(extent(tall, r, 55 * n, 55 * n + 84) for n, r in enumerate(everything))
    long_name = "HEAD-NECK-CHEST-ABDOMEN-PELVIS-LEGS"
    yield "tall", tall, {"body_part": BodyPartFinding(value=long_name, confidence=0.5, regions=parts)}
    flat = volume_of(count=3, side=256)
    close = {"t12": level(flat, 2), "l3": level(flat, 1)}
    yield "flat", flat, close
    yield "plain", volume_of(), {}
    nothing = BodyPartFinding(value="undetermined", confidence=0.0, regions=())
    empty = {"body_part": nothing, "slice_scores": (), "t12": NOT_FOUND, "l3": NOT_FOUND}
    yield "nothing found", volume_of(), empty
    air = volume_of()
    yield "air", replace(air, voxels=np.full_like(air.voxels, -1000)), empty
    coronal = volume_of(count=6, side=200, orientation=(1, 0, 0, 0, 0, -1), step_mm=(0, 5.0, 0))
    found = LevelFinding(presence=Presence.FOUND, z_mm=50.0, confidence=0.8)
    yield "narrow", coronal, {"slice_scores": (), "t12": found, "l3": NOT_FOUND}


CASES = {name: (volume, changes) for name, volume, changes in cases()}


def placed(label: Label) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of a text as it is drawn."""
    left, top, right, bottom = font(label.style.size_px, bold=label.style.bold).getbbox(
        label.text, anchor=label.anchor.value
    )
    x, y = label.at
    return x + left, y + top, x + right, y + bottom


@pytest.mark.parametrize("name", CASES)
def test_no_text_lies_over_another_or_outside(name: str) -> None:
    volume, changes = CASES[name]
    scene = scene_of(volume, (), **changes)
    assert scene.height <= MOST_ROWS
    boxes = [(m.text, placed(m)) for m in scene.marks if isinstance(m, Label)]
    for text, (left, top, right, bottom) in boxes:
        assert 0 <= left < right <= scene.width, text
        assert 0 <= top < bottom <= scene.height, text
    for (one, a), (other, b) in combinations(boxes, 2):
        overlap = min(a[2], b[2]) > max(a[0], b[0]) and min(a[3], b[3]) > max(a[1], b[1])
        assert not overlap, (one, other)


@pytest.mark.parametrize("name", CASES)
def test_millimetres_are_as_long_across_as_up(name: str) -> None:
    volume, changes = CASES[name]
    scene = scene_of(volume, (), **changes)
    coronal, sagittal = rasters(scene)
    assert coronal.grey.shape[0] == sagittal.grey.shape[0]
    geometry = volume.geometry
    height_mm = len(geometry.slices) * geometry.spacing_mm
    if abs(geometry.normal[2]) < 1:
        height_mm = geometry.rows * geometry.pixel_spacing_mm[0]
    labels = [m for m in scene.marks if isinstance(m, Label)]
    bar = next(m.text for m in labels if m.text.endswith("0 mm") and m.style.size_px == 11)
    line = next(m for m in scene.marks if isinstance(m, Stroke) and m.ink is Ink.FAINT and m.width_px == 2)
    length_px = line.points[1][0] - line.points[0][0]
    assert length_px / float(bar.split()[0]) == pytest.approx(coronal.grey.shape[0] / height_mm, rel=0.05)


def test_the_same_arguments_give_the_same_pixels() -> None:
    volume = volume_of()
    first, second = (picture(volume, findings_of(volume), PROVENANCE, NAMES) for _ in range(2))
    assert first is not None
    assert second is not None
    assert np.array_equal(first, second)
    assert (first.dtype, first.shape[1:]) == (np.uint8, (1024, 3))


def test_a_single_plane_has_no_picture() -> None:
    volume = volume_of(count=1)
    findings: Findings = findings_of(volume, t12=NOT_FOUND, l3=NOT_FOUND)
    assert picture(volume, findings, PROVENANCE) is None
    assert chart_scene(volume, findings) is None


def test_the_chart_alone_has_no_words_of_the_findings() -> None:
    volume = volume_of()
    scene = chart_scene(volume, findings_of(volume), NAMES)
    assert scene is not None
    assert "Findings, with confidence" not in scene.texts
    assert {"T12", "L3", "Coronal", "Sagittal", "Slice score"} <= set(scene.texts)


@pytest.mark.parametrize("theme", [SCREEN, PAPER], ids=["screen", "paper"])
def test_texts_stand_out_from_the_ground(theme: dict[Ink, tuple[int, int, int]]) -> None:
    """Contrast of at least 4.5 to 1, or 3 to 1 for large or bold texts (WCAG 2.1, 1.4.3)."""
    for ink, least in ((Ink.TEXT, 4.5), (Ink.FAINT, 4.5), (Ink.WARNING, 4.5), (Ink.T12, 3.0), (Ink.L3, 3.0)):
        bright, dark = sorted((luminance(theme[ink]), luminance(theme[Ink.GROUND])), reverse=True)
        assert (bright + 0.05) / (dark + 0.05) >= least, ink


def luminance(colour: tuple[int, int, int]) -> float:
    shares: NDArray[np.float64] = np.asarray(colour) / 255
    linear = np.where(shares <= 0.03928, shares / 12.92, ((shares + 0.055) / 1.055) ** 2.4)
    return float(linear @ (0.2126, 0.7152, 0.0722))
