"""The provider's public keys (JWK Set, RFC 7517): those that may sign an ID token. Pure."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

RSA_BITS_MIN: Final = 2048
"""Of a modulus (RFC 7518 3.3)."""
KINDS: Final[Mapping[str, str]] = {"RS256": "RSA", "PS256": "RSA", "ES256": "EC"}
"""Algorithms that are taken (RFC 7518 3.1) -> kind of key. All are asymmetric: no public key is a secret."""
CURVE: Final = "P-256"
"""Of ES256 (RFC 7518 3.4)."""


@dataclass(frozen=True, kw_only=True)
class PublicKey:
    """One key of the provider."""

    id: str | None  # `kid`
    kind: str  # `kty`: RSA or EC
    algorithm: str | None  # `alg`, the only one that it is for; None: any that fits its kind
    key: RSAKey | ECKey


def read(document: Mapping[str, Any]) -> list[PublicKey]:
    """The keys of a JWK Set that may sign. Others, and those we know nothing of, are left out."""
    entries = document.get("keys")
    found = entries if isinstance(entries, list) else []
    return [key for entry in found if isinstance(entry, Mapping) and (key := _key(entry)) is not None]


def choose(keys: Sequence[PublicKey], *, id: str | None, algorithm: str) -> PublicKey | None:
    """The key of a signature: by its `kid`; where it names none, the only one that fits. None for none."""
    fitting = [
        key
        for key in keys
        if key.kind == KINDS[algorithm]
        and key.algorithm in (None, algorithm)
        and (id is None or key.id == id)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _key(entry: Mapping[str, Any]) -> PublicKey | None:
    kind, algorithm, id = (entry.get(name) for name in ("kty", "alg", "kid"))
    if not _is_public_and_for_signatures(entry) or not isinstance(id, str | None):
        return None
    if algorithm is not None and algorithm not in KINDS:
        return None
    try:
        if kind == "RSA" and _bits(entry) >= RSA_BITS_MIN:
            key: RSAKey | ECKey = RSAKey.import_key({name: entry[name] for name in ("kty", "n", "e")})
        elif kind == "EC" and entry.get("crv") == CURVE:
            key = ECKey.import_key({name: entry[name] for name in ("kty", "crv", "x", "y")})
        else:
            return None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return PublicKey(id=id, kind=kind, algorithm=algorithm, key=key)


def _is_public_and_for_signatures(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops", ["verify"])
    is_for_signatures = entry.get("use", "sig") == "sig" and isinstance(operations, list)
    return is_for_signatures and "verify" in operations and "d" not in entry and "k" not in entry


def _bits(entry: Mapping[str, Any]) -> int:
    modulus = entry["n"]
    try:
        return int.from_bytes(base64.urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()
    except binascii.Error as error:
        raise ValueError("a modulus that is no number") from error
