"""Pictures of a series: slices and projections, as PNG."""

from __future__ import annotations

from fastapi import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from node.console.drawing.stacks import Stack
from node.console.drawing.windows import PRESETS
from node.console.pages.parameters import Number, Plane, Uid
from node.console.series_view import content_key, find_stack, locators_of, segmentation_among
from node.console.state import console_of
from storage import arrivals, outcomes
from storage.records import Series

AXIAL = "axial"


def slice_png(request: Request, uid: Uid, stack: Number, index: Number) -> Response:
    """One slice, in a window, with the segments of the result where they are asked for."""
    window = request.query_params.get("window", "soft")
    if window not in PRESETS:
        raise HTTPException(404, "no such window")
    console = console_of(request)
    with console.ledger.reading() as connection:
        series = _known(arrivals.find_series(connection, uid))
        found = _in_range(find_stack(console, connection, series, stack), index)
        wanted = "segments" in request.query_params
        results = outcomes.results_that_hold(connection, uid, series.revision) if wanted else []
        instance = arrivals.find_instance(connection, found.slices[index].sop_instance_uid)
    if instance is None:
        raise HTTPException(404, "it was removed meanwhile")
    result = segmentation_among(results, found.number)
    path = None if result is None else result.path
    return Response(
        console.images.slice(instance.path, found.slices[index], window, path), media_type="image/png"
    )


def projection(request: Request, uid: Uid, stack: Number, plane: Plane) -> Response:
    """An axial stack from the front or from the side."""
    console = console_of(request)
    with console.ledger.reading() as connection:
        series = _known(arrivals.find_series(connection, uid))
        found = find_stack(console, connection, series, stack)
        if found is None or found.plane != AXIAL or not found.positions_mm:
            raise HTTPException(404, "there is no such stack of axial slices")
        locators = locators_of(connection, uid)
    front, side = console.images.projections((content_key(series), stack), found, locators)
    return Response(front if plane == "coronal.png" else side, media_type="image/png")


def _known(series: Series | None) -> Series:
    if series is None:
        raise HTTPException(404, "this series is not known here")
    return series


def _in_range(stack: Stack | None, index: int) -> Stack:
    if stack is None or index >= len(stack.slices):
        raise HTTPException(404, "there is no such slice")
    return stack
