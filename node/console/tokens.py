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


def digest(token: str) -> str:
    """What the ledger keeps of a token: its SHA-256; a random token needs no salt."""
    return hashlib.sha256(token.encode()).hexdigest()


def form_token(token: str) -> str:
    """What every form of a session carries, so that no other page can send one (CSRF)."""
    return hmac.new(token.encode(), b"form", hashlib.sha256).hexdigest()


def are_equal(one: str, other: str) -> bool:
    """Compared in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
