"""The client's secret: read anew for each use, for secrets change; in no log, no page and no message."""

from __future__ import annotations

import os

from node.config_oidc import Oidc
from storage.errors import PeerRefused


def client_secret(section: Oidc) -> str | None:
    """The secret; None for a public client. Raises PeerRefused: it cannot be read."""
    secret = _read(section)
    if secret is not None and (not secret or not secret.isprintable()):
        raise PeerRefused("the client's secret is empty, or has more than one line")
    return secret


def _read(section: Oidc) -> str | None:
    if section.client_secret_file is not None:
        try:
            return section.client_secret_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "is not UTF-8 text"
            raise PeerRefused(f"oidc.client_secret_file {section.client_secret_file}: {why}") from error
    if section.client_secret_variable is not None:
        secret = os.environ.get(section.client_secret_variable)
        if secret is None:
            raise PeerRefused(f"oidc.client_secret_variable {section.client_secret_variable} is not set")
        return secret.strip()
    return None
