"""The figures of `ctnode bench console`: what they are made of, and when there are none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from itertools import islice
from pathlib import Path

import httpx
import numpy as np
import pytest
from pydicom import dcmread
from rich.console import Console
from typer.testing import CliRunner

from node.bench import commands, console, endless, filled, intervals, series
from node.bench.console import Plan, measure, wait_for_rows
from node.bench.flow import flowing
from node.bench.intervals import Interval, Pair, confidence, cost, orders
from node.bench.receive import NotStored
from node.bench.receivers import NAME, running
from node.bench.tables import console_table
from node.bench.visitor import CLICK_S, PAGES, POLLED_S, Agenda, Visitor
from node.console.routes import ROUTES
from tests.node.bench_receivers import forgetful, storescp
from tests.waiting import eventually

INSTANCES = 6
"""Of each series that is sent."""
NOT_GONE_TO = {
    "/healthz",
    "/readyz",
    "/login",
    "/login/oidc",
    "/login/oidc/callback",
    "/first",
    "/static/console.css",
    "/static/icon.svg",
    "/static/{name}",
    "/series/{uid}/slices/{stack}/{index}",
    "/series/{uid}/projections/{stack}/{plane}",
}
"""Without a login, kept by the browser for an hour, or pictures: the filled ledger has no pixels."""


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    folder = tmp_path_factory.mktemp("bench-console")
    files = series.simulated(folder / "ct", seed=1, slices=3, options=("--matrix", "64"))
    return series.copies(files, folder, senders=2, instances=INSTANCES)


def interval(rate: float) -> Interval:
    return Interval(seconds=2.0, instances=round(2 * rate), receivers_cpu_s=1.0, console_cpu_s=0.1)


def pair(looked_at: float, alone: float) -> Pair:
    return Pair(looked_at=interval(looked_at), alone=interval(alone))


def test_the_cost_is_the_median_share_of_the_rate_that_is_lost() -> None:
    found = cost([pair(990, 1000), pair(1900, 2000), pair(1000, 500)])
    assert found.median == pytest.approx(0.01)
    assert found.range == pytest.approx((-1.0, 0.05))
    assert found.ci95 == pytest.approx((-1.0, 0.05)), "three pairs tell next to nothing"


def test_pairs_that_agree_leave_no_doubt() -> None:
    assert cost([pair(980, 1000), pair(490, 500)] * 10).ci95 == pytest.approx((0.02, 0.02))


def test_what_changes_steadily_cancels() -> None:
    """A machine that gets 1 % faster with each interval, and a console that costs nothing."""
    rates = [100_000 * 1.01**n for n in range(40)]
    pairs = []
    for (first, _), two in zip(orders(), zip(rates[::2], rates[1::2], strict=True), strict=False):
        pairs.append(pair(*(two if first else reversed(two))))
    assert list(islice(orders(), 3)) == [(True, False), (False, True), (True, False)]
    assert cost(pairs).median == pytest.approx(0, abs=1e-4)
    assert cost([pair(*two) for two in zip(rates[::2], rates[1::2], strict=True)]).median > 0.009


def test_the_interval_of_the_median_holds_it_as_often_as_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """200 samples of 60 pairs from a known law: percentile bootstraps of a median hold in some 93-96 %."""
    monkeypatch.setattr(intervals, "BOOTSTRAPS", 1000)
    samples = np.random.default_rng(7).normal(0.03, 0.08, size=(200, 60))
    held = sum(low <= 0.03 <= high for low, high in map(confidence, samples.tolist()))
    assert 0.90 * 200 <= held <= 0.99 * 200


def test_somebody_goes_to_every_page_there_is() -> None:
    paths = {route.path.replace("{uid}", filled.series_uid(0)) for route in ROUTES if route.method == "GET"}
    kept = {path.replace("{uid}", filled.series_uid(0)) for path in NOT_GONE_TO}
    assert {*PAGES, *POLLED_S} == paths - kept


def test_a_page_each_half_second_and_what_asks_by_itself() -> None:
    agenda = Agenda()
    asked = []
    while agenda.next_s < 30.0:
        asked.append((agenda.next_s, agenda.take()))
    clicks = [(at_s, page) for at_s, page in asked if page in PAGES]
    assert clicks == [(CLICK_S * n, PAGES[n % len(PAGES)]) for n in range(60)]
    assert Counter(page for _, page in asked if page not in PAGES) == {
        f"/series/{filled.series_uid(0)}/progress": 15,
        "/overview": 6,
        "/metrics": 2,
    }
    assert [at_s for at_s, page in asked if page == "/overview"] == [0, 5, 10, 15, 20, 25]
    assert asked == sorted(asked, key=lambda each: each[0])


def test_who_looks_again_goes_on_where_they_were_and_all_answers_have_come() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(200)

    with httpx.Client(base_url="http://console", transport=httpx.MockTransport(answer)) as client:
        visitor = Visitor(client)
        for _ in range(2):
            with visitor.looking(2 * CLICK_S):
                pass
    assert [page for page in asked if page in PAGES] == list(PAGES[:4])
    assert len(asked) == sum(map(len, visitor.took_s.values())) == 4 + len(POLLED_S)


def test_a_page_that_fails_ends_the_measurement() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(500))
    with httpx.Client(base_url="http://console", transport=transport) as client:
        visitor = Visitor(client)
        with pytest.raises(httpx.HTTPStatusError, match="500"), visitor.looking(CLICK_S):
            pass


def test_senders_send_ever_new_series_and_count_what_was_acknowledged(
    sent: list[list[Path]], tmp_path: Path
) -> None:
    """DCMTK's storescp keeps one file for each SOP Instance UID."""
    with running(storescp(), tmp_path) as it, flowing(it.port, sent) as flow:
        eventually(lambda: flow.acknowledged() > 2 * 4 * INSTANCES)
        acknowledged = flow.stop()
    stored = [dcmread(file) for file in tmp_path.iterdir() if file.suffix != ".log"]
    assert len({ds.SOPInstanceUID for ds in stored}) == len(stored) == acknowledged
    assert all(ds.file_meta.MediaStorageSOPInstanceUID == ds.SOPInstanceUID for ds in stored)
    sizes = Counter(ds.SeriesInstanceUID for ds in stored)
    assert len(sizes) >= 4
    assert sum(size != INSTANCES for size in sizes.values()) <= len(sent), "only the last ones are not whole"
    assert max(sizes.values()) == INSTANCES
    pixels = {dcmread(file).PixelData for files in sent for file in files}
    assert {ds.PixelData for ds in stored} == pixels


