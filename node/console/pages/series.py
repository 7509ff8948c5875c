"""One series: its slices, what was found in it, what became of the results, and its whole life."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import HTTPException
from sqlalchemy import Connection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from node import revival
from node.console.drawing.anatomy import anatomy
from node.console.drawing.overlay import colour_of
from node.console.drawing.timeline import bars
from node.console.drawing.windows import WINDOWS
from node.console.pages.parameters import Uid
from node.console.pages.rendering import page
from node.console.series_view import StackView, segmentation_among, stack_views
from node.console.state import console_of, record
from node.standing import SeriesStanding, series_standing
from node.volume_lines import gate_line, verdict, volume_lines
from storage import arrivals, events, outcomes
from storage.errors import CtnodeError
from storage.header import Header
from storage.records import ResultRow
from storage.traces import trace


def whole(request: Request, uid: Uid) -> Response:
    """The page."""
    console = console_of(request)
    now = console.clock()
    with console.ledger.reading() as connection:
        standing = _standing(request, connection, uid)
        views = stack_views(console, connection, standing)
        results = outcomes.results_that_hold(connection, uid, standing.series.revision)
        values: dict[str, Any] = {
            "bars": bars(trace(connection, standing.series, now)),
            "results": [*results, *standing.held],
            "headers": [_header(connection, view) for view in views],
        }
    return page(
        request,
        "series.html",
        **_shown(standing, views),
        **values,
        drawings=[anatomy(view.stack, view.report) if view.stack.slices else None for view in views],
        legends=[_legend(request, results, view) for view in views],
        windows=WINDOWS,
    )


def part(request: Request, uid: Uid) -> Response:
    """What changes while it is being received: its state and its slice maps."""
    console = console_of(request)
    with console.ledger.reading() as connection:
        standing = _standing(request, connection, uid)
        views = stack_views(console, connection, standing)
    answer = page(request, "series_progress.html", **_shown(standing, views))
    if request.query_params.get("state", "") not in ("", standing.series.state):
        answer.headers["HX-Refresh"] = "true"  # it went on: the rest of the page is another one now
    return answer


def _standing(request: Request, connection: Connection, uid: str) -> SeriesStanding:
    console = console_of(request)
    standing = series_standing(connection, uid, console.config.assembly, console.clock())
    if standing is None:
        raise HTTPException(404, "this series is not known here")
    return standing


def _shown(standing: SeriesStanding, views: list[StackView]) -> dict[str, Any]:
    return {
        "standing": standing,
        "series": standing.series,
        "views": views,
        "gate": gate_line(standing.volumes),
        "verdict": verdict,
        "volume_lines": volume_lines,
    }


def _header(connection: Connection, view: StackView) -> Header | None:
    """What the header of the stack's first slice says; the ledger keeps no attribute of the patient."""
    if not view.stack.slices:
        return None
    instance = arrivals.find_instance(connection, view.stack.slices[0].sop_instance_uid)
    return None if instance is None else instance.header


def _legend(request: Request, results: Sequence[ResultRow], view: StackView) -> list[tuple[str, str]]:
    """Name and colour of each segment that can be laid over the slices; none without a segmentation."""
    result = segmentation_among(results, view.stack.number) if view.is_analysed else None
    if result is None:
        return []
    try:
        labels = console_of(request).images.segments(result.path).labels
    except CtnodeError:
        return []
    return [(label, "#{:02x}{:02x}{:02x}".format(*colour_of(n))) for n, label in enumerate(labels, start=1)]


def retry(request: Request, uid: Uid) -> Response:
    """Analyse it again, as a new revision."""
    console = console_of(request)
    with console.ledger.writing() as connection:
        revision = revival.retry_series(connection, console.jobs, uid, console.clock())
        if revision is None:
            raise HTTPException(409, "only a series that was analysed or failed is analysed again")
        events.tell(connection, record(request, f"analyse again as revision {revision}: series {uid}"))
    return RedirectResponse(f"/series/{uid}?said=analysing", status_code=303)


def release(request: Request, uid: Uid) -> Response:
    """Let it go: a person has looked at the contradiction."""
    console = console_of(request)
    with console.ledger.writing() as connection:
        released = revival.release_series(connection, console.jobs, uid, console.clock())
        if released is None:
            raise HTTPException(409, "nothing is held under this series")
        events.tell(connection, record(request, f"released series {uid}"))
    return RedirectResponse(f"/series/{uid}?said=released", status_code=303)
