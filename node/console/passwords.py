"""Passwords: Argon2id (RFC 9106), one at a time: a flood of logins costs no receiver its processor."""

from __future__ import annotations

import threading
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from storage.errors import Refused

SHORTEST: Final = 12
LONGEST: Final = 128

_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""19 MiB, two passes: the least of what OWASP advises, for it shares the machine with receivers."""
_ONE_AT_A_TIME: Final = threading.Lock()
_NOBODY: Final = _HASHER.hash("nobody has this password, and it takes as long to see")


def hashed(password: str, *, account: str) -> str:
    """The hash to keep of a new password. Raises Refused where it is too easy."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise Refused(f"a password has {SHORTEST} to {LONGEST} characters")
    if account in password.lower() or len(set(password)) < SHORTEST // 2:
        raise Refused("a password does not hold the account's name, and is not a few characters repeated")
    with _ONE_AT_A_TIME:
        return _HASHER.hash(password)


def is_right(password: str, kept: str | None) -> bool:
    """Whether it is the password of this hash; without an account it takes as long, and is not."""
    with _ONE_AT_A_TIME:
        try:
            return _HASHER.verify(kept or _NOBODY, password[:LONGEST]) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def is_outdated(kept: str) -> bool:
    """Whether a hash was made with other parameters than today's."""
    return _HASHER.check_needs_rehash(kept)
