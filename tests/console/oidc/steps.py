"""Logging in by a provider without a window: what a browser would do, step by step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import httpx2
from starlette.testclient import TestClient

from node.config import Oidc
from storage import accounts, events
from storage.states import Role
from tests.console.browsing import BASE, Site
from tests.console.oidc.provider import CLIENT_ID, SECRET, Provider

ROLES: Final = {"readers": Role.VIEWER, "mtra": Role.OPERATOR, "radiology-it": Role.ADMIN}


def section(issuer: str, secret_file: Path, **keys: Any) -> Oidc:
    given = {"client_secret_file": secret_file, "origin": BASE, "roles": ROLES, "button": "Hospital login"}
    return Oidc(**({"issuer": issuer, "client_id": CLIENT_ID} | given | keys))


def configure(here: Site, provider: Provider, **keys: Any) -> None:
    """The console believes this provider from now on."""
    secret = here.store.root / "oidc.secret"
    secret.write_text(SECRET + "\n")
    oidc = section(provider.issuer, secret, **keys)
    here.console.config = here.console.config.model_copy(update={"oidc": oidc})


def begun(browser: TestClient, *, next: str = "/") -> str:
    """To the provider: the address that the browser is sent to."""
    answer = browser.get("/login/oidc", params={"next": next})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def agreed(address: str) -> str:
    """At the provider, which knows the person: path and query that the browser is sent back to."""
    answer = httpx2.get(address)
    assert answer.status_code == 302, answer.text
    back = answer.headers["location"]
    assert back.startswith(f"{BASE}/login/oidc/callback?")
    return back.removeprefix(BASE)


def logged_in(browser: TestClient, *, next: str = "/") -> httpx2.Response:
    """The whole way; what the console answers in the end."""
    return browser.get(agreed(begun(browser, next=next)))


def asked(address: str) -> Mapping[str, str]:
    """What the provider is asked for."""
    return dict(parse_qsl(urlsplit(address).query))


def happened(here: Site) -> list[tuple[str, str]]:
    """Who did what in the console, the newest first."""
    with here.store.ledger.reading() as connection:
        return [(e.subject, e.detail) for e in events.recent(connection, 100) if e.kind == "console"]


def assert_nobody(here: Site, browser: TestClient, answer: Any, *, status: int = 403) -> None:
    """Refused, logged in nowhere, and no account was made."""
    assert (answer.status_code, browser.get("/").status_code) == (status, 401), answer.text
    with here.store.ledger.reading() as connection:
        assert accounts.listed(connection) == []
