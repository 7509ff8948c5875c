"""One login by the provider, from its beginning to the provider's answer, as the browser remembers it. Pure.

The browser holds a random secret in a cookie; `state`, `nonce` and PKCE's verifier are made of it. So nothing
is kept here of a login that has only begun: who begins a million fills no memory and pushes nobody out, and
an answer is of use in the browser that began alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import Final

VALID_S: Final = 600
"""How long a person has at the provider, with a second factor."""
COOKIE: Final = re.compile(r"([A-Za-z0-9_-]{43})\.([0-9]{1,12})\.([A-Za-z0-9_-]{1,1400})")


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One login."""

    secret: str  # random; in this browser's cookie alone
    began_at: int  # seconds since the epoch
    target: str  # the path to go on to

    @property
    def state(self) -> str:
        """Binds the answer to this browser (RFC 6749 10.12)."""
        return self._made("state")

    @property
    def nonce(self) -> str:
        """Binds the ID token to this login (OpenID Connect Core 1.0, 15.5.2)."""
        return self._made("nonce")

    @property
    def verifier(self) -> str:
        """PKCE's code verifier: 64 of the characters that it may have (RFC 7636 4.1)."""
        return self._made("verifier")

    @property
    def challenge(self) -> str:
        """Of the verifier, by S256 (RFC 7636 4.2)."""
        return _base64(hashlib.sha256(self.verifier.encode()).digest())

    @property
    def cookie(self) -> str:
        """What the browser keeps."""
        return f"{self.secret}.{self.began_at}.{_base64(self.target.encode())}"

    def is_answered_by(self, state: str, now: float) -> bool:
        """Whether an answer with this state is to this login, and in time."""
        in_time = 0 <= now - self.began_at < VALID_S
        return hmac.compare_digest(state.encode(), self.state.encode()) and in_time

    def _made(self, purpose: str) -> str:
        words = f"{purpose} {self.began_at} {self.target}"
        return hmac.new(self.secret.encode(), words.encode(), hashlib.sha256).hexdigest()


def _base64(data: bytes) -> str:
    """For addresses and cookies, without what fills up the end (RFC 7515, appendix C)."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def read(cookie: str) -> Attempt | None:
    """What the browser kept; None where it is no cookie of ours. A changed one makes another state."""
    found = COOKIE.fullmatch(cookie)
    if found is None:
        return None
    try:
        target = base64.urlsafe_b64decode(found[3] + "=" * (-len(found[3]) % 4)).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return Attempt(secret=found[1], began_at=int(found[2]), target=target)
