"""The soak: a node at full rate for a long time; its oldest series age out as fast as new ones come."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.crash.accounts import Accounts
from tests.crash.checks import Finding, missing, stuck, twice, wrong_bytes, wrong_counts
from tests.crash.entry import RETENTION_S
from tests.crash.journal import Journal
from tests.crash.node import Node
from tests.crash.stored import Ledger, Row, data_set_of
from tests.soak.samples import Line, Sample, lines, take
from tests.soak.sender import digest
from tests.waiting import eventually

SAMPLE_S: Final = 10.0
LOOKS: Final = 100  # rows whose bytes are compared with each sample
REST_S: Final = 300.0
DAY_S: Final = 86400.0
NO_JSON: Final = {"level": "error", "event": "a line that is no JSON"}
LOUD: Final = frozenset({"error", "critical"})


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run is."""

    minutes: float
    senders: int = 4
    receivers: int = 2
    age_s: float = 20  # after which a settled series goes; decides how much disk is in use
    segment_mb: int = 256


@dataclass(kw_only=True)
class Outcome:
    """What a run showed."""

    seconds: float = 0.0  # of sending
    acknowledged: int = 0  # instances
    aged_out: int = 0
    present: int = 0  # rows in the end
    aged_out_series: int = 0
    compared: int = 0  # rows whose bytes were compared
    log: dict[str, int] = field(default_factory=dict)  # level and message -> lines, of warnings and worse
    samples: list[Sample] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def json(self) -> dict[str, Any]:
        """For machines."""
        rate = {"instances_per_s": round(self.acknowledged / self.seconds, 1) if self.seconds else 0.0}
        return rate | asdict(self) | {"held": not self.findings}