def test_who_is_refused_has_no_figures(sent: list[list[Path]], tmp_path: Path) -> None:
    with (
        running(forgetful(0xA700), tmp_path) as it,
        flowing(it.port, sent) as flow,
        pytest.raises(NotStored, match=r"^\d+ instances were refused$"),
    ):
        flow.stop()


def test_what_was_acknowledged_and_has_no_row_has_no_figures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "ROWS_S", 0.6)
    path = tmp_path / "data" / "ledger.sqlite"
    filled.fill(path, series=2, instances=3, account="bench", password="none")
    wait_for_rows(tmp_path, 6)
    with pytest.raises(NotStored, match=r"^7 instances should be in the ledger, and 6 are$"):
        wait_for_rows(tmp_path, 7)


def test_pages_and_cost_of_a_whole_round(sent: list[list[Path]], tmp_path: Path) -> None:
    plan = Plan(rounds=2, pairs=2, interval_s=3 * CLICK_S)

    figures = measure(sent, tmp_path, series=3, instances=4, plan=plan)

    assert (figures.series, figures.instances, figures.associations) == (3, 12, 2)
    assert (figures.rounds, figures.pairs, figures.interval_s) == (2, 4, 1.5)
    assert set(figures.page_ms) <= {*PAGES, *POLLED_S}
    assert len(set(figures.page_ms) & set(PAGES)) == 6, "three pages in each of two intervals, the same twice"
    assert figures.slowest_ms == max(figures.page_ms.values())
    low, high = figures.cost_ci95
    assert figures.cost_range[0] <= low <= figures.cost <= high <= figures.cost_range[1] < 1
    assert figures.instances_per_s > 0
    assert 0 < figures.console_cpu_share < 1
    assert set(figures.receiver_cpu_ms) == {"looked at", "alone"}
    assert all(each > 0 for each in figures.receiver_cpu_ms.values())
    assert {file.name for file in (tmp_path / NAME / "data").iterdir()} == {"segments"}
    told = shown(replace(figures, cost=0.0213, cost_ci95=(-0.004, 0.0475), spares_left=1))
    assert "2.1 (-0.4 to 4.8)" in told
    assert "segments written meanwhile" not in told
    assert "segments written meanwhile" in shown(replace(figures, spares_left=0))


def shown(figures: console.ConsoleFigures) -> str:
    wide = Console(width=200)
    with wide.capture() as captured:
        wide.print(console_table(figures))
    return captured.get()


def test_the_command_writes_its_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "write_ahead", lambda folder, spares: None)
    file = tmp_path / "figures.json"
    options = {
        "--rounds": 1,
        "--pairs": 1,
        "--interval-s": 0.5,
        "--filled-series": 2,
        "--filled-instances": 3,
    }
    arguments = ["bench", "console", "--json", str(file)]
    for name, value in options.items():
        arguments += [name, str(value)]

    result = CliRunner().invoke(commands.app, arguments)

    assert result.exit_code == 0, result.output
    figures = json.loads(file.read_text())
    assert (figures["instances"], figures["pairs"]) == (6, 1)
    assert figures["cost_range"] == figures["cost_ci95"] == [figures["cost"]] * 2


COUNTING = """
import sys
from node.bench.endless import Counter
counter = Counter(int(sys.argv[1]), 1)
for number in range(60_000):
    counter.write(number)
"""


def test_a_count_is_read_whole_while_it_is_written() -> None:
    descriptor = os.memfd_create("counters")
    os.ftruncate(descriptor, 2 * endless.COUNTER_BYTES)
    counter = endless.Counter(descriptor, 1)
    with subprocess.Popen(
        [sys.executable, "-c", COUNTING, str(descriptor)], pass_fds=(descriptor,)
    ) as writer:
        read = [counter.read()]
        while writer.poll() is None:
            read += [counter.read() for _ in range(1000)]
    assert read == sorted(read)
    assert counter.read() == 59_999
    os.close(descriptor)
