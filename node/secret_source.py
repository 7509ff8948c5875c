"""A secret that stands in a file or in the environment: read anew for each use, for secrets change."""

from __future__ import annotations

import os
from pathlib import Path

from storage.errors import PeerRefused


def read_secret(file: Path | None, variable: str | None, *, key: str) -> str | None:
    """The secret, without white space around it; None where there is neither.

    Args:
        file: holds it.
        variable: of the environment, holds it.
        key: how messages call the two, before `_file` and `_variable`.

    Raises:
        PeerRefused: it cannot be read: the administrator has to act. The message never has the secret.
    """
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
            raise PeerRefused(f"{key}_file {file}: {why}") from error
    if variable is not None:
        secret = os.environ.get(variable)
        if secret is None:
            raise PeerRefused(f"{key}_variable {variable} is not set")
        return secret.strip()
    return None
