"""What every process opens first: results and ledger, and the store of instances."""

from __future__ import annotations

from typing import Final

from node.config import Config
from storage.blobs import Blobs
from storage.ledger import Ledger
from storage.store import Store
from storage.stores import open_store

MEBIBYTE: Final = 1 << 20


def storage_of(config: Config) -> tuple[Blobs, Ledger]:
    """Results and ledger, ready for use."""
    blobs, ledger = Blobs(config.storage.root), Ledger(config.storage.database_url)
    ledger.migrate()
    return blobs, ledger


def store_of(config: Config) -> Store:
    """What keeps instances."""
    storage = config.storage
    return open_store(
        storage.root,
        kind=storage.store,
        segment_bytes=storage.segment_mb * MEBIBYTE,
        spares=storage.spare_segments,
    )
