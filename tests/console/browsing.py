"""A browser without a window: the console's application in this process, and people who use it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2
from starlette.testclient import TestClient

from node.config import Config, Node, Peer, Storage
from node.config_file import FileEditor
from node.console import passwords
from node.console.application import application
from node.console.server import server_of
from node.console.state import Console
from storage import accounts
from storage.states import Role
from tests.console import filled
from tests.console.filled import NOW
from tests.node.receiving import Store
from tests.waiting import eventually

BASE: Final = "http://127.0.0.1:11180"
PASSWORD: Final = "correct horse battery"
HASH: Final = passwords.hashed(PASSWORD, account="anybody")
NAMES: Final = {"/static": "console.js", "/peers": "pacs", "/accounts": "some-viewer"}
TOKEN: Final = re.compile(r'name="form_token" value="([0-9a-f]{64})"')


@dataclass(kw_only=True)
class Clock:
    """The console's time, in a test's hands."""

    now: float = NOW

    def __call__(self) -> float:
        return self.now


@dataclass(kw_only=True)
class Site:
    """A console over a store."""

    store: Store
    console: Console
    clock: Clock
    app: Any = field(init=False)

    def __post_init__(self) -> None:
        self.app = application(self.console)

    def browser(self, *, address: str = "127.0.0.1", **settings: Any) -> TestClient:
        """Nobody, yet."""
        return TestClient(
            self.app, base_url=BASE, follow_redirects=False, client=(address, 50000), **settings
        )

    def add(self, name: str, role: Role) -> None:
        with self.store.ledger.writing() as connection:
            accounts.add(connection, name=name, role=role, password=HASH, now=self.clock())

    def visitor(self, role: Role, *, name: str = "") -> TestClient:
        """Somebody of a role, logged in."""
        name = name or f"some-{role}"
        with self.store.ledger.reading() as connection:
            known = accounts.find(connection, name) is not None
        if not known:
            self.add(name, role)
        browser = self.browser()
        answer = log_in(browser, name)
        assert answer.status_code == 303, answer.text
        return browser


def site(store: Store, *peers: Peer, console_port: int = 11180, **sections: Any) -> Site:
    """A console of this store."""
    node = Node(console_port=console_port)
    config = Config(node=node, peers=peers, storage=Storage(root=store.root), **sections)
    clock = Clock()
    file = store.root / "config.yaml"
    file.write_text("node: {port: 11112}\n")
    console = Console(
        config=config,
        ledger=store.ledger,
        store=store.instances,
        blobs=store.blobs,
        clock=clock,
        editor=FileEditor(path=file),
    )
    return Site(store=store, console=console, clock=clock)


def log_in(browser: TestClient, name: str, password: str = PASSWORD, **fields: str) -> httpx2.Response:
    """Fill in the login form."""
    return browser.post("/login", data={"name": name, "password": password, **fields})


def form_token(browser: TestClient, path: str = "/account") -> str:
    """The token that the forms of this session carry."""
    found = TOKEN.search(browser.get(path).text)
    assert found is not None, f"no form on {path}"
    return found[1]


def send(browser: TestClient, path: str, **fields: str) -> httpx2.Response:
    """Send a form of ours."""
    return browser.post(path, data={"form_token": form_token(browser), **fields})


def filled_path(path: str) -> str:
    """A path of the route table with something real in its braces."""
    values = {
        "{uid}": filled.SERIES,
        "{stack}": "0",
        "{index}": "3",
        "{plane}": "coronal.png",
        "{name}": "console.js"
        if path.startswith("/static")
        else "pacs"
        if "peers" in path
        else "some-viewer",
    }
    for name, value in values.items():
        path = path.replace(name, value)
    return path


@contextmanager
def serving(here: Site) -> Iterator[str]:
    """The console on a port of this machine; its address."""
    server = server_of(here.console)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    eventually(lambda: server.started, what="the console to listen")
    try:
        yield f"http://127.0.0.1:{here.console.config.node.console_port}"
    finally:
        server.should_exit = True
        thread.join(10)
