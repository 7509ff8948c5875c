"""The section of the configuration about logging in to the console by the hospital's identity provider.

`config.yaml` is the manual (see `node.config`). Without an issuer the section says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, PlainSerializer, ValidationInfo, field_validator

from node.config_types import Section
from storage.states import Role

LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")
PRINTABLE: Final = re.compile(r"[!-~]+")
"""ASCII without spaces."""
SCOPE: Final = re.compile(r"[!#-\[\]-~]+")
"""A scope-token (RFC 6749 3.3)."""
BUTTON_MAX: Final = 64
NEEDED: Final = {
    "client_id": "what the provider calls this console",
    "origin": "the provider sends people back to it",
}


def web_address(value: str) -> str:
    """An address of the web that secrets may go to: https, or this machine itself. Raises ValueError."""
    try:
        parts = urlsplit(value)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError(f"{value!r} is no address of the web: {error}") from error
    if not PRINTABLE.fullmatch(value) or parts.scheme not in ("https", "http") or not host:
        raise ValueError(f"{value!r} is no address of the web; write https://HOST/...")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise ValueError("has a name, a password or a fragment in it")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ValueError(f"{value!r} begins with http: everybody on the way could read and change it")
    return value


def _role(value: Any) -> Role:
    if value not in tuple(Role):
        raise ValueError(f"{value!r} is none of {', '.join(Role)}")
    return Role(value)


def _roles(value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise ValueError("is not a mapping; write {group: viewer}")
    return {group: _role(role) for group, role in value.items()}


def _roles_written(value: Mapping[str, Role]) -> dict[str, str]:
    return {group: str(role) for group, role in value.items()}


Roles = Annotated[
    Mapping[str, Role], BeforeValidator(_roles), PlainSerializer(_roles_written, when_used="json")
]
Claim = Annotated[str, Field(min_length=1, max_length=128)]
File = Annotated[Path, Field(strict=False)]


class Oidc(Section):
    """Login by an identity provider (OpenID Connect Core 1.0, 3.1: Authorization Code Flow)."""

    issuer: str | None = None  # the provider's Issuer Identifier; None: nobody logs in by one
    client_id: str | None = None  # what the provider calls this console
    client_secret_file: File | None = None  # holds the client's secret
    client_secret_variable: str | None = None  # of the environment, that holds it; neither: a public client
    origin: str | None = None  # the console's address as browsers have it: https://HOST:PORT
    scopes: tuple[str, ...] = ("profile",)  # what is asked for beside openid
    role_claim: Claim = "groups"  # of the ID token: the groups of a person
    roles: Roles = {}  # noqa: RUF012 - pydantic copies it; group -> role; the highest is taken
    name_claim: Claim = "preferred_username"  # of the ID token: what a person is called
    button: str = "Log in with the hospital's account"  # on the login page
    authorities: File | None = None  # who signs the provider's certificate; None: whom the system trusts
    proxy: str | None = None  # the HTTP proxy on the way to the provider

    @field_validator("issuer")
    @classmethod
    def _an_issuer(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if "?" in web_address(value):
            raise ValueError(f"{value!r} has a query: an issuer has none (OpenID Connect Discovery 1.0, 3)")
        return value

    @field_validator("client_id", "origin")
    @classmethod
    def _needed(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("issuer") is not None:
            raise ValueError(f"is missing, but issuer is given: {NEEDED[str(info.field_name)]}")
        if value is not None and not PRINTABLE.fullmatch(value):
            raise ValueError(f"{value!r} is empty, or has characters that are not ASCII or are spaces")
        return value

    @field_validator("origin")
    @classmethod
    def _an_origin(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(web_address(value))
        if parts.path not in ("", "/") or "?" in value:
            raise ValueError(f"{value!r} has a path: write https://HOST or https://HOST:PORT")
        return value.rstrip("/")

    @field_validator("client_secret_file", "authorities")
    @classmethod
    def _beside_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        base: Path = (info.context or {}).get("folder", Path())
        return None if value is None else base / value.expanduser()

    @field_validator("client_secret_variable")
    @classmethod
    def _one_secret(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and info.data.get("client_secret_file") is not None:
            raise ValueError("is given, and client_secret_file too: which of them holds the secret?")
        return value

    @field_validator("scopes")
    @classmethod
    def _scope_tokens(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for scope in value:
            if not SCOPE.fullmatch(scope):
                raise ValueError(f"{scope!r} is no scope: ASCII without spaces, quotes and backslashes")
        return value

    @field_validator("roles")
    @classmethod
    def _somebody_may(cls, value: Mapping[str, Role], info: ValidationInfo) -> Mapping[str, Role]:
        if not value and info.data.get("issuer") is not None:
            raise ValueError("names no group, but issuer is given: nobody could log in by it")
        return value

    @field_validator("button")
    @classmethod
    def _fits_a_button(cls, value: str) -> str:
        if not value.strip() or len(value) > BUTTON_MAX or not value.isprintable():
            raise ValueError(f"a button has 1 to {BUTTON_MAX} characters on one line")
        return value

    @field_validator("proxy")
    @classmethod
    def _a_proxy(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if not PRINTABLE.fullmatch(value) or parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"{value!r} is no proxy; write http://HOST:PORT")
        if parts.password is not None:
            raise ValueError("has a password in it: this file is shown to administrators")
        return value
