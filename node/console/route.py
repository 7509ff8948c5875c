"""One line of the route table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from starlette.responses import Response

from storage.states import Role

ORDER: Final = tuple(Role)
"""From the least to the most."""


@dataclass(frozen=True, kw_only=True)
class Route:
    """Who may do what, and which function does it."""

    method: Literal["GET", "POST"]  # a GET changes nothing
    path: str  # with its parameters in braces
    least: Role | None  # the least role that may; None: nobody has to log in
    handler: Callable[..., Response]
    monitored: bool = False  # from addresses of `console.metrics_from` nobody has to log in
    is_long: bool = False  # whether its form may hold the whole configuration
    is_long_addressed: bool = False  # whether an identity provider writes its query
    shows_study: bool = False  # whether it shows what was received or found: that is audited
    polled: bool = False  # a page asks for it by itself: that is not somebody using the session


def may(role: Role, least: Role) -> bool:
    """Whether a role may do what needs at least another."""
    return ORDER.index(role) >= ORDER.index(least)
