"""Tokens that are forged, or say something else: nobody gets in by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from node.console.oidc.id_token import OLDEST_S, TOLERANCE_S
from tests.console.browsing import Site
from tests.console.oidc.provider import KEY, Claims, Key, Provider, b64, by_secret, signed
from tests.console.oidc.steps import assert_nobody, happened, logged_in

FORGER = Key(id="first")
"""Not the provider's key, though it says so."""


def public_pem(key: Key) -> bytes:
    return bytes(key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def by_pss(data: bytes) -> bytes:
    """Right, but for what the key is for."""
    return bytes(KEY.private.sign(data, padding.PSS(padding.MGF1(SHA256()), 32), SHA256()))


def header(**values: Any) -> Claims:
    return {"alg": "RS256", "kid": "first"} | values


def changed(claims: Claims) -> str:
    """A token whose claims were changed after it was signed."""
    head, _, signature = KEY.token(claims).split(".")
    return f"{head}.{b64(json.dumps(claims | {'groups': ['radiology-it']}).encode())}.{signature}"


FORGED: dict[str, Callable[[Claims], str]] = {
    "another's key": FORGER.token,
    "changed": changed,
    "no signature": lambda claims: KEY.token(claims).rpartition(".")[0] + ".",
    "alg none": lambda claims: signed({"alg": "none"}, claims, lambda _: b""),
    "alg None": lambda claims: signed({"alg": "None", "kid": "first"}, claims, lambda _: b""),
    "HS256 by the public key": lambda claims: signed(header(alg="HS256"), claims, by_secret(public_pem(KEY))),
    "HS256 by the modulus": lambda claims: signed(
        header(alg="HS256"), claims, by_secret(KEY.jwk()["n"].encode())
    ),
    "HS256 by nothing": lambda claims: signed(header(alg="HS256"), claims, by_secret(b"")),
    "RS512": lambda claims: signed(header(alg="RS512"), claims, KEY.sign),
    "PS256 by a key of RS256": lambda claims: signed(header(alg="PS256"), claims, by_pss),
    "its own key": lambda claims: signed(header(jwk=FORGER.jwk()), claims, FORGER.sign),
    "a key elsewhere": lambda claims: signed(
        header(jku="http://127.0.0.1:9/jwks", kid="other"), claims, FORGER.sign
    ),
    "critical words": lambda claims: signed(header(crit=["exp"], exp=1), claims, KEY.sign),
    "not encoded": lambda claims: signed(header(b64=False, crit=["b64"]), claims, KEY.sign),
    "no algorithm": lambda claims: signed({"kid": "first"}, claims, KEY.sign),
    "an algorithm that is a list": lambda claims: signed(header(alg=["RS256"]), claims, KEY.sign),
    "a kid that is a number": lambda claims: signed(header(kid=1), claims, KEY.sign),
    "no claims": lambda _: signed(header(), b"[]", KEY.sign),
    "claims that are no JSON": lambda _: signed(header(), b"\xff{", KEY.sign),
    "claims without end": lambda _: signed(header(), b"[" * 40_000, KEY.sign),
    "a header without end": lambda _: b64(b"[" * 2000) + ".e30.AAAA",
    "two parts": lambda claims: ".".join(KEY.token(claims).split(".")[:2]),
    "five parts": lambda claims: KEY.token(claims) + ".a.b",
    "nothing": lambda _: "",
    "not ASCII": lambda claims: KEY.token(claims) + "é",
    "very long": lambda claims: KEY.token(claims | {"more": "x" * 100_000}),
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_token_is_refused(hospital: Site, provider: Provider, how: str) -> None:
    provider.token = FORGED[how]
    browser = hospital.browser()
    assert_nobody(hospital, browser, logged_in(browser))
    assert happened(hospital) == [("nobody", "login refused from 127.0.0.1")]


LIES: dict[str, Claims] = {
    "another issuer": {"iss": "https://evil.example"},
    "no issuer": {"iss": None},
    "another client": {"aud": "another"},
    "no client": {"aud": None},
    "other clients": {"aud": ["another", "third"]},
    "clients, given to none": {"aud": ["ctnode", "another"]},
    "clients, given to another": {"aud": ["ctnode", "another"], "azp": "another"},
    "given to another": {"azp": "another"},
    "another nonce": {"nonce": "0" * 64},
    "no nonce": {"nonce": None},
    "a nonce that is a number": {"nonce": 1},
    "no end": {"exp": None},
    "an end that is a text": {"exp": "9999999999"},
    "an end that is true": {"exp": True},
    "no beginning": {"iat": None},
    "no subject": {"sub": None},
    "an empty subject": {"sub": ""},
    "a long subject": {"sub": "x" * 256},
    "a subject that is a list": {"sub": ["4711"]},
}


@pytest.mark.parametrize("what", LIES)
def test_a_token_that_says_something_else_is_refused(hospital: Site, provider: Provider, what: str) -> None:
    provider.lies |= LIES[what]
    browser = hospital.browser()
    assert_nobody(hospital, browser, logged_in(browser))


@pytest.mark.parametrize(
    ("claim", "offset_s", "is_good"),
    [
        ("exp", -TOLERANCE_S - 5, False),
        ("exp", -TOLERANCE_S + 15, True),
        ("iat", TOLERANCE_S + 15, False),
        ("iat", TOLERANCE_S - 15, True),
        ("iat", -OLDEST_S - TOLERANCE_S - 5, False),
        ("iat", -OLDEST_S - TOLERANCE_S + 15, True),
        ("nbf", TOLERANCE_S + 15, False),
        ("nbf", TOLERANCE_S - 15, True),
    ],
)
def test_times_have_their_tolerance(
    hospital: Site, provider: Provider, claim: str, offset_s: float, is_good: bool
) -> None:
    """From the console's clock, which stands still here."""
    provider.lies[claim] = hospital.clock.now + offset_s
    assert logged_in(hospital.browser()).status_code == (200 if is_good else 403)


def test_two_clients_are_one_where_the_token_was_given_to_it(hospital: Site, provider: Provider) -> None:
    provider.lies |= {"aud": ["another", "ctnode"], "azp": "ctnode"}
    assert logged_in(hospital.browser()).status_code == 200
