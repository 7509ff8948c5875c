"""What a segmentation of ours says of each slice: its masks, read from the result object. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from typing import Final

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.pixels.utils import pixel_array

Mask = NDArray[np.bool_]

COLOURS: Final = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (204, 121, 167), (213, 94, 0))
"""Of segments, in turn: told apart by people of any colour vision (Okabe and Ito)."""
TINT: Final = 0.22
"""How much of its colour the inside of a segment takes on; its border takes all."""


@dataclass(frozen=True, kw_only=True)
class Segments:
    """One segmentation; its frames stay as they are stored, a bit for each pixel, until one is looked at."""

    labels: tuple[str, ...]  # by segment number - 1
    frames: dict[str, list[tuple[int, int]]]  # SOP Instance UID of the slice -> segment number, frame from 0
    content: Dataset  # with its pixels

    def masks(self, sop_instance_uid: str) -> list[tuple[int, Mask]]:
        """Number and mask of each segment that touches a slice. Raises ValueError where pixels are wrong."""
        return [
            (number, pixel_array(self.content, index=frame).astype(bool))
            for number, frame in self.frames.get(sop_instance_uid, ())
        ]


def read_segments(content: bytes) -> Segments:
    """A binary segmentation (PS3.3 A.51). Raises ValueError, KeyError or AttributeError where it is none."""
    ds = pydicom.dcmread(BytesIO(content))
    frames: dict[str, list[tuple[int, int]]] = {}
    for frame, groups in enumerate(ds.PerFrameFunctionalGroupsSequence):
        number = int(groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        frames.setdefault(_source(groups), []).append((number, frame))
    del ds.PerFrameFunctionalGroupsSequence  # a data set for each frame, and said above
    return Segments(labels=tuple(str(s.SegmentLabel) for s in ds.SegmentSequence), frames=frames, content=ds)


def _source(groups: Dataset) -> str:
    images = groups.DerivationImageSequence[0].SourceImageSequence
    return str(images[0].ReferencedSOPInstanceUID)


def colour_of(number: int) -> tuple[int, int, int]:
    """Of a segment, by its number from 1."""
    return COLOURS[(number - 1) % len(COLOURS)]


def painted(grey: NDArray[np.uint8], masks: list[tuple[int, Mask]]) -> NDArray[np.uint8]:
    """The slice in colours, each segment tinted and outlined; a mask may be coarser than the slice."""
    colours = np.repeat(grey[:, :, None], 3, axis=2).astype(np.float32)
    for number, mask in masks:
        fine = _fitted(mask, grey.shape)
        colour = np.asarray(colour_of(number), dtype=np.float32)
        colours[fine] = (1 - TINT) * colours[fine] + TINT * colour
        colours[_border(fine)] = colour
    return np.rint(colours).astype(np.uint8)


def _fitted(mask: Mask, shape: tuple[int, ...]) -> Mask:
    """Each block of the mask over the pixels that it stands for."""
    factor = max(1, -(-shape[0] // mask.shape[0]), -(-shape[1] // mask.shape[1]))
    fine = np.zeros(shape, dtype=bool)
    blown = mask.repeat(factor, axis=0).repeat(factor, axis=1)[: shape[0], : shape[1]]
    fine[: blown.shape[0], : blown.shape[1]] = blown
    return fine


def _border(mask: Mask) -> Mask:
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    return mask & ~inner
