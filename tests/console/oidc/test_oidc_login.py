"""Logging in by an identity provider: the way there and back, roles, accounts, sessions."""

from __future__ import annotations

import json
import logging
from pathlib import Path

import pytest
from authlib.oauth2.rfc7636 import create_s256_code_challenge

from node.audit import events as audit_events
from node.console.gate import LONG_ADDRESS_MAX
from node.console.oidc.attempt import VALID_S, Attempt, read
from storage import accounts
from storage.records import Event
from storage.states import Role
from tests.console.browsing import BASE, Site, send
from tests.console.oidc.provider import SECRET, Key, Provider, signed
from tests.console.oidc.steps import agreed, asked, begun, configure, happened, logged_in


def test_a_person_logs_in(hospital: Site, provider: Provider) -> None:
    browser = hospital.browser()
    page = browser.get("/login?next=/queue").text
    assert '<a class="button" href="/login/oidc?next=/queue">Hospital login</a>' in page
    answer = logged_in(browser, next="/queue")
    assert answer.status_code == 200
    assert '<meta http-equiv="refresh" content="0;url=/queue">' in answer.text
    account = browser.get("/account").text
    assert "<b>oidc:anna</b>, viewer" in account and "password" not in account.partition("</p>\n")[0]
    assert 'action="/account/password"' not in account
    assert provider.asked == ["/.well-known/openid-configuration", "/authorize", "/token", "/jwks"]
    assert provider.logged_in_by == ["header"]


def test_what_the_provider_is_asked(hospital: Site) -> None:
    browser = hospital.browser()
    first, second = asked(begun(browser)), asked(begun(hospital.browser()))
    assert {name: first[name] for name in first if name not in ("state", "nonce", "code_challenge")} == {
        "response_type": "code",
        "client_id": "ctnode",
        "redirect_uri": f"{BASE}/login/oidc/callback",
        "scope": "openid profile",
        "code_challenge_method": "S256",
    }
    for name in ("state", "nonce", "code_challenge"):
        assert first[name] != second[name] and len(first[name]) >= 43
    kept = read(browser.cookies[f"{hospital.console.cookie}-oidc"])
    assert kept is not None and first["code_challenge"] == create_s256_code_challenge(kept.verifier)
    assert (kept.state, kept.nonce) == (first["state"], first["nonce"])
    assert kept.secret not in json.dumps(dict(first))


def test_the_address_that_it_comes_back_to_is_no_header_s(hospital: Site) -> None:
    answer = hospital.browser().get("/login/oidc", headers={"Host": "evil.example"})
    assert asked(answer.headers["location"])["redirect_uri"] == f"{BASE}/login/oidc/callback"


def test_the_cookie_of_a_login_is_lax_and_short_and_goes_with_it(hospital: Site) -> None:
    browser = hospital.browser()
    answer = browser.get("/login/oidc")
    name, *parts = answer.headers["set-cookie"].split("; ")
    assert name.startswith("ctnode-11180-oidc=")
    assert set(parts) == {"HttpOnly", f"Max-Age={VALID_S}", "Path=/", "SameSite=lax"}
    done = browser.get(agreed(answer.headers["location"]))
    given = {cookie.partition("=")[0]: cookie for cookie in done.headers.get_list("set-cookie")}
    assert "Max-Age=0" in given["ctnode-11180-oidc"]
    assert "SameSite=strict" in given["ctnode-11180"] and "HttpOnly" in given["ctnode-11180"]


def test_an_administrator_sees_the_account_and_may_remove_it(hospital: Site, provider: Provider) -> None:
    admin, browser = hospital.visitor(Role.ADMIN), hospital.browser()
    logged_in(browser)
    page = admin.get("/accounts").text
    assert "by the identity provider" in page and 'action="/accounts/oidc:anna/role"' not in page
    for path, fields in (
        ("role", {"role": "admin"}),
        ("password", {"password": "another long one", "again": "another long one"}),
    ):
        answer = send(admin, f"/accounts/oidc:anna/{path}", **fields)
        assert answer.status_code == 422 and "the identity provider says" in answer.text
    assert send(admin, "/accounts/oidc:anna/remove").status_code == 303
    assert browser.get("/").status_code == 401
    logged_in(browser)
    assert browser.get("/").status_code == 200


def test_an_administrator_of_the_provider_is_not_the_one_who_is_left(
    hospital: Site, provider: Provider
) -> None:
    """The provider may be away, and then nobody could mend anything."""
    provider.person["groups"] = ["radiology-it"]
    admin = hospital.browser()
    logged_in(admin)
    hospital.add("root", Role.ADMIN)
    assert "is the last administrator" in send(admin, "/accounts/root/remove").text


def test_the_first_link_is_good_beside_an_account_of_the_provider(hospital: Site) -> None:
    logged_in(hospital.browser())
    with hospital.store.ledger.reading() as connection:
        assert not accounts.are_there_any(connection)


def test_sessions_are_like_any_other(hospital: Site) -> None:
    browser = hospital.browser()
    logged_in(browser)
    assert browser.post("/logout", data={"form_token": "no"}).status_code == 403
    hospital.clock.now += 31 * 60
    assert browser.get("/queue").status_code == 401
    hospital.clock.now -= 31 * 60
    assert send(browser, "/logout").status_code == 303
    assert browser.get("/queue").status_code == 401


