"""Broken functional groups: the intake's row and the worker's reading say the same, and nobody fails."""

from __future__ import annotations

from pathlib import Path

from pydicom import dcmread

from inference.series import read_headers
from storage.geometry.frames import placed_slices
from storage.geometry.gate import Verdict
from storage.geometry.reading import grouped_slices
from tests.inference.series_factory import ct_slice, enhanced, save, stack_of

TEMPORAL_POSITION_INDEX = b"\x20\x00\x28\x91"  # (0020,9128)


def broken(path: Path) -> Path:
    """One number of 4 bytes claims to be of 8."""
    content = path.read_bytes()
    path.write_bytes(content.replace(TEMPORAL_POSITION_INDEX + b"UL", TEMPORAL_POSITION_INDEX + b"FD"))
    assert path.read_bytes() != content
    return path


def test_groups_place_an_enhanced_image_and_the_header_a_classic_one() -> None:
    assert grouped_slices(enhanced(3)) == placed_slices(enhanced(3))
    assert grouped_slices(ct_slice((0, 0, 0), number=1)) is None


def test_a_broken_image_is_held_by_name_and_the_stack_beside_it_is_read(tmp_path: Path) -> None:
    whole = save(stack_of(6), tmp_path / "stack")
    torn = broken(*save([enhanced(4)], tmp_path / "enhanced"))

    judged = read_headers([*whole, torn]).judged

    verdicts = {len(part.slices): part.verdict for part in judged.parts}
    assert verdicts == {6: Verdict.ACCEPT, 1: Verdict.HOLD}
    (held,) = [part for part in judged.parts if part.verdict is Verdict.HOLD]
    assert held.reason == "multi-frame image that places no frame: NumberOfFrames 4"
    assert grouped_slices(dcmread(torn)) is None
