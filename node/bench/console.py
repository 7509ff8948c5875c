"""The web console over a well-filled ledger: what its pages take while instances arrive, and what they cost.

Alternating rounds, the same senders each time: with somebody who looks at one page after the other without a
pause, and with nobody.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

import httpx

from node.bench import filled
from node.bench.receive import WARM_UP, receiving_s, senders
from node.bench.receivers import ENVIRONMENT, NAME, START_S, Receiver, free_port, recycle, running
from node.console import passwords
from storage.bars import tracked

ACCOUNT, PASSWORD = "bench", "a long enough secret"
PAGES: Final = (
    "/",
    "/overview",
    "/series",
    f"/series/{filled.series_uid(0)}",
    f"/series/{filled.series_uid(0)}/progress",
    "/queue",
    "/peers",
    "/callers",
    "/quality",
    "/events",
    "/accounts",
)
PAUSE_S: Final = 0.5
"""Between two pages: nobody reads so fast."""
TIMEOUT_S: Final = 30.0

CONFIG: Final = """\
node: {{ae_title: BENCH, host: 127.0.0.1, port: {port}, console_port: {console_port}, max_associations: 200}}
peers:
  - {{name: bench, ae_title: BENCHSCU, may_send: true, hosts: [127.0.0.1]}}
  - {{name: {destination}, ae_title: PACS, gets_results: true, hosts: [127.0.0.1], port: {closed_port}}}
storage: {{root: ./data, reserve_mb: 100, spare_segments: 0}}
"""


@dataclass(frozen=True, kw_only=True)
class ConsoleFigures:
    """What `ctnode bench console` found."""

    series: int  # in the ledger
    instances: int  # of them all
    associations: int  # senders at the same time
    rounds: int
    page_ms: dict[str, float]  # page -> median of its answers while instances arrive
    slowest_ms: float  # of the pages' medians
    cost: float  # median over the rounds of 1 - rate with / rate without somebody who looks
    cost_range: tuple[float, float]  # lowest and highest of them


def measure(
    sent: Sequence[Sequence[Path]], folder: Path, *, series: int, instances: int, rounds: int
) -> ConsoleFigures:
    """Alternating rounds over a ledger of so many series with so many instances each."""
    ledger = folder / "filled.sqlite"
    hashed = passwords.hashed(PASSWORD, account=ACCOUNT)
    filled.fill(ledger, series=series, instances=instances, account=ACCOUNT, password=hashed)
    took: dict[str, list[float]] = defaultdict(list)
    costs = []
    for number in tracked("rounds", range(rounds), total=rounds):
        rates = {}
        for looked_at in (number % 2 == 0, number % 2 != 0):
            rates[looked_at] = _rate(sent, folder / NAME, ledger, took if looked_at else None)
        costs.append(1 - rates[True] / rates[False])
    pages = {page: 1000 * median(times) for page, times in took.items()}
    return ConsoleFigures(
        series=series,
        instances=series * instances,
        associations=len(sent),
        rounds=rounds,
        page_ms=pages,
        slowest_ms=max(pages.values()),
        cost=median(costs),
        cost_range=(min(costs), max(costs)),
    )


def _rate(
    sent: Sequence[Sequence[Path]], folder: Path, ledger: Path, took: dict[str, list[float]] | None
) -> float:
    """Instances a second, while somebody looks at pages where `took` is given."""
    os.sync()
    console_port = free_port()
    with (
        running(_receiver(ledger, console_port), folder) as it,
        _console(folder, console_port) as client,
        senders(it.port, sent) as ready,
        _looking(client, took),
    ):
        seconds = receiving_s(NAME, ready)
    recycle(folder)
    return sum(len(files) - WARM_UP for files in sent) / seconds


def _receiver(ledger: Path, console_port: int) -> Receiver:
    def command(folder: Path, port: int) -> list[str]:
        (folder / "data").mkdir(exist_ok=True)
        shutil.copy(ledger, folder / "data" / "ledger.sqlite")
        text = CONFIG.format(
            port=port, console_port=console_port, closed_port=free_port(), destination=filled.DESTINATION
        )
        (folder / "config.yaml").write_text(text)
        serve = [sys.executable, "-m", "node", "serve", "--receivers-only"]
        return [*serve, "--config", str(folder / "config.yaml")]

    return Receiver(name=NAME, program=sys.executable, syncs=True, command=command)


@contextmanager
def _console(folder: Path, port: int) -> Iterator[httpx.Client]:
    """A console beside the receivers, and somebody who has logged in."""
    command = [sys.executable, "-m", "node.console", "--config", str(folder / "config.yaml")]
    origin = f"http://127.0.0.1:{port}"
    with (folder / "console.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        with httpx.Client(base_url=origin, timeout=TIMEOUT_S, headers={"Origin": origin}) as client:
            _wait_for(client, process)
            answer = client.post("/login", data={"name": ACCOUNT, "password": PASSWORD})
            if answer.status_code != httpx.codes.SEE_OTHER:
                raise ConnectionError(f"the console lets nobody in: {answer.status_code}")
            yield client
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)


def _wait_for(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            client.get("/healthz")
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise TimeoutError("no console answers")


@contextmanager
def _looking(client: httpx.Client, took: dict[str, list[float]] | None) -> Iterator[None]:
    """Page after page, in a thread, until the end; nobody looks where nothing is to be told."""
    if took is None:
        yield
        return
    stopping = threading.Event()

    def look() -> None:
        number = sum(map(len, took.values()))
        while not stopping.is_set():
            page = PAGES[number % len(PAGES)]
            began = time.monotonic()
            client.get(page).raise_for_status()
            took[page].append(time.monotonic() - began)
            number += 1
            stopping.wait(PAUSE_S)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
