"""Logging in: passwords, sessions, brute force, the first start."""

from __future__ import annotations

import re

import pytest
from starlette.testclient import TestClient

from node.config import Console as ConsoleSection
from node.console import passwords, tokens
from storage import accounts, events
from storage.errors import LedgerDown, Refused
from storage.states import Role
from tests.console.browsing import PASSWORD, Site, log_in, send, site


def happened(here: Site) -> list[tuple[str, str]]:
    with here.store.ledger.reading() as connection:
        return [(e.subject, e.detail) for e in events.recent(connection, 100) if e.kind == "console"]


def session_count(browser: TestClient) -> int:
    return browser.get("/account").status_code


def test_a_session_is_a_cookie_that_no_script_and_no_other_site_gets(here: Site) -> None:
    here.add("eve", Role.VIEWER)
    answer = log_in(here.browser(), "eve")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    session, known = answer.headers.get_list("set-cookie")
    assert session.startswith("ctnode-11180=") and known.startswith("ctnode-11180-known=")
    bounds = {"HttpOnly", "Path=/", "SameSite=strict"}
    assert set(session.split("; ")[1:]) == bounds | {"Max-Age=43200"}
    assert set(known.split("; ")[1:]) == bounds | {"Max-Age=2592000"}


def test_what_a_browser_keeps_opens_nothing(here: Site) -> None:
    browser = here.visitor(Role.VIEWER)
    token, kept = browser.cookies[here.console.cookie], browser.cookies[here.console.mark]
    assert tokens.mark(token) == kept and token not in kept
    for value in (kept, tokens.digest(token)):
        thief = here.browser()
        thief.cookies.set(here.console.cookie, value)
        assert session_count(thief) == 401


def test_logging_in_again_ends_the_session_before(here: Site) -> None:
    """The browser forgets its token: nobody else shall find it."""
    browser = here.visitor(Role.VIEWER)
    first = browser.cookies[here.console.cookie]
    assert log_in(browser, "some-viewer").status_code == 303
    old = here.browser()
    old.cookies.set(here.console.cookie, first)
    assert (session_count(browser), session_count(old)) == (200, 401)


def test_the_ledger_has_no_token_and_no_password(here: Site) -> None:
    browser = here.visitor(Role.VIEWER)
    token = browser.cookies[here.console.cookie]
    with here.store.ledger.reading() as connection:
        account = accounts.find(connection, "some-viewer")
        found = accounts.find_session(connection, tokens.digest(token), seen_after=0, opened_after=0)
    assert found is not None and token not in found.digest
    assert account is not None and account.password.startswith("$argon2id$")


def test_by_tls_the_cookie_is_of_this_host_and_secure(here: Site) -> None:
    behind = site(here.store, console=ConsoleSection(trusted_proxies=("10.0.0.0/8",)))
    behind.add("eve", Role.VIEWER)
    answer = log_in(behind.browser(), "eve")
    cookies = answer.headers.get_list("set-cookie")
    assert [cookie.partition("=")[0] for cookie in cookies] == [
        "__Host-ctnode-11180",
        "__Host-ctnode-11180-known",
    ]
    assert all("; Secure" in cookie for cookie in cookies)
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_name_and_password_are_wrong_alike(here: Site) -> None:
    here.add("eve", Role.VIEWER)
    browser = here.browser()
    wrong = log_in(browser, "eve", "wrong wrong wrong")
    unknown = log_in(browser, "nobody", "wrong wrong wrong")
    assert (wrong.status_code, unknown.status_code) == (401, 401)
    assert wrong.text.replace('value="eve"', "") == unknown.text.replace('value="nobody"', "")
    assert session_count(browser) == 401


def test_a_name_is_written_in_any_case(here: Site) -> None:
    here.add("eve", Role.VIEWER)
    assert log_in(here.browser(), " EVE ").status_code == 303


def test_logging_in_and_out_is_recorded(here: Site) -> None:
    browser = here.visitor(Role.VIEWER)
    log_in(here.browser(), "some-viewer", "wrong wrong wrong")
    log_in(here.browser(), "my secret password", "wrong wrong wrong")
    send(browser, "/logout")
    assert happened(here) == [
        ("some-viewer", "logged out"),
        ("nobody", "login refused from 127.0.0.1"),
        ("some-viewer", "login refused from 127.0.0.1"),
        ("some-viewer", "logged in from 127.0.0.1"),
    ]


def test_a_page_is_come_back_to_after_the_login(here: Site) -> None:
    browser = here.browser()
    asked = browser.get("/series?search=CT1&state=failed", headers={"Accept": "text/html"})
    assert asked.headers["location"] == "/login?next=/series%3Fsearch%3DCT1%26state%3Dfailed"
    current = {"HX-Request": "true", "HX-Current-URL": "http://127.0.0.1:11180/quality?days=7"}
    part = browser.get("/overview", headers=current)
    assert part.headers["hx-redirect"] == "/login?next=/quality%3Fdays%3D7"
    here.add("eve", Role.VIEWER)
    assert log_in(browser, "eve", next="/quality?days=7").headers["location"] == "/quality?days=7"


