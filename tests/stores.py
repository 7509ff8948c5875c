"""The store of a test's node, for who reads and gives back."""

from __future__ import annotations

from storage.blobs import Blobs
from storage.store import Store
from storage.stores import open_store


def reading(blobs: Blobs) -> Store:
    """It keeps nothing new."""
    return open_store(blobs.root, kind="files", segment_bytes=4 << 20, spares=0)
