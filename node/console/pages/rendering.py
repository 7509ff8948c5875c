"""Templates, always escaped, with what every page needs: who is logged in, how times are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from node.console.route import may
from node.console.state import console_of
from node.tables import age
from storage.states import DeliveryState, Role, SeriesState, Trouble

TONES: Final[dict[str, str]] = {
    SeriesState.RECEIVING: "busy",
    SeriesState.QUEUED: "wait",
    SeriesState.ANALYSED: "good",
    SeriesState.NOT_ELIGIBLE: "idle",
    SeriesState.FAILED: "bad",
    SeriesState.HELD: "look",
    DeliveryState.WAITING: "wait",
    DeliveryState.DEAD: "bad",
    DeliveryState.WITHDRAWN: "idle",
    DeliveryState.SENT: "busy",
    DeliveryState.STORED: "good",
    DeliveryState.COMMITTED: "good",
    DeliveryState.VERIFIED: "good",
}
"""State -> what its mark looks like; its word always stands beside."""

TROUBLES: Final[dict[str, str]] = {
    Trouble.UNREACHABLE: "cannot be reached",
    Trouble.BUSY: "asks to be called later",
    Trouble.BLOCKED: "does not let us in",
    Trouble.SILENT: "takes results and does not answer",
}
"""What is wrong with a destination, in a sentence about it."""

NAVIGATION: Final = (
    ("/", "Overview"),
    ("/series", "Series"),
    ("/queue", "Queue"),
    ("/peers", "Peers"),
    ("/callers", "Callers"),
    ("/quality", "Data quality"),
    ("/events", "Events"),
)
BYTES: Final = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def moment(at: float | None) -> str:
    """A time to the second, UTC."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def precise(at: float | None) -> str:
    """A time of day to the millisecond, UTC."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime("%H:%M:%S.%f")[:-3]


def size(count: float) -> str:
    """A number of bytes in its largest unit of powers of ten."""
    for unit, name in BYTES:
        if count >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{count:.0f} B"


def lasting(seconds: float) -> str:
    """A duration: 12 ms, 4.2 s, 3 min 5 s, 2 h 4 min."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def short(uid: str) -> str:
    """The end of a UID, which tells series apart; the page has it whole beside."""
    return uid if len(uid) <= 18 else f"…{uid[-16:]}"


def tallied(values: Iterable[str]) -> str:
    """What volumes say, each thing once with how many say it: ABDOMEN (9), undetermined (2)."""
    counts = Counter(values)
    return ", ".join(value if count == 1 else f"{value} ({count})" for value, count in counts.most_common())


def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("node.console"),
        autoescape=True,  # whatever a file is called: what others wrote is never markup
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "moment": moment,
        "precise": precise,
        "size": size,
        "lasting": lasting,
        "short": short,
        "tallied": tallied,
    }
    made.globals |= {"tones": TONES, "troubles": TROUBLES, "navigation": NAVIGATION, "Role": Role}
    return made


_TEMPLATES: Final = _environment()


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page, or a part of one, from its template."""
    console, session = console_of(request), getattr(request.state, "session", None)
    now = console.clock()
    text = _TEMPLATES.get_template(template).render(
        **values,
        now=now,
        session=session,
        may=lambda role: session is not None and may(session.role, role),
        form_token=getattr(request.state, "form_token", ""),
        ago=lambda at: "never" if at is None else age(max(0.0, now - at)),
        ae_title=console.config.node.ae_title,
        path=request.url.path,
        said=request.query_params.get("said", "")[:40],
    )
    return HTMLResponse(text, status_code=status)
