"""Whoever is shown a study is told to the audit trail (DICOM Instances Accessed, PS3.15 A.5.3.6).

Once for a person and a series in ten minutes, be it the page, its slices or its projections.
"""

from __future__ import annotations

from starlette.requests import Request

from node.console.looks import Look
from node.console.state import address_of, console_of, session_of
from storage import arrivals, events
from storage.errors import LedgerDown
from storage.logs import log
from storage.records import Event


def looked(request: Request) -> None:
    """Runs before the handler of a route that shows a study."""
    console, now = console_of(request), console_of(request).clock()
    look = Look(session_of(request).account, address_of(request), str(request.path_params["uid"]))
    if not console.looks.is_news(look, now):
        return
    try:
        is_told = _tell(request, look, now)
    except LedgerDown as error:  # who has to see an image sees it: the next look is told
        log().warning("look not recorded", reason=str(error))
        is_told = False
    if not is_told:
        console.looks.forget(look)


def _tell(request: Request, look: Look, now: float) -> bool:
    """Write it; whether there is such a series."""
    ledger = console_of(request).ledger
    with ledger.reading() as connection:
        series = arrivals.find_series(connection, look.series_instance_uid)
    if series is None:
        return False
    what = f"study {series.study_instance_uid} series {look.series_instance_uid} from {look.address}"
    with ledger.writing() as connection:
        events.tell(connection, Event(at=now, kind="viewed", subject=look.account, detail=what))
    return True