class Soak:
    """One run in a folder."""

    def __init__(self, folder: Path, options: Options, say: Callable[[str], None] = lambda _: None) -> None:
        self._folder, self._options, self._say = folder, options, say
        days = options.age_s / DAY_S
        self._node = Node(
            folder=folder,
            receivers=options.receivers,
            senders=options.senders,
            storage=f"reserve_mb: 2048, segment_mb: {options.segment_mb}, retention_days: {days:.9f}",
            environment={RETENTION_S: "5"},
        )
        self._ledger = Ledger(self._node.ledger)
        numbers = range(1, options.senders + 1)
        self._journal = Journal(paths=tuple(folder / f"journal-{number}" for number in numbers))
        self._accounts = Accounts(age_s=options.age_s)
        self._names: dict[int, str] = {}
        self._chance = random.Random(1)
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Send for so long, rest, and judge."""
        self._node.configure()
        self._node.start()
        try:
            self._node.wait_ready()
            self._name_processes()
            with self._senders() as senders:
                self._send(senders)
                self._finish()
        finally:
            self._node.stop()
        self._judge()
        return self.outcome

    def _name_processes(self) -> None:
        """A process that is not one of these any more died."""
        counted: Counter[str] = Counter()
        for process in sorted(self._node.processes(), key=lambda process: process.pid):
            self._names[process.pid] = f"{process.role} {counted[process.role]}"
            counted[process.role] += 1

    @contextmanager
    def _senders(self) -> Iterator[list[subprocess.Popen[bytes]]]:
        run = 100_000 + int(time.time()) % 900_000
        senders = []
        for number in range(1, self._options.senders + 1):
            values = {"folder": self._folder, "port": self._node.port, "number": number, "run": run}
            words = [f"--{name}={value}" for name, value in values.items()]
            command = [sys.executable, "-m", "tests.soak.sender", *words]
            senders.append(subprocess.Popen(command, cwd=Path(__file__).parents[2]))
        try:
            yield senders
        finally:
            for sender in senders:
                sender.kill()
                sender.wait()

    def _send(self, senders: list[subprocess.Popen[bytes]]) -> None:
        began = time.monotonic()
        while (passed_s := time.monotonic() - began) < self._options.minutes * 60:
            time.sleep(max(0.0, SAMPLE_S * len(self.outcome.samples) - passed_s))
            self.outcome.samples.append(take(self._node, time.monotonic() - began, self._names))
            self._settle()
            self._look()
        for sender in senders:
            sender.terminate()
        for sender in senders:
            sender.wait(REST_S)
        self.outcome.seconds = round(time.monotonic() - began, 1)

    def _settle(self) -> None:
        """Journal first, rows second: what is not among the rows was there and is gone."""
        self._journal.read()
        now = time.time()
        stored = {each.series_instance_uid: each.instances for each in self._ledger.series()}
        self._accounts.settle(self._journal, stored, now)
        acknowledged = self._accounts.aged_out + self._journal.acknowledged
        values = self.outcome.samples[-1].values
        rss = sum(value for name, value in values.items() if name.endswith("rss_mb"))
        self._say(
            f"{self.outcome.samples[-1].at_s:6.0f} s, {acknowledged} acknowledged, "
            f"{self._accounts.aged_out} aged out, {len(stored)} series, RSS {rss:.0f} MB, "
            f"store {values['store_mb']:.0f} MB"
        )

    def _look(self) -> None:
        """Some bytes are compared while others are written: a segment used again too early shows here."""
        rows = list(self._ledger.rows())
        some = self._chance.sample(rows, min(LOOKS, len(rows)))
        suspects = list(self._wrong(some))
        if suspects:  # a row that has aged out since is none
            living = {row.sop_instance_uid for row in self._ledger.rows()}
            self.outcome.findings += [each for each in suspects if each.subject in living]
        self.outcome.compared += len(some)

    def _wrong(self, rows: list[Row]) -> Iterator[Finding]:
        known = [row for row in rows if row.sop_instance_uid in self._journal.noted]
        return wrong_bytes(
            known, self._journal.noted, lambda path: digest(data_set_of(self._node.root, path))
        )

    def _finish(self) -> None:
        """Until the node has nothing left to do; nobody may have died."""
        eventually(
            lambda: not self._ledger.unsettled() and not self._ledger.open_associations(),
            timeout_s=REST_S,
            what="every series to be final",
        )
        self._say("at rest")
        living = {process.pid for process in self._node.processes()}
        for pid, name in self._names.items():
            if pid not in living:
                self.outcome.findings.append(Finding(kind="process died", subject=name, detail=f"pid {pid}"))

    def _judge(self) -> None:
        """The node has stopped: the ledger says once for all what is there."""
        self._settle()
        rows, series = list(self._ledger.rows()), self._ledger.series()
        self.outcome.findings += [
            *self._accounts.findings,
            *missing(rows, self._journal.noted),
            *self._wrong(rows),
            *twice(rows),
            *wrong_counts(rows, series),
            *stuck(series),
            *(Finding(kind="kept aside", subject=uid, detail=why) for uid, why in self._ledger.aside()),
        ]
        self.outcome.present, self.outcome.compared = len(rows), self.outcome.compared + len(rows)
        self.outcome.aged_out = self._accounts.aged_out
        self.outcome.aged_out_series = self._accounts.aged_out_series
        self.outcome.acknowledged = self._accounts.aged_out + self._journal.acknowledged
        self._read_log()
        self.outcome.lines = lines(self.outcome.samples)
        self.outcome.findings += [line.finding for line in self.outcome.lines if not line.flat]

    def _read_log(self) -> None:
        counted: Counter[str] = Counter()
        aged_out = 0
        for text in self._node.log.read_text().splitlines():
            said: dict[str, Any] = json.loads(text) if text.startswith("{") else NO_JSON
            if said["level"] != "info":
                counted[f"{said['level']}: {said['event']}"] += 1
            aged_out += said.get("count", 0) if said["event"] == "series aged out" else 0
        self.outcome.log = dict(counted)
        for line, count in counted.items():
            if line.split(":")[0] in LOUD:
                self.outcome.findings.append(Finding(kind="log", subject=line, detail=f"{count} lines"))
        if aged_out != self._accounts.aged_out_series:
            detail = f"{aged_out} in the log, {self._accounts.aged_out_series} are gone"
            self.outcome.findings.append(Finding(kind="aged out", subject="series", detail=detail))
