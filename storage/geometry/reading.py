"""The slices of a data set whose functional groups may be broken."""

from __future__ import annotations

from pydicom.dataset import Dataset

from storage.geometry.frames import PARSE_ERRORS, PlacedSlice, has_groups, placed_slices


def grouped_slices(ds: Dataset) -> tuple[PlacedSlice, ...] | None:
    """The slices that functional groups place (PS3.3 C.7.6.16.2); None where the header places the image.

    So it does where the groups cannot be read: that is no reason not to store an image, nor to fail its
    series, for the gate says that the frames have no place.
    """
    try:
        return placed_slices(ds) if has_groups(ds) else None
    except PARSE_ERRORS:
        return None