def test_a_database_that_takes_no_writes_can_be_looked_at(
    here: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = here.visitor(Role.VIEWER)
    here.clock.now += 60

    def full() -> None:
        raise LedgerDown("database or disk is full")

    monkeypatch.setattr(here.console.ledger, "writing", full)
    assert browser.get("/queue").status_code == 200


def test_after_logging_out_the_token_is_worth_nothing(here: Site) -> None:
    browser = here.visitor(Role.VIEWER)
    token = browser.cookies[here.console.cookie]
    assert send(browser, "/logout").headers["location"] == "/login"
    again = here.browser()
    again.cookies.set(here.console.cookie, token)
    assert again.get("/").status_code == 401


def test_a_session_that_nobody_uses_ends(here: Site) -> None:
    browser = here.visitor(Role.VIEWER)
    for _ in range(3):
        here.clock.now += 29 * 60
        assert browser.get("/queue").status_code == 200
    here.clock.now += 31 * 60
    assert browser.get("/queue").status_code == 401


def test_a_page_that_asks_by_itself_does_not_use_a_session(here: Site) -> None:
    browser = here.visitor(Role.VIEWER)
    for _ in range(2):
        here.clock.now += 14 * 60
        assert browser.get("/overview").status_code == 200
    here.clock.now += 3 * 60
    assert browser.get("/overview").status_code == 401


def test_every_session_ends_after_its_hours(here: Site) -> None:
    browser = here.visitor(Role.VIEWER)
    for _ in range(35):
        here.clock.now += 20 * 60
        assert browser.get("/queue").status_code == 200
    here.clock.now += 21 * 60
    assert browser.get("/queue").status_code == 401


@pytest.mark.parametrize(
    ("target", "leads_to"),
    [
        ("/series/1.2", "/series/1.2"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nSet-Cookie: x=1", "/"),
        ("/" + "a" * 300, "/"),
    ],
)
def test_a_login_leads_nowhere_else(here: Site, target: str, leads_to: str) -> None:
    here.add("eve", Role.VIEWER)
    answer = log_in(here.browser(), "eve", next=target)
    assert answer.headers["location"] == leads_to
    assert len(answer.headers.get_list("set-cookie")) == 2


@pytest.mark.parametrize(
    "password", ["short", "a" * 40, "ababababababab", "some-viewer-12", "x1" * 100], ids=str
)
def test_a_password_that_is_too_easy_is_none(password: str) -> None:
    with pytest.raises(Refused):
        passwords.hashed(password, account="some-viewer")


def test_a_password_is_its_own_and_nobody_has_one() -> None:
    kept = passwords.hashed(PASSWORD, account="eve")
    assert passwords.is_right(PASSWORD, kept)
    assert not passwords.is_right(PASSWORD + " ", kept)
    assert not passwords.is_right(PASSWORD, None)
    assert not passwords.is_right(PASSWORD, "no hash at all")
    assert passwords.hashed(PASSWORD, account="eve") != kept
    assert "m=19456,t=2,p=1" in kept


def test_the_first_link_makes_the_administrator_once(here: Site) -> None:
    code = here.console.first_start.offer(here.clock())
    browser, fields = here.browser(), {"name": "Root", "password": PASSWORD, "again": PASSWORD, "code": code}
    assert browser.get(f"/first?code={code}").status_code == 200
    assert browser.post("/first", data=fields | {"again": "another one, again"}).status_code == 422
    answer = browser.post("/first", data=fields)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert browser.get("/accounts").status_code == 200
    again = here.browser()
    assert again.get(f"/first?code={code}").status_code == 404
    assert again.post("/first", data=fields | {"name": "second"}).status_code == 404
    with here.store.ledger.reading() as connection:
        assert [(a.name, a.role) for a in accounts.listed(connection)] == [("root", Role.ADMIN)]


def test_the_first_link_grows_old(here: Site) -> None:
    code = here.console.first_start.offer(here.clock())
    here.clock.now += 3599
    assert here.browser().get(f"/first?code={code}").status_code == 200
    here.clock.now += 1
    assert here.browser().get(f"/first?code={code}").status_code == 404


def test_a_new_link_ends_the_one_before(here: Site) -> None:
    old, new = (here.console.first_start.offer(here.clock()) for _ in range(2))
    found = [here.browser().get(f"/first?code={code}").status_code for code in (old, new, "", "x")]
    assert found == [404, 200, 404, 404]


def test_the_link_makes_nobody_beside_an_administrator(here: Site) -> None:
    code = here.console.first_start.offer(here.clock())
    here.add("eve", Role.ADMIN)
    fields = {"name": "mallory", "password": PASSWORD, "again": PASSWORD, "code": code}
    assert here.browser().post("/first", data=fields).status_code == 404


def test_without_an_offer_there_is_no_first_page(here: Site) -> None:
    assert here.browser().get("/first?code=").status_code == 404
    assert not re.search("form_token", here.browser().get("/login").text)
