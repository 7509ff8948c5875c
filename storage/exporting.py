"""DICOM files made of what is stored, for other programs."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from storage.blobs import answered, is_uid, sync_folder
from storage.errors import InvalidIdentity
from storage.inventory import StoredInstance
from storage.store import Store

COPY_BYTES: Final = 1 << 20


def export_path(folder: Path, instance: StoredInstance) -> Path:
    """SERIES/SOP.dcm below a folder. Raises InvalidIdentity."""
    series, sop = instance.series_instance_uid or "aside", instance.sop_instance_uid
    if not is_uid(sop) or not (instance.series_instance_uid is None or is_uid(series)):
        raise InvalidIdentity(f"not a UID: {series!r} or {sop!r}")
    return folder / series / f"{sop}.dcm"


def export(store: Store, instance: StoredInstance, folder: Path) -> bool:
    """Write one file, whole or not at all. An export that was stopped goes on where it was.

    Returns:
        Whether it was written: False when it is there already, of the same length.

    Raises:
        Damaged: the stored bytes are not those that were acknowledged: nothing is written.
        Unavailable: a file system refuses.
    """
    target = export_path(folder, instance)
    with answered():
        with suppress(FileNotFoundError):
            if target.stat().st_size == store.range(instance.locator).length:
                return False
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_suffix(".part")
        with store.open(instance.locator) as source, part.open("wb") as file:
            shutil.copyfileobj(source, file, COPY_BYTES)
            file.flush()
            os.fdatasync(file.fileno())
        part.rename(target)
        sync_folder(target.parent)
    return True
