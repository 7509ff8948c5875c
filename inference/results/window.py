"""The grey-scale window of an image, as its modality sent it (PS3.3 C.11.2)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pydicom.dataset import Dataset
from pydicom.multival import MultiValue


@dataclass(frozen=True, kw_only=True)
class Window:
    """One window, in the units after rescaling: HU."""

    center: float  # Window Center (0028,1050)
    width: float  # Window Width (0028,1051), at least 1
    explanation: str | None = None  # (0028,1055)
    function: str | None = None  # VOI LUT Function (0028,1056)


SOFT_TISSUE: Final = Window(center=40.0, width=400.0, explanation="SOFT TISSUE")
"""Where an image has no window of its own: without one, CT is shown as a grey fog."""


def window_of(image: Dataset, frame: int | None) -> Window:
    """The window of an image, or of one frame of it; SOFT_TISSUE where it has none that can be used.

    Of several the first, which is the modality's default: DCMTK refuses a presentation state with more.

    Args:
        image: its header; a multi-frame one has its windows in functional groups (PS3.3 C.7.6.16.2.10).
        frame: Frame Number, from 1; None for a single-frame image.
    """
    return next((w for w in map(_read, _places(image, frame)) if w is not None), SOFT_TISSUE)


def _places(image: Dataset, frame: int | None) -> Iterator[Dataset]:
    """Where a window may stand, the nearest to the frame first."""
    if frame is not None:
        own = (image.get("PerFrameFunctionalGroupsSequence") or ())[frame - 1 : frame]
        for group in (*own, *(image.get("SharedFunctionalGroupsSequence") or ())):
            yield from group.get("FrameVOILUTSequence") or ()
    yield image


def _read(place: Dataset) -> Window | None:
    centers, widths = _numbers(place.get("WindowCenter")), _numbers(place.get("WindowWidth"))
    if not centers or len(centers) != len(widths) or min(widths) < 1:
        return None
    told = [str(each) for each in _values(place.get("WindowCenterWidthExplanation"))]
    function = place.get("VOILUTFunction")
    return Window(
        center=centers[0],
        width=widths[0],
        explanation=told[0] or None if len(told) == len(centers) else None,
        function=str(function) if function else None,
    )


def _numbers(value: Any) -> tuple[float, ...]:
    try:
        return tuple(float(each) for each in _values(value))
    except (TypeError, ValueError):
        return ()


def _values(value: Any) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, MultiValue | list | tuple) else [value]
