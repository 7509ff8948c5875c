"""The slices that a person is pointed to: those of the levels, as the images that were sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from pydicom.dataset import Dataset

from inference.findings import LevelFinding, Presence
from inference.results.content import is_multiframe_image, slice_at
from inference.results.records import Inputs
from inference.volume import Slice

LEVEL_NAMES: Final = ("T12", "L3")
"""From the head down."""

NO_LEVEL_SLICE: Final = "neither T12 nor L3 was found in a slice"
"""Why there is nothing to point to."""


@dataclass(frozen=True, kw_only=True)
class FlaggedSlice:
    """The slice of one level."""

    name: str  # of the level
    level: LevelFinding  # FOUND, with a slice
    index: int  # of the slice in the volume, counted from 0 in order of position
    slice: Slice
    image: Dataset  # the header of its instance
    frame: int | None  # Frame Number, from 1; None for a single-frame image

    @property
    def number(self) -> str:
        """What a reader who scrolls calls it: "image 34", or "frame 3"; '' where it has no number."""
        if self.frame is not None:
            return f"frame {self.frame}"
        number = self.image.get("InstanceNumber")
        return "" if number is None else f"image {int(number)}"

    @property
    def where(self) -> str:
        """Its number, else its place."""
        return self.number or f"slice {self.index + 1} in order of position"


def levels_of(inputs: Inputs) -> dict[str, LevelFinding]:
    """The levels by their name, from the head down."""
    return dict(zip(LEVEL_NAMES, (inputs.findings.t12, inputs.findings.l3), strict=True))


def flagged_slices(inputs: Inputs) -> list[FlaggedSlice]:
    """One for each level that was found in a slice.

    Raises:
        InvalidResult: a level names a slice that the volume does not have.
    """
    images = {str(image.SOPInstanceUID): image for image in inputs.evidence}
    found = []
    for name, level in levels_of(inputs).items():
        if level.presence is Presence.FOUND and level.slice_index is not None:
            slice_ = slice_at(inputs, level.slice_index, level.sop_instance_uid)
            image = images[slice_.sop_instance_uid]
            found.append(
                FlaggedSlice(
                    name=name,
                    level=level,
                    index=level.slice_index,
                    slice=slice_,
                    image=image,
                    frame=slice_.frame if is_multiframe_image(image) else None,
                )
            )
    return found
