"""What a receiver has stored, read from where it keeps it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from sqlalchemy import select

from node.bench.receivers import NAME
from node.bench.series import content
from storage import schema
from storage.ledger import Ledger
from storage.stores import open_store

LOG = "receiver.log"


def kept(name: str, folder: Path) -> dict[str, str]:
    """SOP Instance UID -> SHA-256 of the pixels."""
    return _ours(folder / "data") if name == NAME else _files(folder)


def _files(folder: Path) -> dict[str, str]:
    found = {}
    for file in folder.rglob("*"):
        if file.is_file() and file.name != LOG:
            try:
                uid, digest = content(file)
            except (InvalidDicomError, AttributeError):  # an index, a log
                continue
            found[uid] = digest
    return found


def _ours(root: Path) -> dict[str, str]:
    """Of every row, its bytes: what has no row does not count."""
    ledger = Ledger(f"sqlite:///{root / 'ledger.sqlite'}")
    store = open_store(root, kind="files", segment_bytes=1 << 20, spares=0)
    with ledger.reading() as connection:
        rows = connection.execute(select(schema.instance.c.sop_instance_uid, schema.instance.c.path)).all()
    found = {}
    for uid, locator in rows:
        with store.open(locator) as file:
            found[uid] = sha256(dcmread(file, specific_tags=["PixelData"]).PixelData).hexdigest()
    store.close()
    ledger.close()
    return found
