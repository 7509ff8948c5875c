"""Who wrote the configuration as it stands: a note in the storage root, for the event of the running node.

The configuration itself says nothing of that, and who edits it by hand leaves no note: then it was `file`.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import Final

BY_HAND: Final = "file"
NOTE: Final = "config-author.json"


def sign(root: Path, written: bytes, by: str) -> None:
    """Say who is about to write these bytes. Best effort: without a storage root nobody asks.

    Nor is a change refused where the note cannot be written: it is then told as one by hand.
    """
    if root.is_dir():
        note = json.dumps({"digest": _digest(written), "by": by})
        temporary = root / f".{NOTE}"
        with suppress(OSError):
            temporary.write_text(note)
            temporary.replace(root / NOTE)


def author(root: Path, read: bytes) -> str:
    """Who wrote these bytes."""
    try:
        note = json.loads((root / NOTE).read_text())
        return str(note["by"]) if note["digest"] == _digest(read) else BY_HAND
    except (OSError, ValueError, KeyError, TypeError):
        return BY_HAND


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
