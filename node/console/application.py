"""The application, built from the route table and from nothing else."""

from __future__ import annotations

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from node.console.access import access
from node.console.gate import Gate
from node.console.looking import looked
from node.console.pages.rendering import page
from node.console.routes import ROUTES
from node.console.state import Console
from storage.errors import CtnodeError, LedgerDown, Unavailable
from storage.logs import log


def application(console: Console) -> ASGIApp:
    """Everything that is served, behind the gate."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.state.console = console
    for route in ROUTES:
        app.add_api_route(
            route.path,
            route.handler,
            methods=[route.method],
            dependencies=[Depends(access(route)), *([Depends(looked)] if route.shows_study else [])],
            response_model=None,
        )
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _malformed)
    app.add_exception_handler(CtnodeError, _failed)
    app.add_exception_handler(Exception, _unforeseen)
    return Gate(
        app,
        console=console,
        public=[route.path for route in ROUTES if route.least is None],
        polled=[route.path for route in ROUTES if route.polled],
        monitored=[route.path for route in ROUTES if route.monitored],
        long=[route.path for route in ROUTES if route.is_long],
        long_addressed=[route.path for route in ROUTES if route.is_long_addressed],
    )


def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _said(request, error.status_code, str(error.detail))


def _malformed(request: Request, _error: Exception) -> Response:
    return _said(request, 404, "there is nothing under this address")


def _failed(request: Request, error: Exception) -> Response:
    """What was foreseen, in its own words; a database that is down is the gate's."""
    if isinstance(error, LedgerDown):
        log().error("console waits for the ledger", reason=str(error))
    return _said(request, 503 if isinstance(error, Unavailable) else 422, str(error))


def _unforeseen(request: Request, error: Exception) -> Response:
    log().error("page failed", reason=type(error).__name__, exc_info=error)
    return _said(request, 500, "an error of ours: the log says where")


def _said(request: Request, status: int, words: str) -> Response:
    part = "hx-request" in request.headers
    return page(request, "said.html" if part else "error.html", status=status, words=words, code=status)
