"""The routes: one for programs, which waits for its answer, and a few for the page."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp

from inference.report import to_json
from inference.workbench.prediction import describing, pages
from inference.workbench.prediction.downloads import csv_of
from inference.workbench.prediction.guard import Guard
from inference.workbench.prediction.jobs import Job, Jobs, JobState
from inference.workbench.prediction.outcome import Outcome
from inference.workbench.prediction.problem import RETRY_AFTER_S, Problem, told
from inference.workbench.prediction.settings import PredictionSettings
from inference.workbench.prediction.upload import drain, receive
from storage.logs import log

JSON: Final = "application/json"
SVG_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Of an overlay that is opened by itself: its pictures are in it."""


def application(settings: PredictionSettings, jobs: Jobs) -> ASGIApp:
    """Everything that is served, behind the guard."""
    app = FastAPI(
        title="ctnode prediction",
        version=version("ctnode"),
        description=describing.DESCRIPTION,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
    )
    routes = _Routes(settings, jobs)
    for path, method, handler, description in routes.table():
        app.add_api_route(path, handler, methods=[method], response_model=None, **description)
    schema = app.openapi()
    schema["components"] = schema.get("components", {}) | {"securitySchemes": describing.SECURITY}
    app.add_exception_handler(Problem, _problem)
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(Exception, _unforeseen)
    return Guard(app, settings)


Handler = Callable[..., Awaitable[Response]]


class _Routes:
    """What each address does."""

    def __init__(self, settings: PredictionSettings, jobs: Jobs) -> None:
        self._settings, self._jobs = settings, jobs

    def table(self) -> tuple[tuple[str, str, Handler, dict[str, Any]], ...]:
        """Path, method, handler, and what the OpenAPI description says of it."""
        hidden = {"include_in_schema": False}
        return (
            ("/predictions", "POST", self.predict, describing.PREDICT),
            ("/", "GET", self.form, hidden),
            ("/jobs", "POST", self.begin, hidden),
            ("/jobs/{name}", "GET", self.job, hidden),
            ("/jobs/{name}/state", "GET", self.state, hidden),
            ("/jobs/{name}/report.json", "GET", self.report, hidden),
            ("/jobs/{name}/findings.csv", "GET", self.table_file, hidden),
            ("/jobs/{name}/overlay/{number}.svg", "GET", self.overlay, hidden),
            ("/page.css", "GET", self.style, hidden),
            ("/page.js", "GET", self.script, hidden),
        )

    async def predict(self, request: Request) -> Response:
        job = await self._received(request)
        outcome = await asyncio.shield(asyncio.wrap_future(job.outcome))
        if outcome.status == 200:
            return Response(to_json(outcome.reports), media_type=JSON)
        return _told(outcome.status, outcome.error, outcome.reason, outcome)

    async def form(self) -> Response:
        return pages.form_page(self._settings)

    async def begin(self, request: Request) -> Response:
        """The page's upload: its script asks for JSON, a form without script is sent on."""
        try:
            job = await self._received(request)
        except Problem as problem:
            if JSON in request.headers.get("accept", ""):
                raise
            return pages.message_page(problem.status, problem.reason)
        address = f"/jobs/{job.name}"
        if JSON in request.headers.get("accept", ""):
            return JSONResponse({"location": address}, status_code=202, headers={"Location": address})
        return RedirectResponse(address, status_code=303)

    async def job(self, name: str) -> Response:
        job = self._jobs.find(name)
        if job is None:
            return pages.message_page(404, "this result is not kept any more: send the files again")
        if job.state is not JobState.DONE:
            return pages.waiting_page(job.name, self._words(job))
        return pages.result_page(job.name, job.outcome.result())

    async def state(self, name: str) -> Response:
        job = self._found(name)
        done, of = (0, 0) if job.progress is None else (job.progress.series, job.progress.of)
        return JSONResponse({"state": job.state, "words": self._words(job), "done": done, "of": of})

    async def report(self, name: str) -> Response:
        outcome = self._outcome(name)
        return _file(to_json(outcome.reports), JSON, "report.json")

    async def table_file(self, name: str) -> Response:
        return _file(csv_of(self._outcome(name).reports), "text/csv", "findings.csv")

    async def overlay(self, name: str, number: int, save: bool = False) -> Response:
        overlays = self._outcome(name).overlays
        if not 1 <= number <= len(overlays) or not overlays[number - 1]:
            raise HTTPException(404, "there is no such picture")
        answer = Response(overlays[number - 1], media_type="image/svg+xml")
        answer.headers["Content-Security-Policy"] = SVG_POLICY
        if save:
            answer.headers["Content-Disposition"] = f'attachment; filename="overlay-{number}.svg"'
        return answer

    async def style(self) -> Response:
        return FileResponse(pages.FOLDER / "page.css", media_type="text/css")

    async def script(self) -> Response:
        return FileResponse(pages.FOLDER / "page.js", media_type="text/javascript")

    async def _received(self, request: Request) -> Job:
        try:
            job = self._jobs.begin()
        except Problem:
            await drain(request, self._settings.silent_limit_s)
            raise
        try:
            await receive(
                request,
                job.folder,
                limit_mb=self._settings.upload_limit_mb,
                silent_limit_s=self._settings.silent_limit_s,
            )
        except BaseException:  # cancelled too: its files must not stay
            self._jobs.drop(job)
            raise
        self._jobs.submit(job)
        return job

    def _found(self, name: str) -> Job:
        job = self._jobs.find(name)
        if job is None:
            raise HTTPException(404, "this result is not kept any more")
        return job

    def _outcome(self, name: str) -> Outcome:
        job = self._found(name)
        if job.state is not JobState.DONE:
            raise HTTPException(409, "the analysis is not done")
        return job.outcome.result()

    def _words(self, job: Job) -> str:
        """Where a request is, in words."""
        if job.state is JobState.WAITING:
            return f"Waiting: {self._jobs.ahead_of(job)} before these files."
        if job.state is JobState.RUNNING and job.progress is not None:
            return f"Analysing series {job.progress.series + 1} of {job.progress.of}."
        return {JobState.RECEIVING: "Receiving.", JobState.RUNNING: "Reading.", JobState.DONE: "Done."}[
            job.state
        ]


def _file(text: str, kind: str, name: str) -> Response:
    answer = Response(text, media_type=kind)
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


def _told(status: int, error: str, reason: str, outcome: Outcome | None = None) -> Response:
    answer = JSONResponse(told(error, reason, outcome.reports if outcome else ()), status_code=status)
    if status == 503:
        answer.headers["Retry-After"] = str(RETRY_AFTER_S)
    return answer


async def _problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)
    answer = _told(error.status, error.error, error.reason)
    if error.status == 413:
        answer.headers["Connection"] = "close"  # what was not read must not be taken for a request
    return answer


async def _refused(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _told(error.status_code, "not found" if error.status_code == 404 else "refused", str(error.detail))


async def _unforeseen(_request: Request, error: Exception) -> Response:
    log().error("prediction failed", exc_info=error)
    return _told(500, "internal error", "an error of ours: the log says where")
