"""The files that pages ask for, by name: a fixed list, read once. No path is made of what a request says."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Annotated, Final, Literal

from fastapi import Path
from starlette.requests import Request
from starlette.responses import Response

CACHED: Final = {"Cache-Control": "private, max-age=3600"}

Name = Annotated[Literal["console.js", "htmx.min.js"], Path()]


def style(request: Request) -> Response:  # noqa: ARG001 - every handler takes one
    """The style of every page; the login page has it too."""
    return Response(_content("console.css"), media_type="text/css", headers=CACHED)


def icon(request: Request) -> Response:  # noqa: ARG001
    """The icon of every page."""
    return Response(_content("icon.svg"), media_type="image/svg+xml", headers=CACHED)


def script(request: Request, name: Name) -> Response:  # noqa: ARG001
    """One of our scripts."""
    return Response(_content(name), media_type="text/javascript", headers=CACHED)


@cache
def _content(name: str) -> bytes:
    return (files("node.console") / "static" / name).read_bytes()
