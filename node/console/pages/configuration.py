"""The configuration file in the browser: the text as on disk, checked as a whole before it is written."""

from __future__ import annotations

import hashlib
from typing import Final

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node.console.pages.rendering import page
from node.console.state import console_of, form_of, session_of, tell
from storage.errors import ConfigError

CHANGED: Final = "The file was changed meanwhile, by hand or by somebody else. Load the page again."


def whole(request: Request) -> Response:
    """The page."""
    text = console_of(request).editor.text()
    return page(request, "configuration.html", text=text, was=_digest(text), wrong="")


def change(request: Request) -> Response:
    """Write another text. What is wrong with it is told beside it, and the file stays as it was."""
    console, fields = console_of(request), form_of(request)
    if "text" not in fields or "was" not in fields:
        raise HTTPException(422, "the form lacks the text of the file")
    was, text = console.editor.text(), fields["text"].replace("\r\n", "\n")
    if "\r\n" in was:  # a browser writes all ends of line so; the file keeps its own
        text = text.replace("\n", "\r\n")
    wrong = _written(request, text, was) if _digest(was) == fields["was"] else CHANGED
    if wrong:
        return page(
            request, "configuration.html", status=422, text=fields["text"], was=fields["was"], wrong=wrong
        )
    return RedirectResponse("/configuration?said=configured", status_code=303)


def _written(request: Request, text: str, was: str) -> str:
    """Why it could not be written; '' where it was."""
    try:
        console_of(request).editor.replace(text, was=was, by=session_of(request).account)
    except ConfigError as error:
        return str(error)
    tell(request, "wrote config.yaml")
    return ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
