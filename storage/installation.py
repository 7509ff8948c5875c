"""Who this installation is: one UID for its life, kept beside its data."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import Final

from storage.blobs import sync_folder

FILE_NAME: Final = "device-uid"


def device_uid(root: Path) -> str:
    """The Device UID (0018,1002) of this installation; made at the first call (PS3.5 B.2)."""
    file = root / FILE_NAME
    if not file.exists():
        made = root / f"{FILE_NAME}.{uuid.uuid4().hex}"  # no process id: containers share volumes
        _write_durably(made, f"2.25.{uuid.uuid4().int}\n")
        try:
            os.link(made, file)  # fails where another process was first: its UID counts
        except FileExistsError:
            pass
        finally:
            made.unlink()
        sync_folder(root)
    return file.read_text().strip()


def _write_durably(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
