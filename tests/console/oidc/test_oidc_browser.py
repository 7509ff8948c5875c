"""The whole way in Debian's Chromium, by a provider that others wrote (oidc-provider-mock, on Authlib)."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import oidc_provider_mock
import pytest

from storage.states import Role
from tests.console import filled, person
from tests.console.browsing import Site, serving, site
from tests.console.oidc.steps import section
from tests.console.person import SERIOUS, Person
from tests.node.receiving import free_port

pytestmark = [
    *person.NEEDED,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # between the provider and its own library
]
chromium = person.chromium
PEOPLE = {
    "mtra-1": {"preferred_username": "maria", "groups": ["mtra", "staff"]},
    "boss-1": {"preferred_username": "Dr. Boss", "groups": ["radiology-it", "readers"]},
    "guest-1": {"preferred_username": "guest", "groups": ["visitors"]},
}


@pytest.fixture
def web(filled_root: Path, tmp_path: Path) -> Iterator[tuple[Site, str]]:
    """A console that is served, and believes a provider that is."""
    users = [oidc_provider_mock.User(sub=sub, claims=claims) for sub, claims in PEOPLE.items()]
    secret = tmp_path / "oidc.secret"
    secret.write_text("any")
    with oidc_provider_mock.run_server_in_thread(require_nonce=True, user_claims=users) as server:
        port = free_port()
        oidc = section(f"http://localhost:{server.server_port}", secret, origin=f"http://127.0.0.1:{port}")
        here = site(filled.copied(filled_root, tmp_path / "root"), console_port=port, oidc=oidc)
        here.clock.now = time.time()
        with serving(here) as address:
            yield here, address
        here.console.close()


def by_provider(person: Person, subject: str) -> Any:
    """From the login page to the provider's, and what its answer leads to."""
    page = person.page
    page.get_by_role("link", name="Hospital login").click()
    page.get_by_placeholder("sub").wait_for()
    page.get_by_placeholder("sub").fill(subject)
    page.get_by_role("button", name=re.compile("Authorize")).click()
    return page


@pytest.mark.parametrize(
    ("subject", "account", "role"),
    [
        ("mtra-1", "oidc:maria", Role.OPERATOR),
        ("boss-1", "oidc:dr.-boss", Role.ADMIN),
    ],
)
def test_a_person_of_the_hospital_logs_in(
    chromium: Any, web: tuple[Site, str], subject: str, account: str, role: Role
) -> None:
    """It leads to the page that was asked for: the strict cookie is sent there, too."""
    person = Person(chromium, web[1])
    complaints: list[tuple[str, str]] = []
    person.page.on(
        "console", lambda m: complaints.append((m.location["url"], m.text)) if m.type == "error" else None
    )
    person.go("/queue")
    page = by_provider(person, subject)
    page.get_by_role("heading", name="Queue").wait_for()
    assert page.url == f"{web[1]}/queue"
    assert page.get_by_role("link", name=account).text_content() == f"{account} {role}"
    assert page.get_by_role("link", name="Accounts").count() == (role is Role.ADMIN)
    names = {cookie["name"]: cookie["sameSite"] for cookie in person.context.cookies(web[1])}
    assert names[web[0].console.cookie] == "Strict"
    assert f"{web[0].console.cookie}-oidc" not in names
    page.get_by_role("button", name="Log out").click()
    page.get_by_role("heading", name="Log in").wait_for()
    assert [words for url, words in complaints if url.startswith(web[1])] == []  # not the provider's own


def test_who_may_not_is_told_so(chromium: Any, web: tuple[Site, str]) -> None:
    person = Person(chromium, web[1])
    person.go("/login")
    page = by_provider(person, "guest-1")
    page.get_by_role("alert").wait_for()
    assert "none of your groups may use this node" in page.get_by_role("alert").text_content()
    assert page.get_by_label("Password").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_use_the_login_page(chromium: Any, web: tuple[Site, str], scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    reader = Person(chromium, web[1], color_scheme=scheme)
    found = axe.run(reader.go("/login")).response["violations"]
    assert [each["id"] for each in found if each["impact"] in SERIOUS] == []
