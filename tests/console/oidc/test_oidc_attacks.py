"""What somebody who means harm, or a provider that is broken, may send: no session comes of it."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable

import pytest

from node.console.oidc.attempt import VALID_S
from node.console.oidc.calls import ANSWER_BYTES_MAX
from node.console.oidc.logins import AT_ONCE
from node.console.oidc.provider import DOWN_S, KEPT_S, KEYS_AGAIN_S
from node.console.oidc.used import REMEMBERED, Used
from node.console.throttle import FREE
from storage.states import Role
from tests.console.browsing import BASE, Site, log_in
from tests.console.oidc.provider import KEY, Claims, Key, Provider, b64, by_secret, signed
from tests.console.oidc.steps import agreed, asked, assert_nobody, begun, logged_in
from tests.waiting import eventually

CALLBACK = "/login/oidc/callback"


def test_a_code_of_another_browser_logs_nobody_in(hospital: Site) -> None:
    """Login CSRF: who follows an attacker's link must not find himself in the attacker's account."""
    attacker, victim = hospital.browser(), hospital.browser()
    link = agreed(begun(attacker))
    assert_nobody(hospital, victim, victim.get(link))
    begun(victim)  # not even where one has begun a login of one's own
    assert_nobody(hospital, victim, victim.get(link))
    state = asked(begun(victim))["state"]
    code = agreed(begun(attacker)).partition("code=")[2].partition("&")[0]
    answer = victim.get(CALLBACK, params={"state": state, "code": code})  # nor with one's own state: PKCE
    assert_nobody(hospital, victim, answer)


def test_an_answer_is_good_once(hospital: Site, provider: Provider) -> None:
    browser = hospital.browser()
    address = begun(browser)
    cookie = browser.cookies["ctnode-11180-oidc"]
    link = agreed(address)
    assert browser.get(link).status_code == 200
    again = hospital.browser()
    again.cookies.set("ctnode-11180-oidc", cookie)
    before = len(provider.asked)
    assert again.get(link).status_code == 403
    assert again.get(agreed(address)).status_code == 403  # not even with a fresh code
    assert provider.asked[before:] == ["/authorize"]
    assert again.get("/").status_code == 401


def test_an_answer_is_good_for_minutes(hospital: Site) -> None:
    browser = hospital.browser()
    link = agreed(begun(browser))
    hospital.clock.now += VALID_S
    assert_nobody(hospital, browser, browser.get(link))


@pytest.mark.parametrize("state", ["", "0" * 64, "é" * 32, "a" * 1000])
def test_another_state_is_refused(hospital: Site, provider: Provider, state: str) -> None:
    browser = hospital.browser()
    begun(browser)
    provider.asked.clear()
    assert_nobody(hospital, browser, browser.get(CALLBACK, params={"state": state, "code": "x"}))
    assert provider.asked == []


@pytest.mark.parametrize("code", [None, "", "x" * 5000, "another"])
def test_another_code_is_refused(hospital: Site, code: str | None) -> None:
    browser = hospital.browser()
    state = asked(begun(browser))["state"]
    params = {"state": state} | ({} if code is None else {"code": code})
    assert_nobody(hospital, browser, browser.get(CALLBACK, params=params))


def test_what_the_provider_says_went_wrong_is_not_shown(
    hospital: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    browser = hospital.browser()
    for error, told in (("access_denied", "answers access_denied"), ("<b>Call 0800", "answers an error")):
        params = {"state": asked(begun(browser))["state"], "error": error, "error_description": "Call 0800"}
        answer = browser.get(CALLBACK, params=params)
        assert_nobody(hospital, browser, answer)
        assert "0800" not in answer.text and told in capsys.readouterr().out


def test_an_answer_of_another_issuer_is_refused(hospital: Site, provider: Provider) -> None:
    """RFC 9207: where the provider says that it names itself, it has to."""
    browser = hospital.browser()
    assert_nobody(hospital, browser, browser.get(agreed(begun(browser)) + "&iss=https://evil.example"))
    provider.says["authorization_response_iss_parameter_supported"] = True
    hospital.clock.now += KEPT_S
    provider.lies |= {"iat": hospital.clock.now, "exp": hospital.clock.now + 60}
    assert_nobody(hospital, browser, browser.get(agreed(begun(browser))))
    assert browser.get(f"{agreed(begun(browser))}&iss={provider.issuer}").status_code == 200


@pytest.mark.parametrize(
    "target",
    [
        "//evil.example",
        "https://evil.example",
        "/\\evil.example",
        "/a\r\nSet-Cookie: x=1",
        "javascript:alert(1)",
    ],
)
def test_a_login_leads_nowhere_else(hospital: Site, target: str) -> None:
    answer = logged_in(hospital.browser(), next=target)
    assert '<meta http-equiv="refresh" content="0;url=/">' in answer.text
    assert "evil" not in answer.text and "alert(1)" not in answer.text


def test_where_it_leads_is_not_changed_on_the_way(hospital: Site) -> None:
    browser = hospital.browser()
    link = agreed(begun(browser, next="/queue"))
    name = "ctnode-11180-oidc"
    secret, at, _ = browser.cookies[name].split(".")
    evil = base64.urlsafe_b64encode(b"//evil.example").decode()
    browser.cookies.clear()
    browser.cookies.set(name, f"{secret}.{at}.{evil}")
    assert_nobody(hospital, browser, browser.get(link))


def down() -> tuple[int, bytes]:
    raise ConnectionError


GARBAGE: dict[str, Callable[[], tuple[int, bytes]]] = {
    "hangs up": down,
    "an error": lambda: (500, b"{}"),
    "no JSON": lambda: (200, b"<html>Welcome to the hospital's guest network"),
    "a list": lambda: (200, b"[]"),
    "null": lambda: (200, b"null"),
    "no UTF-8": lambda: (200, b'{"a": "\xff\xfe"}'),
    "without end": lambda: (200, b"[" * 500_000),
    "10 MB": lambda: (200, b'{"keys": "' + b"x" * 10_000_000 + b'"}'),
    "elsewhere": lambda: (302, b"{}"),
}


@pytest.mark.parametrize("what", GARBAGE)
@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/jwks"])
def test_a_broken_provider_stops_nobody_with_a_password(
    hospital: Site, provider: Provider, path: str, what: str
) -> None:
    provider.instead[path] = GARBAGE[what]
    browser = hospital.browser()
    answer = browser.get("/login/oidc") if path.startswith("/.well-known") else logged_in(browser)
    assert_nobody(hospital, browser, answer, status=503)
    assert 'name="password"' in answer.text
    hospital.add("eve", Role.VIEWER)
    assert log_in(browser, "eve").status_code == 303


def test_no_more_is_read_of_an_answer_than_it_may_have(hospital: Site, provider: Provider) -> None:
    text = json.dumps(provider.published()).encode()
    provider.instead["/.well-known/openid-configuration"] = lambda: (200, text.ljust(ANSWER_BYTES_MAX))
    assert hospital.browser().get("/login/oidc").status_code == 303
    hospital.clock.now += KEPT_S
    provider.instead["/.well-known/openid-configuration"] = lambda: (200, text.ljust(ANSWER_BYTES_MAX + 1))
    assert hospital.browser().get("/login/oidc").status_code == 503


PUBLISHED: dict[str, Claims] = {
    "another issuer": {"issuer": "https://evil.example"},
    "its issuer with a slash": {"issuer": "/"},
    "no issuer": {"issuer": None},
    "no token endpoint": {"token_endpoint": None},
    "a token endpoint in the clear": {"token_endpoint": "http://login.hospital.example/token"},
    "a token endpoint that is a file": {"token_endpoint": "file:///etc/passwd"},
    "keys that are a number": {"jwks_uri": 1},
    "keys with a password": {"jwks_uri": "https://a:b@login.hospital.example/"},
    "a way there that is a script": {"authorization_endpoint": "javascript:alert(1)"},
}


@pytest.mark.parametrize("what", PUBLISHED)
def test_a_provider_that_publishes_something_else_is_not_used(
    hospital: Site, provider: Provider, what: str
) -> None:
    provider.says = (
        PUBLISHED[what] if what != "its issuer with a slash" else {"issuer": provider.issuer + "/"}
    )
    assert hospital.browser().get("/login/oidc").status_code == 503


def test_a_provider_that_is_down_is_not_asked_by_a_flood(hospital: Site, provider: Provider) -> None:
    provider.instead["/.well-known/openid-configuration"] = lambda: (503, b"{}")
    for _ in range(3):
        assert hospital.browser().get("/login/oidc").status_code == 503
    assert len(provider.asked) == 1
    provider.instead.clear()
    hospital.clock.now += DOWN_S
    assert hospital.browser().get("/login/oidc").status_code == 303


def test_a_new_key_is_found_and_no_flood_asks_for_it(hospital: Site, provider: Provider) -> None:
    assert logged_in(hospital.browser()).status_code == 200
    provider.keys = [Key(id="second"), KEY]
    assert logged_in(hospital.browser()).status_code == 403  # a minute has not passed
    assert provider.asked.count("/jwks") == 1
    hospital.clock.now += KEYS_AGAIN_S
    assert logged_in(hospital.browser()).status_code == 200
    assert provider.asked.count("/jwks") == 2
    for _ in range(FREE):
        provider.token = Key(id="unknown").token
        assert logged_in(hospital.browser()).status_code == 403
    assert provider.asked.count("/jwks") == 2


def test_a_key_that_is_taken_back_is_forgotten(hospital: Site, provider: Provider) -> None:
    assert logged_in(hospital.browser()).status_code == 200
    provider.keys, provider.token = [Key(id="second")], KEY.token
    hospital.clock.now += KEPT_S
    provider.lies |= {"iat": hospital.clock.now, "exp": hospital.clock.now + 60}
    assert logged_in(hospital.browser()).status_code == 403


def test_keys_that_are_weak_or_secret_sign_nothing(hospital: Site, provider: Provider) -> None:
    weak = Key(id="weak", bits=1024)
    secret = {"kty": "oct", "kid": "secret", "k": b64(b"x" * 32), "use": "sig"}
    provider.instead["/jwks"] = lambda: (200, json.dumps({"keys": [weak.jwk(), secret]}).encode())
    for token in (
        weak.token,
        lambda claims: signed({"alg": "HS256", "kid": "secret"}, claims, by_secret(b"x" * 32)),
    ):
        provider.token = token
        assert logged_in(hospital.browser()).status_code == 403


def test_guessing_is_slowed_down(hospital: Site, provider: Provider) -> None:
    browser = hospital.browser(address="10.6.6.6")
    answers = [browser.get(CALLBACK, params={"state": "x"}).status_code for _ in range(FREE + 2)]
    assert answers == [403] * FREE + [429] * 2
    assert logged_in(hospital.browser(address="10.7.7.7")).status_code == 200


def test_a_provider_that_is_slow_holds_up_few(hospital: Site, provider: Provider) -> None:
    """The others are told so at once, and pages go on: there are threads left."""
    wake = threading.Event()

    def slow() -> tuple[int, bytes]:
        wake.wait(20)
        return 200, json.dumps(provider.published()).encode()

    provider.instead["/.well-known/openid-configuration"] = slow
    statuses: list[int] = []

    def log_in_slowly() -> None:
        statuses.append(hospital.browser().get("/login/oidc").status_code)

    waiting = [threading.Thread(target=log_in_slowly) for _ in range(AT_ONCE)]
    for thread in waiting:
        thread.start()
    eventually(lambda: hospital.console.logins._turns._value == 0, what="all turns to be taken")
    assert hospital.browser().get("/login/oidc").status_code == 503
    hospital.add("eve", Role.VIEWER)
    assert log_in(hospital.browser(), "eve").status_code == 303
    wake.set()
    for thread in waiting:
        thread.join(20)
    assert statuses == [303] * AT_ONCE
    assert hospital.browser().get("/login/oidc").status_code == 303
    assert provider.asked.count("/.well-known/openid-configuration") == 1


def test_used_states_fill_no_memory() -> None:
    used = Used()
    assert all(used.use(f"state {n}", float(n) / 100) for n in range(REMEMBERED + 100))
    assert len(used._states) <= REMEMBERED
    assert not used.use(f"state {REMEMBERED}", 200.0)
    assert used.use("another", 100.0 + VALID_S + 1000) and len(used._states) == 1


def test_no_header_says_where_the_code_goes(hospital: Site) -> None:
    for headers in ({"Host": "evil.example"}, {"X-Forwarded-Host": "evil.example"}):
        answer = hospital.browser().get("/login/oidc", headers=headers)
        assert asked(answer.headers["location"])["redirect_uri"].startswith(f"{BASE}/")


def test_a_clock_that_is_wrong_is_told(
    hospital: Site, provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    provider.lies["iat"] = int(time.time()) + 3600
    assert logged_in(hospital.browser()).status_code == 403
    assert "from the future (iat): compare the clocks" in capsys.readouterr().out
