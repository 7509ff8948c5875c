"""A body against the orientation that its header gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from inference.analysis import analyse
from inference.findings import Presence
from inference.projection import Box
from inference.reading import axial_box
from inference.simulation.plan import Coverage
from inference.symmetry import mirrored, symmetry_checks
from inference.volume import Volume
from storage.geometry.verdicts import Check, CheckResult, Outcome
from tests.inference.quality_factory import real, simulated
from tests.inference.score_factory import header, ruler_models

Turn = Callable[[NDArray[np.int16]], NDArray[np.int16]]

WAYS: dict[str, Turn] = {
    "quarter turn": lambda hu: np.rot90(hu, 1, (1, 2)),
    "quarter turn back": lambda hu: np.rot90(hu, 3, (1, 2)),
    "rows and columns exchanged": lambda hu: hu.swapaxes(1, 2),
}
FRONT: dict[str, Turn] = {
    "front and back exchanged": lambda hu: hu[:, ::-1],
    "half a turn": lambda hu: hu[:, ::-1, ::-1],
}
HELD_BACK = (
    "abd-c3l-00189-ce", "abd-crlm-1006-ce", "chest-lidc-0002", "chest-nlst-ohif", "petct-acrin001-b",
    "petct-acrin-nsclc-042", "wb-ccth-a01", "neck-tcga-e3-a3e5-ce",
)  # fmt: skip
"""Real volumes with a field wide enough, trunks and a neck (../shared/data/volumes)."""


def turned(volume: Volume, turn: Turn) -> Volume:
    """Other pixels under the same header."""
    voxels = np.ascontiguousarray(turn(volume.voxels))
    g = volume.geometry
    spacing = g.pixel_spacing_mm if voxels.shape == volume.voxels.shape else g.pixel_spacing_mm[::-1]
    return replace(
        volume,
        voxels=voxels,
        geometry=replace(g, rows=voxels.shape[1], columns=voxels.shape[2], pixel_spacing_mm=spacing),
    )


def checks_of(volume: Volume) -> tuple[CheckResult, ...]:
    seen = axial_box(volume)
    assert seen is not None
    return symmetry_checks(seen.box, volume.geometry)


@pytest.mark.parametrize("coverage", [Coverage.CHEST, Coverage.ABDOMEN, Coverage.HEAD_NECK, Coverage.LEGS])
def test_a_sound_body_gets_no_sentence(coverage: Coverage) -> None:
    assert checks_of(simulated(coverage)) == ()
    mirror = turned(simulated(coverage), lambda hu: hu[:, :, ::-1])
    assert checks_of(mirror) == ()  # left and right exchanged cannot be seen


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("coverage", [Coverage.CHEST, Coverage.ABDOMEN])
def test_a_quarter_turn_is_noted_with_both_numbers(way: str, coverage: Coverage) -> None:
    (check,) = checks_of(turned(simulated(coverage), WAYS[way]))
    assert (check.check, check.outcome) == (Check.SYMMETRY, Outcome.NOTED)
    sound = {Coverage.CHEST: ("1.00", "0.18"), Coverage.ABDOMEN: ("0.99", "0.22")}[coverage]
    assert check.detail == (
        f"the body mirrors itself front to back ({sound[0]}) and not left to right ({sound[1]}):"
        " ImageOrientationPatient (0020,0037) is a quarter turn off"
    )


@pytest.mark.parametrize("way", FRONT)
def test_a_spine_in_front_is_noted_with_millimetres(way: str) -> None:
    (check,) = checks_of(turned(simulated(), FRONT[way]))
    assert (check.check, check.outcome) == (Check.SYMMETRY, Outcome.NOTED)
    assert check.detail.startswith("the spine lies 39 mm in front of the gas of the body in 52 of 52 rows:")


@pytest.mark.parametrize("way", [*WAYS.values(), *FRONT.values()])
def test_nothing_is_said_of_legs_and_of_narrow_fields(way: Turn) -> None:
    assert checks_of(turned(simulated(Coverage.LEGS), way)) == ()
    chest = simulated()
    g = chest.geometry
    shrunk = (g.pixel_spacing_mm[0] * 239 / (g.rows * g.pixel_spacing_mm[0]),) * 2
    narrow = replace(chest, geometry=replace(g, pixel_spacing_mm=shrunk))
    assert checks_of(turned(narrow, way)) == ()


@pytest.mark.parametrize(("gas", "told"), [(False, 0), (True, 1)])
def test_a_limb_holds_no_gas_and_nothing_is_said_of_it(gas: bool, told: int) -> None:
    """Six bones in a line: symmetric front to back, and not left to right."""
    y, x = np.mgrid[:112, :112]
    row = np.full((112, 112), -1000.0)
    row[(y - 55) ** 2 + (x - 55) ** 2 < 45**2] = 40
    for place in (20, 24, 36, 60, 68, 88):  # a Golomb ruler: no two distances are the same
        row[(y - 55) ** 2 + (x - place) ** 2 < 3] = 800
    if gas:
        row[38:45, 50:61] = -1000
    box = Box(hu=torch.from_numpy(np.stack([row] * 60)).float(), z_mm=np.arange(60) * 3.0)
    assert len(symmetry_checks(box, simulated().geometry)) == told


def test_what_contradicts_the_orientation_keeps_levels_from_being_told() -> None:
    from inference.models.bundle import Models

    models: Models = ruler_models()
    found = analyse(turned(simulated(), WAYS["quarter turn"]), models, header())
    (check,) = [c for c in found.checks if c.check is Check.SYMMETRY]
    assert found.curve_warnings[0] == check.detail
    assert found.l3.presence is Presence.CANNOT_TELL
    assert check.detail in found.l3.reason
    assert not [c for c in analyse(simulated(), models, header()).checks if c.check is Check.SYMMETRY]


@given(st.integers(8, 40), st.integers(0, 2**32 - 1))
def test_a_mirror_image_overlaps_itself_wholly_wherever_the_mirror_stands(middle: int, seed: int) -> None:
    half = np.random.default_rng(seed).random((3, 5, 7)).astype(np.float32)
    image = np.zeros((3, 5, 50), np.float32)
    image[:, :, middle : middle + 7] = half
    image[:, :, middle - 7 : middle] = half[:, :, ::-1]
    overlap, where = mirrored(image, 2)
    assert overlap == pytest.approx(1.0, abs=1e-5)
    assert where == middle - 0.5
    along = mirrored(np.ascontiguousarray(image.swapaxes(1, 2)), 1)
    assert along == pytest.approx((overlap, where))


@pytest.mark.parametrize("name", HELD_BACK)
def test_real_volumes_are_believed_as_they_are_and_not_turned(name: str) -> None:
    volume = real("volumes", name)
    assert checks_of(volume) == ()
    (check,) = checks_of(turned(volume, WAYS["quarter turn"]))
    assert "is a quarter turn off" in check.detail


@pytest.mark.parametrize("name", HELD_BACK[:2] + HELD_BACK[3:7])
def test_real_trunks_are_not_believed_front_to_back(name: str) -> None:
    (check,) = checks_of(turned(real("volumes", name), FRONT["front and back exchanged"]))
    assert check.detail.startswith("the spine lies ")
