"""What a provider publishes of itself (OpenID Connect Discovery 1.0, 3 and 4), checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from node.config_oidc import web_address
from storage.errors import PeerRefused

WELL_KNOWN: Final = "/.well-known/openid-configuration"
BY_HEADER: Final = "client_secret_basic"
BY_FORM: Final = "client_secret_post"


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """Where a provider is asked what."""

    authorization: str  # where a browser is sent
    token: str  # where a code becomes an ID token
    keys: str  # its public keys
    sends_secret_by: str  # BY_HEADER or BY_FORM (OpenID Connect Core 1.0, 9)
    names_itself: bool  # whether its answers by the browser have `iss` (RFC 9207)


def address(issuer: str) -> str:
    """Where the document is; a slash at the end of the issuer is left out."""
    return issuer.removesuffix("/") + WELL_KNOWN


def read(document: Mapping[str, Any], issuer: str) -> Metadata:
    """Raises PeerRefused: it is of another issuer, or says too little, or leads where secrets must not go."""
    if document.get("issuer") != issuer:
        shown = repr(document.get("issuer"))[:128]
        raise PeerRefused(f"the provider calls itself {shown}, but oidc.issuer is {issuer!r}: to the letter")
    return Metadata(
        authorization=_endpoint(document, "authorization_endpoint"),
        token=_endpoint(document, "token_endpoint"),
        keys=_endpoint(document, "jwks_uri"),
        sends_secret_by=_method(document),
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
    )


def _endpoint(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if not isinstance(value, str):
        raise PeerRefused(f"the provider does not say its {name}")
    try:
        return web_address(value)
    except ValueError as error:
        raise PeerRefused(f"the provider's {name}: {error}") from error


def _method(document: Mapping[str, Any]) -> str:
    """The header where it may be, as it is by default; a form otherwise."""
    methods = document.get("token_endpoint_auth_methods_supported")
    if isinstance(methods, list) and BY_HEADER not in methods and BY_FORM in methods:
        return BY_FORM
    return BY_HEADER
