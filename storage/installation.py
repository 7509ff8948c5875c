"""Who this installation is: one UID and one secret for its life, kept beside its data."""

from __future__ import annotations

import os
import secrets
import uuid
from pathlib import Path
from typing import Final

from storage.blobs import sync_folder

FILE_NAME: Final = "device-uid"

KEY_FILE_NAME: Final = "patient-key"
KEY_BYTES: Final = 32

READABLE: Final = 0o644
PRIVATE: Final = 0o600


def device_uid(root: Path) -> str:
    """The Device UID (0018,1002) of this installation; made at the first call (PS3.5 B.2)."""
    return _kept(root / FILE_NAME, made=f"2.25.{uuid.uuid4().int}", mode=READABLE)


def patient_key(root: Path) -> bytes:
    """The secret that digests of patient attributes are keyed with; made at the first call.

    Whoever has the ledger without it cannot try names. When it is lost, digests of before and after differ:
    series that arrive later in a known study then look like those of another patient.
    """
    return bytes.fromhex(_kept(root / KEY_FILE_NAME, made=secrets.token_hex(KEY_BYTES), mode=PRIVATE))


def _kept(file: Path, *, made: str, mode: int) -> str:
    """The content of a file, which is `made` if it is not there yet: of several callers, the first's."""
    if not file.exists():
        written = file.with_name(f"{file.name}.{uuid.uuid4().hex}")  # no process id: containers share volumes
        _write_durably(written, f"{made}\n", mode)
        try:
            os.link(written, file)  # fails where another process was first: its content counts
        except FileExistsError:
            pass
        finally:
            written.unlink()
        sync_folder(file.parent)
    return file.read_text().strip()


def _write_durably(path: Path, text: str, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
