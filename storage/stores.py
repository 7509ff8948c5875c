"""Which store the configuration names. Either reads what the other has written."""

from __future__ import annotations

from pathlib import Path
from typing import Final, Literal

from storage.files import FileStore
from storage.segments.store import SegmentStore
from storage.store import Store

StoreKind = Literal["segments", "files"]
STORES: Final[dict[StoreKind, type[SegmentStore] | type[FileStore]]] = {
    "segments": SegmentStore,
    "files": FileStore,
}


def open_store(root: Path, *, kind: StoreKind, segment_bytes: int, spares: int) -> Store:
    """The store below a root folder, which is made. Whoever only reads locks and writes nothing.

    Args:
        kind: how new instances are kept.
        segment_bytes: size of a segment.
        spares: how many segments are written ahead.

    Raises:
        OutOfSpace, Unavailable: the file system refuses.
    """
    return STORES[kind](root, segment_bytes=segment_bytes, spares=spares)
