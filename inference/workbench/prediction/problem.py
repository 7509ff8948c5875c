"""What a request is told that gets no findings: a status, a word for programs, a sentence. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from inference.report import NOT_FOR_DIAGNOSIS, Report
from storage.errors import CtnodeError, OutOfSpace, Refused, Unavailable, Unreadable

STATUS: Final[tuple[tuple[type[CtnodeError], int, str], ...]] = (
    (Unreadable, 400, "unreadable"),
    (Refused, 400, "refused"),
    (OutOfSpace, 507, "out of space"),
    (Unavailable, 503, "unavailable"),
    (CtnodeError, 500, "internal error"),
)
"""By whose fault it is; the first that fits."""

RETRY_AFTER_S: Final = 30
"""What a client that found the server busy is told."""


class Problem(Exception):
    """Ends a request with an answer that says why."""

    def __init__(self, status: int, error: str, reason: str) -> None:
        """status: of HTTP; error: the same word for the same kind of problem; reason: in words."""
        super().__init__(reason)
        self.status = status
        self.error = error
        self.reason = reason


def told(error: str, reason: str, volumes: Sequence[Report] = ()) -> dict[str, Any]:
    """The body of every answer that is no finding.

    Args:
        error: a word for programs.
        reason: names what is at fault: the instance, the attribute, both values.
        volumes: as in a report, where volumes were read and all refused.
    """
    return {"error": error, "reason": reason, "notice": NOT_FOR_DIAGNOSIS, "volumes": list(volumes)}


def problem_of(error: CtnodeError) -> Problem:
    """By its class."""
    status, word = next((status, word) for kind, status, word in STATUS if isinstance(error, kind))
    return Problem(status, word, str(error))


def too_large(limit_mb: int) -> Problem:
    """413."""
    return Problem(413, "too large", f"more than {limit_mb} MB in one request; this server takes no more")


def busy(waiting: int) -> Problem:
    """503."""
    return Problem(503, "busy", f"one analysis runs and {waiting} wait: ask again in {RETRY_AFTER_S} s")
