"""What a receiver has stored, read from where it keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydicom import dcmread
from pydicom.errors import InvalidDicomError
from sqlalchemy import select

from node.bench.receivers import NAME
from node.bench.series import CHUNK, content
from storage import schema
from storage.ledger import Ledger
from storage.stores import open_store

LOG: Final = "receiver.log"


def kept(name: str, folder: Path) -> dict[str, str]:
    """SOP Instance UID -> SHA-256 of the pixels."""
    return _ours(folder / "data") if name == NAME else _files(folder)


def _files(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != LOG]
    with ProcessPoolExecutor() as pool:
        return dict(found for found in pool.map(_content, files, chunksize=CHUNK) if found is not None)


def _content(file: Path) -> tuple[str, str] | None:
    """Of what is no DICOM file, an index or a log, None."""
    try:
        return content(file)
    except (InvalidDicomError, AttributeError):
        return None


def _ours(root: Path) -> dict[str, str]:
    """Of every row, its bytes: what has no row does not count."""
    ledger = Ledger(f"sqlite:///{root / 'ledger.sqlite'}")
    with ledger.reading() as connection:
        rows = connection.execute(select(schema.instance.c.sop_instance_uid, schema.instance.c.path)).all()
    ledger.close()
    uids, locators = [row[0] for row in rows], [row[1] for row in rows]
    chunks = [locators[start : start + CHUNK] for start in range(0, len(locators), CHUNK)]
    with ProcessPoolExecutor() as pool:
        digests = [digest for found in pool.map(partial(_stored, root), chunks) for digest in found]
    return dict(zip(uids, digests, strict=True))


def _stored(root: Path, locators: Sequence[str]) -> list[str]:
    """SHA-256 of the pixels at each place."""
    store = open_store(root, kind="files", segment_bytes=1 << 20, spares=0)
    digests = []
    for locator in locators:
        with store.open(locator) as file:
            digests.append(sha256(dcmread(file, specific_tags=["PixelData"]).PixelData).hexdigest())
    store.close()
    return digests
