"""What every handler of the console works with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.requests import Request

from node.config import Config
from node.console.config_editor import ConfigEditor, NoEditor
from node.console.drawing.images import Images
from node.console.drawing.stacks import Stack
from node.console.first_start import FirstStart
from node.console.kept import Kept
from node.console.looks import Looks
from node.console.oidc.logins import Logins
from node.console.throttle import Throttle
from node.metrics.reading import Reader
from storage import events
from storage.accounts import Session
from storage.blobs import Blobs
from storage.ledger import Ledger
from storage.records import Event
from storage.store import Store
from storage.workflows import Jobs

STACKS_KEPT: Final = 8


@dataclass(kw_only=True)
class Console:
    """The process: what it reads, and what it remembers."""

    config: Config
    ledger: Ledger
    store: Store
    blobs: Blobs
    editor: ConfigEditor = field(default_factory=NoEditor)
    clock: Callable[[], float] = time.time
    throttle: Throttle = field(default_factory=Throttle)
    logging_in: threading.Lock = field(default_factory=threading.Lock)  # of the throttle
    first_start: FirstStart = field(default_factory=FirstStart)
    logins: Logins = field(default_factory=Logins)  # by an identity provider
    started_at: float = field(default_factory=time.time)
    looks: Looks = field(default_factory=Looks)  # that were told
    metrics: Reader = field(default_factory=Reader)
    images: Images = field(init=False)
    stacks: Kept[list[Stack]] = field(
        default_factory=lambda: Kept(STACKS_KEPT)
    )  # of the series last looked at
    _jobs: Jobs | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.images = Images(self.store, self.blobs)

    @property
    def jobs(self) -> Jobs:
        """Enqueues jobs; opened when a person first asks for one."""
        with self._lock:
            if self._jobs is None:
                self._jobs = Jobs(self.ledger)
            return self._jobs

    @property
    def cookie(self) -> str:
        """The name of the session's cookie: of one port, for cookies are shared by all ports of a host."""
        prefix = "__Host-" if self.is_https else ""
        return f"{prefix}ctnode-{self.config.node.console_port}"

    @property
    def mark(self) -> str:
        """The name of the cookie that stays when a session is over (`tokens.mark`)."""
        return f"{self.cookie}-known"

    @property
    def is_https(self) -> bool:
        """Whether browsers reach it by TLS, ours or a proxy's."""
        return self.config.console.is_tls or bool(self.config.console.trusted_proxies)

    @property
    def root(self) -> Path:
        """The folder for everything."""
        return self.config.storage.root.absolute()

    def close(self) -> None:
        """Let go of the database."""
        if self._jobs is not None:
            self._jobs.close()
        self.ledger.close()


def console_of(request: Request) -> Console:
    """The process that a request came to."""
    console: Console = request.app.state.console
    return console


def session_of(request: Request) -> Session:
    """Whose request it is; only behind a login."""
    session: Session = request.state.session
    return session


def address_of(request: Request) -> str:
    """Where a request comes from; behind a trusted proxy, what that says."""
    return request.client.host if request.client is not None else ""


def form_of(request: Request) -> dict[str, str]:
    """The fields of the form that was sent."""
    form: dict[str, str] = request.state.form
    return form


def record(request: Request, what: str, *, by: str | None = None) -> Event:
    """An event that says what somebody did in the console."""
    console = console_of(request)
    return Event(at=console.clock(), kind="console", subject=by or session_of(request).account, detail=what)


def tell(request: Request, what: str, *, by: str | None = None) -> None:
    """Write it, in a transaction of its own."""
    with console_of(request).ledger.writing() as connection:
        events.tell(connection, record(request, what, by=by))
