"""The console's process: what it listens on, how it stops, and that the node does without it."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
from typer.testing import CliRunner

from node import processes
from node.config import Config, Console, load
from node.console.__main__ import origin
from node.console.connections import OPEN_MAX
from node.console.siblings import Sibling, siblings
from node.program import app
from storage.errors import ConfigError
from storage.states import Role
from tests.console import filled
from tests.console.browsing import PASSWORD, serving, site
from tests.e2e.node_process import running_node
from tests.e2e.ports import free_port
from tests.node.authority import Authority, needs_openssl
from tests.waiting import eventually

NAME_AND_PASSWORD = {"name": "root", "password": PASSWORD}


def written(folder: Path, port: int, console: str = "{}") -> Path:
    """A configuration in a folder of its own."""
    file = folder / "config.yaml"
    file.write_text(
        f"node: {{host: 127.0.0.1, port: {free_port()}, console_port: {port}}}\n"
        f"console: {console}\nstorage: {{root: ./data, reserve_mb: 1}}\n"
    )
    (folder / "data").mkdir(exist_ok=True)
    return file


@contextmanager
def running(file: Path) -> Iterator[subprocess.Popen[bytes]]:
    """The process; its log stands beside the configuration."""
    command = [sys.executable, "-m", "node.console", "--config", str(file)]
    with (file.parent / "log").open("ab") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def log_of(file: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line) for line in (file.parent / "log").read_text().splitlines() if line.startswith("{")
    ]


def answers(url: str, **settings: Any) -> bool:
    try:
        return httpx2.get(f"{url}/healthz", **settings).status_code == 200
    except httpx2.TransportError:
        return False


def test_the_first_start_shows_a_link_that_logs_in(tmp_path: Path) -> None:
    file = written(tmp_path, port := free_port())
    with running(file) as process:
        eventually(lambda: answers(f"http://127.0.0.1:{port}"), what="the console to listen", timeout_s=60)
        (told,) = [line for line in log_of(file) if line["event"] == "console has no administrator"]
        link = re.fullmatch(r"open (http://127\.0\.0\.1:\d+/first)\?code=([\w-]{43})", told["reason"])
        assert link is not None
        fields = NAME_AND_PASSWORD | {"again": PASSWORD, "code": link[2]}
        answer = httpx2.post(link[1], data=fields)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with running(file):  # there is an administrator now: no link
        eventually(lambda: answers(f"http://127.0.0.1:{port}"), timeout_s=60)
        assert sum(line["event"] == "console has no administrator" for line in log_of(file)) == 1
        login = httpx2.post(f"http://127.0.0.1:{port}/login", data=NAME_AND_PASSWORD)
        assert login.status_code == 303


def test_a_port_that_is_taken_ends_the_process(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        file = written(tmp_path, other.getsockname()[1])
        with running(file) as process:
            assert process.wait(60) == 1
    assert log_of(file)[-1]["event"] == "console cannot listen"


@needs_openssl
def test_by_tls_it_shows_its_certificate_and_speaks_nothing_else(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    pair = authority.sign("console", dns="localhost")
    files = f"{{certificate: {pair.certificate}, key: {pair.key}}}"
    file = written(tmp_path, port := free_port(), files)
    with running(file):
        trusting = ssl.create_default_context(cafile=str(authority.certificate))
        url = f"https://localhost:{port}"
        eventually(lambda: answers(url, verify=trusting), what="the console to listen", timeout_s=60)
        assert "strict-transport-security" in httpx2.get(f"{url}/login", verify=trusting).headers
        assert not answers(f"http://localhost:{port}")


@pytest.mark.parametrize(
    ("console", "problem"),
    [
        (
            "{host: 0.0.0.0}",
            "console.host: 0.0.0.0 can be reached from elsewhere: passwords would be sent in the clear",
        ),
        ("{host: 10.0.0.1}", "console.host: 10.0.0.1 can be reached from elsewhere"),
        ("{certificate: a.pem}", "console.key: or certificate is missing"),
        ("{key: a.key}", "console.key: or certificate is missing"),
        ("{trusted_proxies: [proxy.example]}", "'proxy.example' is no address and no network"),
        ("{idle_minutes: 0}", "console.idle_minutes"),
        ("{session_hours: 1000}", "console.session_hours"),
    ],
)
def test_what_may_not_be_configured(tmp_path: Path, console: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(problem)):
        load(written(tmp_path, free_port(), console), environment={})


@pytest.mark.parametrize(
    "console",
    ["{host: 127.0.0.1}", '{host: "::1"}', "{host: 0.0.0.0, trusted_proxies: [10.0.0.1]}",
     "{host: 0.0.0.0, certificate: a.pem, key: a.key}", "{trusted_proxies: [10.0.0.0/8]}"],
)  # fmt: skip
def test_what_may_be_configured(tmp_path: Path, console: str) -> None:
    assert load(written(tmp_path, free_port(), console), environment={}).console.enabled


def test_the_link_leads_to_where_it_listens() -> None:
    assert origin(Config()) == "http://127.0.0.1:11180"
    assert origin(Config(console=Console(host="::1"))) == "http://[::1]:11180"
    tls = Console(host="0.0.0.0", certificate=Path("a"), key=Path("b"))
    assert origin(Config(console=tls)) == "https://localhost:11180"


def test_serve_starts_one_unless_it_is_not_wanted() -> None:
    (child,) = processes._console(Config(), Path("c.yaml"))
    assert child.command[1:] == ("-m", "node.console", "--config", "c.yaml")
    assert processes._console(Config(console=Console(enabled=False)), Path("c.yaml")) == ()


@pytest.mark.peers
def test_a_console_that_is_killed_comes_back_and_nothing_else_stops(tmp_path: Path) -> None:
    with running_node(tmp_path, pacs_port=free_port()) as node:
        port = load(tmp_path / "config.yaml", environment={}).node.console_port
        eventually(lambda: answers(f"http://127.0.0.1:{port}"), timeout_s=60)
        node.kill("console")
        eventually(lambda: not answers(f"http://127.0.0.1:{port}"))
        assert node.echo()
        eventually(lambda: answers(f"http://127.0.0.1:{port}"), timeout_s=60, what="the console to come back")
        died = [line["role"] for line in node.log() if line["event"] == "process died"]
        assert died == ["console"]


@pytest.mark.parametrize(
    ("proxies", "address", "is_secure"),
    [((), "127.0.0.1", False), (("127.0.0.1",), "10.9.8.7", True), (("10.0.0.1",), "127.0.0.1", True)],
)
def test_only_a_trusted_proxy_says_who_calls(
    filled_root: Path, tmp_path: Path, proxies: tuple[str, ...], address: str, is_secure: bool
) -> None:
    store = filled.copied(filled_root, tmp_path / "root")
    here = site(store, console_port=free_port(), console=Console(trusted_proxies=proxies))
    here.add("root", Role.ADMIN)
    with serving(here) as url:
        headers = {"X-Forwarded-For": "10.9.8.7", "X-Forwarded-Proto": "https"}
        answer = httpx2.post(f"{url}/login", data=NAME_AND_PASSWORD, headers=headers)
    assert answer.status_code == 303
    assert ("; Secure" in answer.headers["set-cookie"]) is is_secure
    assert store.events("console")[0].detail == f"logged in from {address}"


def test_who_holds_connections_open_keeps_nobody_out(filled_root: Path, tmp_path: Path) -> None:
    """Silent ones, and one that sends a form a byte at a time; somebody who waits for an answer stays."""
    here = site(filled.copied(filled_root, tmp_path / "root"), console_port=free_port())
    with serving(here) as url, ExitStack() as held:
        client = held.enter_context(httpx2.Client(base_url=url))
        slow = held.enter_context(
            socket.create_connection(("127.0.0.1", here.console.config.node.console_port))
        )
        form = b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 9"
        slow.sendall(b"POST /login HTTP/1.1\r\nHost: a\r\n" + form + b"\r\n\r\nn")
        for _ in range(OPEN_MAX + 20):
            address = ("127.0.0.1", here.console.config.node.console_port)
            held.enter_context(socket.create_connection(address))
        assert client.get("/healthz").status_code == 200
        slow.settimeout(20)
        with suppress(ConnectionResetError):  # something of it was not read
            assert slow.recv(100) == b""  # it was the oldest


def found_of(processes: list[subprocess.Popen[bytes]]) -> list[Sibling]:
    """These, once all of them run: a process that has only just begun has next to no memory."""
    pids = {process.pid for process in processes}
    found = [each for each in siblings() if each.pid in pids and each.memory_bytes > 1_000_000]
    return found if len(found) == len(processes) else []


def test_the_processes_beside_it_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    asleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    started = [
        subprocess.Popen([*asleep, *words])
        for words in (["node.receiving", "--number", "3"], ["inference.worker"], ["something.else"])
    ]
    monkeypatch.setattr(os, "getppid", os.getpid)
    try:
        found = eventually(lambda: found_of(started[:2]))
        assert [s.role for s in found] == ["receiver 3", "worker"]
        assert [s for s in found if not 0 <= s.running_s < 600] == []
        assert started[2].pid not in {s.pid for s in siblings()}
    finally:
        for process in started:
            process.kill()
            process.wait()


def users(folder: Path, *arguments: str, password: str = "") -> tuple[int, str]:
    """Exit code and output of `ctnode users`."""
    command = ["users", *arguments, "--config", str(folder / "config.yaml")]
    done = CliRunner().invoke(app, command, input=f"{password}\n")
    return done.exit_code, done.output


def test_accounts_on_the_command_line(tmp_path: Path) -> None:
    written(tmp_path, free_port())
    assert users(tmp_path, "list") == (0, "nobody may log in yet\n")
    assert users(tmp_path, "add", "Root", "--role", "admin", password=PASSWORD) == (
        0,
        "root may log in as admin\n",
    )
    assert users(tmp_path, "add", "eve", password=PASSWORD)[0] == 0
    assert users(tmp_path, "add", "eve", password=PASSWORD) == (1, "account 'eve' is there already\n")
    assert users(tmp_path, "role", "eve", "--role", "operator") == (0, "eve is operator now\n")
    code, text = users(tmp_path, "list", "--json")
    assert (code, [(a["name"], a["role"]) for a in json.loads(text)]) == (
        0,
        [("eve", "operator"), ("root", "admin")],
    )
    assert users(tmp_path, "password", "eve", password="another horse battery")[0] == 0
    assert users(tmp_path, "remove", "eve") == (0, "eve may not log in any more\n")
    code, text = users(tmp_path, "remove", "root")
    assert (code, "is the last administrator" in text) == (1, True)
    assert users(tmp_path, "role", "bob", "--role", "viewer") == (1, "there is no account 'bob'\n")


@pytest.mark.parametrize("arguments", [("add", "../eve"), ("add", "eve", "--role", "king")])
def test_what_the_command_line_refuses(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    written(tmp_path, free_port())
    assert users(tmp_path, *arguments, password=PASSWORD)[0] != 0
    assert users(tmp_path, "add", "eve", password="short")[0] != 0
    assert users(tmp_path, "list") == (0, "nobody may log in yet\n")
