"""A DICOMweb service with a script: what was asked is kept, and read by the standard library."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def parts(self) -> list[tuple[str, bytes]]:
        """Content type and content of each part of a multipart body."""
        head = f"Content-Type: {self.headers['content-type']}\r\n\r\n".encode()
        message = message_from_bytes(head + self.body)
        assert message.is_multipart()
        found = message.get_payload()
        assert isinstance(found, list)
        return [(part["Content-Type"], part.get_payload(decode=True)) for part in found]  # type: ignore[union-attr,misc]


Answer = tuple[int, Any] | None
"""Status and body, bytes or JSON; None: hang up without an answer."""


@dataclass(kw_only=True)
class Service:
    """What was asked, and how to reach it."""

    answer: Callable[[Asked], Answer]
    asked: list[Asked] = field(default_factory=list)
    url: str = ""


def store_response(
    *, stored: dict[str, int | None] | None = None, failed: dict[str, int] | None = None
) -> dict[str, Any]:
    """The Store Instances Response Module: SOP Instance UID -> warning or failure reason."""
    body: dict[str, Any] = {}
    for tag, reason_tag, items in (("00081199", "00081196", stored), ("00081198", "00081197", failed)):
        if items is None:
            continue
        body[tag] = {"vr": "SQ", "Value": [_item(uid, reason_tag, reason) for uid, reason in items.items()]}
    return body


def _item(uid: str, reason_tag: str, reason: int | None) -> dict[str, Any]:
    item: dict[str, Any] = {"00081155": {"vr": "UI", "Value": [uid]}}
    if reason is not None:
        item[reason_tag] = {"vr": "US", "Value": [reason]}
    return item


@contextmanager
def service(
    answer: Callable[[Asked], Answer],
    *,
    port: int = 0,
    context: ssl.SSLContext | None = None,
    encoding: str = "",
) -> Iterator[Service]:
    """A service that answers with a script, by TLS where there is a context; `encoding` of its contents."""
    here = Service(answer=answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self._handle()

        def do_GET(self) -> None:
            self._handle()

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(length)
            asked = Asked(method=self.command, path=self.path, headers=headers, body=body)
            here.asked.append(asked)
            answered = here.answer(asked)
            if answered is None:
                self.close_connection = True
                return
            status, value = answered
            content = value if isinstance(value, bytes) else json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(content)))
            if encoding:
                self.send_header("Content-Encoding", encoding)
            if status // 100 == 3:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass

    server = Server(("127.0.0.1", port), Handler)
    scheme = "http"
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme = "https"
    here.url = f"{scheme}://127.0.0.1:{server.server_address[1]}/dicom-web"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield here
    finally:
        with suppress(OSError):
            server.shutdown()
            server.server_close()
        thread.join(5)
