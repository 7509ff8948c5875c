"""The client's secret: read anew for each use, for secrets change; in no log, no page and no message."""

from __future__ import annotations

from node.config_oidc import Oidc
from node.secret_source import read_secret
from storage.errors import PeerRefused


def client_secret(section: Oidc) -> str | None:
    """The secret; None for a public client. Raises PeerRefused: it cannot be read."""
    file, variable = section.client_secret_file, section.client_secret_variable
    secret = read_secret(file, variable, key="oidc.client_secret")
    if secret is not None and (not secret or not secret.isprintable()):
        raise PeerRefused("the client's secret is empty, or has more than one line")
    return secret
