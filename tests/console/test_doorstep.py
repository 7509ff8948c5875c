"""A console that listens everywhere behind a proxy: nobody's password goes to it in the clear."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient

from node.config_console import Console
from node.console.doorstep import REFUSED, Doorstep

BEHIND = Console(host="0.0.0.0", trusted_proxies=("10.0.0.1", "10.1.0.0/16"))
TLS = Console(host="0.0.0.0", certificate=Path("a"), key=Path("b"))


def called(section: Console, address: str, path: str = "/login", **headers: str) -> tuple[int, str]:
    app = Doorstep(PlainTextResponse("inside"), section)
    answer = TestClient(app, client=(address, 50000)).get(path, headers=headers)
    return answer.status_code, answer.text


@pytest.mark.parametrize("address", ["10.0.0.1", "10.1.2.3", "127.0.0.1", "::1", "::ffff:10.0.0.1"])
def test_the_proxy_and_this_machine_are_heard(address: str) -> None:
    assert called(BEHIND, address) == (200, "inside")


@pytest.mark.parametrize("address", ["10.0.0.2", "192.0.2.7", "2001:db8::1", "", "testclient"])
def test_who_calls_past_the_proxy_is_not(address: str) -> None:
    assert called(BEHIND, address) == (403, REFUSED)
    assert called(BEHIND, address, **{"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https"})[0] == 403


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_monitors_ask_without_the_proxy(path: str) -> None:
    assert called(BEHIND, "192.0.2.7", path) == (200, "inside")


def test_by_tls_everybody_is_heard() -> None:
    assert called(TLS, "192.0.2.7") == (200, "inside")