def test_a_provider_that_is_not_believed_any_more_has_no_sessions(hospital: Site, provider: Provider) -> None:
    browser = hospital.browser()
    logged_in(browser)
    believed = hospital.console.config
    hospital.console.config = believed.model_copy(update={"oidc": type(believed.oidc)()})
    assert browser.get("/").status_code == 401
    assert hospital.browser().get("/login/oidc").status_code == 404
    assert "/login/oidc" not in hospital.browser().get("/login").text
    hospital.console.config = believed
    assert browser.get("/").status_code == 200


def test_who_is_logged_in_needs_no_provider(hospital: Site, provider: Provider) -> None:
    browser = hospital.visitor(Role.VIEWER)
    answer = browser.get("/login/oidc?next=/queue")
    assert (answer.status_code, answer.headers["location"]) == (303, "/queue")
    assert provider.asked == []


def test_a_public_client_shows_no_secret(hospital: Site, provider: Provider) -> None:
    configure(hospital, provider, client_secret_file=None)
    assert logged_in(hospital.browser()).status_code == 200
    assert provider.logged_in_by == ["nothing"]


def test_the_secret_goes_into_a_form_where_no_header_is_taken(hospital: Site, provider: Provider) -> None:
    provider.says["token_endpoint_auth_methods_supported"] = ["client_secret_post"]
    assert logged_in(hospital.browser()).status_code == 200
    assert provider.logged_in_by == ["form"]


@pytest.mark.parametrize("algorithm", ["PS256", "ES256"])
def test_the_other_algorithms_are_taken(hospital: Site, provider: Provider, algorithm: str) -> None:
    provider.keys = [Key(id="other", algorithm=algorithm)]
    assert logged_in(hospital.browser()).status_code == 200


def test_keys_may_be_without_names_and_beside_others(hospital: Site, provider: Provider) -> None:
    key = provider.keys[0]
    others = [
        {"kty": "RSA", "use": "enc", "kid": "enc", "n": key.jwk()["n"], "e": "AQAB"},
        {"kty": "OKP", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        "no key",
        {},
    ]
    keys = [*others, {name: key.jwk()[name] for name in ("kty", "n", "e")}]
    provider.instead["/jwks"] = lambda: (200, json.dumps({"keys": keys}).encode())
    provider.token = lambda claims: signed({"alg": "RS256"}, claims, key.sign)
    assert logged_in(hospital.browser()).status_code == 200


def test_a_code_may_be_long(hospital: Site, provider: Provider) -> None:
    """Those of Entra ID and ADFS have some 2,000 characters; it fails for the code, not for its length."""
    browser = hospital.browser()
    state = asked(begun(browser))["state"]
    answer = browser.get("/login/oidc/callback", params={"state": state, "code": "c" * 4000})
    assert answer.status_code == 403 and provider.asked[-1] == "/token"
    long = {"state": state, "code": "c" * LONG_ADDRESS_MAX}
    assert browser.get("/login/oidc/callback", params=long).status_code == 414
    assert browser.get("/login/oidc", params={"next": "/" + "c" * 4000}).status_code == 414


def test_the_secret_is_in_no_log_page_or_configuration(
    hospital: Site, provider: Provider, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    provider.instead["/token"] = lambda: (
        401,
        json.dumps({"error": "invalid_client", "say": SECRET}).encode(),
    )
    answer = logged_in(hospital.browser())
    written = capsys.readouterr()
    told = answer.text + written.out + written.err + hospital.console.config.model_dump_json()
    assert answer.status_code == 503 and "refuses this console: invalid_client" in written.out
    assert "s3cret" not in told and "s3cret" not in "".join(r.getMessage() for r in caplog.records)


def test_logins_are_audited(hospital: Site, provider: Provider) -> None:
    logged_in(hospital.browser())
    provider.person["groups"] = []
    logged_in(hospital.browser())
    found = []
    for subject, detail in reversed(happened(hospital)):
        message = audit_events.told(
            Event(at=1.0, kind="console", subject=subject, detail=detail), ae_title="CTNODE"
        )
        assert message is not None
        first = message.participants[0]
        found.append((message.types[0].meaning, message.outcome.name, first.user_id, first.address))
    assert found == [
        ("User Security Attributes Changed", "SUCCESS", "identity provider", ""),
        ("Login", "SUCCESS", "oidc:anna", "127.0.0.1"),
        ("Login", "MINOR_FAILURE", "oidc:anna", "127.0.0.1"),
    ]


def test_what_the_browser_keeps_cannot_be_changed() -> None:
    kept = Attempt(secret="a" * 43, began_at=1000, target="/queue")
    assert read(kept.cookie) == kept
    assert kept.is_answered_by(kept.state, 1000.0 + VALID_S - 1)
    assert not kept.is_answered_by(kept.state, 1000.0 + VALID_S)
    assert not kept.is_answered_by(kept.state, 999.0)
    for other in (
        Attempt(secret="b" * 43, began_at=1000, target="/queue"),
        Attempt(secret="a" * 43, began_at=2000, target="/queue"),
        Attempt(secret="a" * 43, began_at=1000, target="/other"),
    ):
        assert len({kept.state, other.state, kept.nonce, other.nonce, kept.verifier, other.verifier}) == 6
    for cookie in ("", "a", kept.cookie[1:], kept.cookie + "!", f"{'a' * 43}.1.a", f"{'a' * 43}.1._w"):
        assert read(cookie) is None


def test_the_secret_is_read_anew(hospital: Site, provider: Provider, tmp_path: Path) -> None:
    file = hospital.store.root / "oidc.secret"
    file.write_text("an old one")
    assert logged_in(hospital.browser()).status_code == 503
    file.write_text(SECRET)
    assert logged_in(hospital.browser()).status_code == 200
    file.unlink()
    assert logged_in(hospital.browser()).status_code == 503
