"""Secrets that a browser holds: the token of a session, and the one in its forms. Pure but for chance."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import Final

TOKEN_BYTES: Final = 32


def new() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def mark(token: str) -> str:
    """What a browser keeps of a session that is over: it opens nothing, and shows who logged in with it."""
    return hmac.new(token.encode(), b"browser", hashlib.sha256).hexdigest()


def digest(token: str) -> str:
    """What the ledger keeps of a session's token: the digest of its mark."""
    return digest_of(mark(token))


def digest_of(secret: str) -> str:
    """SHA-256, hexadecimal; what was drawn at random needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def form_token(token: str) -> str:
    """What every form of a session carries, so that no other page can send one (CSRF)."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def are_equal(one: str, other: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
