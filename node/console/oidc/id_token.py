"""Whether an ID token can be trusted (OpenID Connect Core 1.0, 3.1.3.7). Pure: `now` is an argument.

What is wrong is said in our own words: those of a library may quote the token.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from joserfc import jws
from joserfc.errors import JoseError

from node.console.oidc.keys import KINDS, PublicKey
from storage.errors import Refused

TOLERANCE_S: Final = 60.0
"""By how much the provider's clock may differ from ours."""
OLDEST_S: Final = 600.0
"""Of `iat`: a token is made when it is asked for."""
LONGEST: Final = 64 * 1024
"""Characters; one that names 200 groups has 16,000."""


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What a token must say."""

    issuer: str
    client_id: str
    nonce: str  # of the login that it answers


@dataclass(frozen=True, kw_only=True)
class Signer:
    """What a token says of its signature, before anything is checked."""

    algorithm: str  # one of KINDS
    key_id: str | None  # `kid`


def _registry() -> jws.JWSRegistry:
    made = jws.JWSRegistry(algorithms=list(KINDS), strict_check_header=False)
    made.max_header_length, made.max_payload_length = 4096, LONGEST
    return made


_REGISTRY: Final = _registry()


def signer(token: str) -> Signer:
    """Who is to have signed it. Raises Refused: it is no signed token, or by no algorithm that is taken."""
    if len(token) > LONGEST or not token.isascii():
        raise Refused("the ID token is too long, or no ASCII text")
    try:
        header = jws.extract_compact(token.encode(), registry=_REGISTRY).headers()
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise Refused(f"the ID token cannot be read: {type(error).__name__}") from error
    if not isinstance(header, dict):
        raise Refused("the ID token has no header")
    algorithm, key_id = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in KINDS:
        raise Refused(f"the ID token is not signed by one of {', '.join(KINDS)}")
    if not isinstance(key_id, str | None):
        raise Refused("the ID token's key has no name (kid)")
    return Signer(algorithm=algorithm, key_id=key_id)


def checked(token: str, key: PublicKey, expected: Expected, *, now: float) -> Mapping[str, Any]:
    """The claims of a token whose signature and claims are right.

    Args:
        token: in the compact form (RFC 7515 3.1).
        key: the one that `signer` asks for.
        expected: what it must say.
        now: seconds since the epoch.

    Raises:
        Refused: something is wrong; the message says which of them.
    """
    try:
        payload = jws.deserialize_compact(token, key.key, registry=_REGISTRY).payload
        claims = orjson.loads(payload)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise Refused(f"the ID token's signature is wrong: {type(error).__name__}") from error
    if not isinstance(claims, dict):
        raise Refused("the ID token holds no claims")
    _check_audience(claims, expected)
    _check_times(claims, now)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise Refused("the ID token answers another login (nonce)")
    return claims


def _check_audience(claims: Mapping[str, Any], expected: Expected) -> None:
    audience, party = claims.get("aud"), claims.get("azp")
    audiences = audience if isinstance(audience, list) else [audience]
    if claims.get("iss") != expected.issuer:
        raise Refused("the ID token is of another issuer (iss)")
    if expected.client_id not in audiences:
        raise Refused("the ID token is for another client (aud)")
    if (len(audiences) > 1 or party is not None) and party != expected.client_id:
        raise Refused("the ID token was given to another client (azp)")


def _check_times(claims: Mapping[str, Any], now: float) -> None:
    """`exp`, `iat` and, where it is there, `nbf`: seconds since the epoch (RFC 7519 4.1)."""
    end, made, begin = _time(claims, "exp"), _time(claims, "iat"), claims.get("nbf")
    if now >= end + TOLERANCE_S:
        raise Refused(f"the ID token ended {now - end:.0f} s ago (exp)")
    if made > now + TOLERANCE_S:
        raise Refused(f"the ID token is {made - now:.0f} s from the future (iat): compare the clocks")
    if made < now - OLDEST_S - TOLERANCE_S:
        raise Refused(f"the ID token is {now - made:.0f} s old (iat): compare the clocks")
    if begin is not None and _time(claims, "nbf") > now + TOLERANCE_S:
        raise Refused("the ID token is not good yet (nbf): compare the clocks")


def _time(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e12:
        raise Refused(f"the ID token has no time {name!r}")
    return float(value)
