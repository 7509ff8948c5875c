"""Pictures from the store: slices and projections, the last ones kept in memory. For several threads."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from typing import Final

import numpy as np
from numpy.typing import NDArray

from node.console.drawing import projections
from node.console.drawing.decoding import PIXELS_MAX, UNDECODED, decoded
from node.console.drawing.overlay import Mask, Segments, painted, read_segments
from node.console.drawing.png import png
from node.console.drawing.stacks import Stack
from node.console.drawing.windows import grey, window_of
from node.console.kept import Kept
from storage.blobs import Blobs
from storage.errors import Unavailable, Unreadable
from storage.geometry.frames import PlacedSlice
from storage.store import Store

SLICES_KEPT: Final = 96
PROJECTIONS_KEPT: Final = 32
SEGMENTS_KEPT: Final = 4
AT_ONCE: Final = 2
"""Slices that are decoded at the same time, however many browsers ask: each may take 300 MB for a moment."""


class Images:
    """Makes pictures of what is stored."""

    def __init__(self, store: Store, blobs: Blobs) -> None:
        self._store, self._blobs = store, blobs
        self._slices = Kept[bytes](SLICES_KEPT)
        self._projections = Kept[tuple[bytes, bytes]](PROJECTIONS_KEPT)
        self._segments = Kept[Segments](SEGMENTS_KEPT)
        self._one_projection = threading.Lock()  # it reads many slices: one at a time
        self._decoding = threading.BoundedSemaphore(AT_ONCE)

    def slice(self, locator: str, placed: PlacedSlice, window: str, segmentation: str | None) -> bytes:
        """A slice as PNG, in a window; with the segments of a result object where its path is given.

        Raises:
            Unreadable: its pixels cannot be decoded.
            Damaged, Unavailable: its bytes cannot be read.
        """

        def make() -> bytes:
            values = self.hu(locator, placed)
            shown = grey(values, window_of(window, values))
            if segmentation is None:
                return png(shown)
            return png(painted(shown, self._masks(segmentation, placed.sop_instance_uid)))

        return self._slices.get((locator, placed.frame, window, segmentation), make)

    def segments(self, path: str) -> Segments:
        """The segments of a result object. Raises Unreadable, Unavailable."""

        def make() -> Segments:
            try:
                return read_segments(self._blobs.absolute(path).read_bytes())
            except OSError as error:
                raise Unavailable(f"{path}: {error.strerror}") from error
            except UNDECODED as error:
                raise Unreadable(f"{path}: the segmentation cannot be read") from error

        return self._segments.get(path, make)

    def _masks(self, segmentation: str, sop_instance_uid: str) -> list[tuple[int, Mask]]:
        try:
            return self.segments(segmentation).masks(sop_instance_uid)
        except UNDECODED as error:
            raise Unreadable(f"{segmentation}: the segmentation cannot be read") from error

    def hu(self, locator: str, placed: PlacedSlice) -> NDArray[np.float32]:
        """A slice in HU; shape (rows, columns). Raises Unreadable, Damaged, Unavailable."""
        if (placed.rows or 0) * (placed.columns or 0) > PIXELS_MAX:
            raise Unreadable(f"{placed.name}: {placed.rows} x {placed.columns} pixels are too many to show")
        with self._decoding, self._store.open(locator) as file:
            try:
                stored = decoded(file, placed.frame).astype(np.float32)
            except Unreadable as error:
                raise Unreadable(f"{placed.name}: {error}") from error
            except UNDECODED as error:
                raise Unreadable(f"{placed.name}: its pixels cannot be decoded") from error
        if stored.ndim != 2:
            raise Unreadable(f"{placed.name}: pixels of shape {stored.shape} are no grey image")
        slope, intercept = placed.rescale_slope, placed.rescale_intercept
        return stored * np.float32(1 if slope is None else slope) + np.float32(intercept or 0)

    def projections(self, key: Hashable, stack: Stack, locators: dict[str, str]) -> tuple[bytes, bytes]:
        """An axial stack from the front and from the side, as PNG. Raises what `hu` raises."""

        def make() -> tuple[bytes, bytes]:
            picked = projections.chosen(len(stack.slices))
            pairs = [self._profiles(stack.slices[i], locators) for i in picked]
            heights = [stack.positions_mm[i] for i in picked]
            front, side = (projections.projection([p[n] for p in pairs], heights) for n in (0, 1))
            return png(front), png(side)

        with self._one_projection:
            return self._projections.get(key, make)

    def _profiles(self, placed: PlacedSlice, locators: dict[str, str]) -> tuple[NDArray[np.float32], ...]:
        assert placed.orientation is not None
        return projections.profiles(self.hu(locators[placed.sop_instance_uid], placed), placed.orientation)
