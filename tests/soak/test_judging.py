"""What the soak calls flat, and how it accounts for what aged out."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.crash.accounts import Accounts
from tests.crash.checks import Finding
from tests.crash.journal import Journal, Noted
from tests.crash.node import Process
from tests.soak.run import Options, Soak
from tests.soak.samples import Sample, lines, of_process, slope
from tests.soak.sender import EVERY, SLICES, digest, plan

COUNT = 180  # samples of half an hour


def samples(name: str, start: float, growth: float, noise: float = 0.0) -> list[Sample]:
    """A measure that grows by so much in all, first by as much again while it settles."""
    chance = random.Random(7)
    return [
        Sample(
            at_s=10.0 * index,
            values={
                name: start
                + growth * index / COUNT
                + chance.uniform(-noise, noise)
                + 100 * min(1.0, index / 30)
            },
        )
        for index in range(COUNT)
    ]


def test_a_line_of_least_squares() -> None:
    assert slope([(0, 1), (10, 2), (20, 3)]) == pytest.approx(0.1)
    assert slope([(0, 5), (10, 5)]) == 0
    assert slope([(3, 5)]) == 0


@pytest.mark.parametrize(
    ("name", "growth", "noise", "flat"),
    [
        ("receiver 0 rss_mb", 0, 5, True),
        ("receiver 0 rss_mb", 30, 5, False),
        ("receiver 0 rss_mb", -30, 0, True),
        ("worker 0 descriptors", 0, 2, True),
        ("worker 0 descriptors", 6, 2, False),
        ("worker 0 connections", 9, 0, True),
        ("worker 0 connections", 18, 0, False),
        ("dispatcher 0 threads", 4, 0, False),
        ("ledger_mb", 5, 1, True),
        ("ledger_mb", 60, 1, False),
        ("store_mb", 2000, 100, False),
        ("segments", 3, 1, True),
    ],
)
def test_what_is_flat(name: str, growth: float, noise: float, flat: bool) -> None:
    (line,) = lines(samples(name, 100, growth, noise))
    assert line.flat is flat
    assert line.growth == pytest.approx(growth * 2 / 3, abs=0.4 * noise + 0.4)
    if not flat:
        assert (line.finding.kind, line.finding.subject) == ("not flat", name)


def journal(**series: list[float | None]) -> Journal:
    """Instances by series, each with the time of its Success."""
    noted = {
        f"{uid}.{index}": Noted(
            series_instance_uid=uid, digest="", acknowledged_at=at, acknowledged=int(at is not None)
        )
        for uid, times in series.items()
        for index, at in enumerate(times)
    }
    return Journal(paths=(), noted=noted)


def test_a_series_that_is_gone_and_old_is_accounted_for() -> None:
    kept = journal(old=[10.0, 11.0], new=[95.0], stored=[10.0], sending=[99.0, None])
    accounts = Accounts(age_s=20)
    accounts.settle(kept, {"stored": 1, "new": 1}, 100.0)
    assert (accounts.aged_out, accounts.aged_out_series, accounts.findings) == (2, 1, [])
    assert {note.series_instance_uid for note in kept.noted.values()} == {"new", "stored", "sending"}


def test_a_series_that_is_gone_too_early_is_told() -> None:
    accounts = Accounts(age_s=20)
    accounts.settle(journal(new=[90.0, 95.0]), {}, 100.0)
    detail = "2 acknowledged, the last 5.0 s ago; kept 20 s"
    assert accounts.findings == [Finding(kind="series gone too early", subject="new", detail=detail)]


def test_rows_that_may_be_on_their_way_are_waited_for() -> None:
    accounts, kept = Accounts(age_s=20), journal(new=[96.0, 98.0])
    accounts.settle(kept, {}, 100.0)
    assert (accounts.findings, len(kept.noted)) == ([], 2)
    accounts.settle(kept, {}, 101.5)
    assert [each.detail for each in accounts.findings] == ["2 acknowledged, the last 3.5 s ago; kept 20 s"]


def test_loud_lines_and_miscounted_series_are_told(tmp_path: Path) -> None:
    soak = Soak(tmp_path, Options(minutes=1))
    said = [
        '{"level": "info", "event": "series aged out", "count": 3}',
        '{"level": "warning", "event": "association rejected"}',
        '{"level": "error", "event": "round failed"}',
        "Traceback (most recent call last):",
    ]
    (tmp_path / "node.log").write_text("\n".join(said) + "\n")
    soak._read_log()
    told = [(each.kind, each.subject, each.detail) for each in soak.outcome.findings]
    assert told == [
        ("log", "error: round failed", "1 lines"),
        ("log", "error: a line that is no JSON", "1 lines"),
        ("aged out", "series", "3 in the log, 0 are gone"),
    ]
    assert soak.outcome.log["warning: association rejected"] == 1


def test_what_is_sent() -> None:
    plans = [plan(number) for number in range(1, 2 * EVERY + 1)]
    assert [each.modality for each in plans].count("CT") == 2
    assert {len(each.positions_mm) for each in plans if each.modality == "MR"} == {SLICES}
    assert digest(b"") == "99aa06d3014798d86001c324468d497f"


def test_connections_to_the_ledger_are_counted_apart(tmp_path: Path) -> None:
    here = Process(pid=os.getpid(), role="worker")
    before = of_process(here)
    with (tmp_path / "ledger.sqlite").open("w"), (tmp_path / "other").open("w"):
        after = of_process(here)
    assert after["connections"] - before["connections"] == 1
    assert after["descriptors"] - before["descriptors"] == 1
