"""How the provider is reached: by TLS that is verified, by a proxy, and not for ever."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from node.config import Oidc
from node.console.oidc import calls
from node.console.oidc.calls import ask
from storage.errors import PeerRefused, Unavailable
from tests.node.authority import Authority, needs_openssl


@contextmanager
def answering(
    asked: list[str], context: ssl.SSLContext | None = None, *, drip: bool = False, leads_to: str = ""
) -> Iterator[int]:
    """A server that writes down what it is asked for; its port."""
    stopping = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(f"{self.path} {self.headers.get('Accept-Encoding')}")
            self.send_response(307 if leads_to else 200)
            if leads_to:
                self.send_header("Location", leads_to)
            self.send_header("Content-Length", "1000" if drip else "2")
            self.end_headers()
            while drip and not stopping.wait(0.01):
                self.wfile.write(b" ")
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        stopping.set()
        server.shutdown()
        server.server_close()
        thread.join(10)


@needs_openssl
def test_the_certificate_of_a_provider_is_verified(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    hospital, other = Authority(tmp_path / "a"), Authority(tmp_path / "b", "other")
    own = hospital.sign("login", ip="127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    asked: list[str] = []
    with answering(asked, context) as port:
        right = Oidc(authorities=hospital.certificate)
        assert ask(right, f"https://127.0.0.1:{port}/a").document == {}
        for section, host in (
            (Oidc(authorities=other.certificate), "127.0.0.1"),
            (Oidc(), "127.0.0.1"),
            (right, "localhost"),
        ):
            with pytest.raises(Unavailable, match="does not answer: ConnectError"):
                ask(section, f"https://{host}:{port}/b")
    assert asked == ["/a identity"]
    with pytest.raises(PeerRefused, match=r"oidc\.authorities cannot be used"):
        ask(Oidc(authorities=tmp_path / "none.pem"), f"https://127.0.0.1:{port}/")


def test_a_proxy_is_asked_where_there_is_one_and_none_of_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    passed_on: list[str] = []
    direct: list[str] = []
    with answering(passed_on) as proxy, answering(direct) as port:
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{proxy}")
        monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{proxy}")
        ask(Oidc(), f"http://127.0.0.1:{port}/a")
        assert (passed_on, direct) == ([], ["/a identity"])
        ask(Oidc(proxy=f"http://127.0.0.1:{proxy}"), "http://login.hospital.example/b")
    assert (passed_on, direct) == (["http://login.hospital.example/b identity"], ["/a identity"])


def test_nobody_is_led_elsewhere() -> None:
    elsewhere: list[str] = []
    with answering(elsewhere) as other, answering([], leads_to=f"http://127.0.0.1:{other}/") as port:
        assert ask(Oidc(), f"http://127.0.0.1:{port}/").status == 307
    assert elsewhere == []


def test_an_answer_that_never_ends_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of its bytes comes in time."""
    monkeypatch.setattr(calls, "WHOLE_S", 0.2)
    with answering([], drip=True) as port, pytest.raises(Unavailable, match="has not answered as a whole"):
        ask(Oidc(), f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://[::1]:1/", "http://no.such.host.invalid/"])
def test_nobody_is_there(url: str) -> None:
    with pytest.raises(Unavailable, match="does not answer: Connect"):
        ask(Oidc(), url)


def test_a_form_and_a_login_are_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent.append(self.headers["Authorization"])
            sent.append(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"a": 1}).encode()
            self.send_response(400)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.handle_request, daemon=True)
    thread.start()
    answer = ask(Oidc(), f"http://127.0.0.1:{server.server_port}/", form={"a": "b c&d"}, login=("x", "y"))
    thread.join(10)
    server.server_close()
    assert (answer.status, answer.document) == (400, {"a": 1})
    assert sent == ["Basic eDp5", b"a=b+c%26d"]
