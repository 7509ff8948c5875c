"""The crash harness: a node under load, killed at random instants, and held to its promises."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from tests.crash.accounts import Accounts
from tests.crash.checks import Finding, Verified, check
from tests.crash.entry import RESTART_MAX_S, RETENTION_S
from tests.crash.journal import Journal
from tests.crash.kills import next_blow, next_wait_s, victims
from tests.crash.node import Node, age_s, kill
from tests.crash.sender import HOLD, IDLE, RESEND_SHARE
from tests.crash.stored import Ledger
from tests.waiting import eventually

REST_S: Final = 240.0
"""How long a node may take to come to rest once nobody sends and nobody kills."""
TEND_S: Final = 0.1
UNDER_LOAD_SHARE: Final = 0.7
LOAD_S: Final = 4.0  # longest wait for that: a start takes less on a machine at rest
RESTART_S: Final = 0.5
AGE_OUT_EVERY_S: Final = 2.0
DAY_S: Final = 86400.0
START_S: Final = 3.0  # after which a process is at work, most often
CHECK_EVERY: Final = 25


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a run is."""

    kills: int
    senders: int = 4
    rate: float = 40  # instances per second of each sender; 0: as fast as it goes
    mean_s: float = 1.5  # between two blows
    seed: int = 1
    receivers: int = 2
    age_s: float = 0  # after which settled series age out, and segments are used again; 0: nothing goes
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def storage(self) -> str:
        """Small segments, so that many are sealed, and with an age, used again."""
        days = self.age_s / DAY_S
        return f"reserve_mb: 100, segment_mb: 4, spare_segments: 1, retention_days: {days:.9f}"


@dataclass(kw_only=True)
class Outcome:
    """What a run showed."""

    kills: Counter[str] = field(default_factory=Counter)  # role -> processes killed
    checks: int = 0  # times at rest
    seconds: float = 0.0
    rest_s: list[float] = field(default_factory=list)  # how long each rest took
    sent: int = 0  # instances
    acknowledged: int = 0
    repeated: int = 0  # answers of Success beyond the first of an instance
    statuses: dict[str, int] = field(default_factory=dict)  # other than Success
    aged_out: int = 0  # instances
    rows: int = 0
    series: int = 0
    states: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def total(self) -> int:
        return sum(self.kills.values())

    def json(self) -> dict[str, Any]:
        """For machines."""
        kills = {"kills": dict(self.kills), "total_kills": self.total}  # asdict cannot copy a Counter
        return asdict(replace(self, kills=Counter())) | kills | {"held": not self.findings}


class Harness:
    """One run in a folder."""

    def __init__(self, folder: Path, options: Options, say: Callable[[str], None] = lambda _: None) -> None:
        self._folder, self._options, self._say = folder, options, say
        self._node = Node(
            folder=folder,
            receivers=options.receivers,
            senders=options.senders,
            storage=options.storage,
            environment={
                RESTART_MAX_S: str(RESTART_S),
                RETENTION_S: str(AGE_OUT_EVERY_S),
                **options.environment,
            },
        )
        self._chance = random.Random(options.seed)
        self._ledger = Ledger(self._node.ledger)
        numbers = range(1, options.senders + 1)
        self._journal = Journal(paths=tuple(folder / f"journal-{number}" for number in numbers))
        self._hold = folder / HOLD
        self._idle = [folder / IDLE.format(number) for number in numbers]
        self._verified = Verified()
        self._accounts = Accounts(age_s=options.age_s)
        self.outcome = Outcome()

    def run(self) -> Outcome:
        """Kill so often, check in between and in the end; ends early where something was found."""
        began = time.monotonic()
        self._node.configure()
        self._node.start()
        senders: list[subprocess.Popen[bytes]] = []
        try:
            self._node.wait_ready()
            senders = [self._sender(number) for number in range(1, self._options.senders + 1)]
            while self.outcome.total < self._options.kills and not self.outcome.findings:
                self._blows(min(CHECK_EVERY, self._options.kills - self.outcome.total))
                self._rest()
                self._check()
                self._go_on()
            self._rest()
            self._verified.rows.clear()  # what was right in the beginning may have been written over since
            self._check()
        finally:
            for sender in senders:
                sender.kill()
                sender.wait()
            self._node.stop()
            self.outcome.seconds = time.monotonic() - began
        return self.outcome

    def _sender(self, number: int) -> subprocess.Popen[bytes]:
        run = 100_000 + self._options.seed % 900_000
        values = {"port": self._node.port, "number": number, "run": run, "rate": self._options.rate}
        values["resend"] = 0 if self._options.age_s else RESEND_SHARE  # what has aged out is new again
        words = [f"--{name}={value}" for name, value in values.items()]
        command = [sys.executable, "-m", "tests.crash.sender", f"--folder={self._folder}", *words]
        return subprocess.Popen(command, cwd=Path(__file__).parents[2], env=os.environ)

    def _blows(self, count: int) -> None:
        until = self.outcome.total + count
        while self.outcome.total < until:
            written = self._written()
            self._wait(next_wait_s(self._chance, self._options.mean_s))
            if self._chance.random() < UNDER_LOAD_SHARE:
                self._wait_for_load(written)
            blow = next_blow(self._chance)
            living = self._node.processes()
            at_work = [each.pid for each in living if age_s(each) > START_S]
            for process in victims(blow, living, self._chance, at_work=at_work):
                self.outcome.kills[process.role] += kill(process)

    def _written(self) -> int:
        """Bytes of the journals: they grow when something was acknowledged."""
        return sum(path.stat().st_size for path in self._journal.paths if path.exists())

    def _wait_for_load(self, written: int) -> None:
        """Most blows meet a node that has taken something since the last; the others one that just starts."""
        end = time.monotonic() + LOAD_S
        while self._written() == written and time.monotonic() < end:
            self._wait(TEND_S)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._node.tend()
            time.sleep(min(left, TEND_S))

    def _rest(self) -> None:
        """Senders finish their series and pause; the node finishes its own."""
        began = time.monotonic()
        self._hold.touch()
        self._until(lambda: all(path.exists() for path in self._idle), "the senders to be answered")
        self._until(self._rests, "every series to be final")
        self.outcome.rest_s.append(round(time.monotonic() - began, 1))

    def _go_on(self) -> None:
        self._hold.unlink()
        self._until(lambda: not any(path.exists() for path in self._idle), "the senders to go on")

    def _rests(self) -> bool:
        return not self._ledger.unsettled() and not self._ledger.open_associations()

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        """What does not come in time is a finding, and the checks say more."""

        def tended() -> bool:
            self._node.tend()
            return condition()

        try:
            eventually(tended, timeout_s=REST_S, what=what)
        except AssertionError as error:
            detail = f"{error}; {self._ledger.unsettled()}"
            self.outcome.findings.append(Finding(kind="no rest", subject=what, detail=detail))

    def _check(self) -> None:
        """While it looks nothing may age out: the dispatcher, which does that, is stopped (SIGSTOP)."""
        self._journal.read()
        with self._node.paused("dispatcher"):
            now = time.time()
            if self._options.age_s:
                stored = {each.series_instance_uid: each.instances for each in self._ledger.series()}
                self._accounts.settle(self._journal, stored, now)
            self.outcome.findings += check(self._node.root, self._ledger, self._journal, self._verified)
        self.outcome.findings += self._accounts.findings
        self._accounts.findings.clear()
        self.outcome.checks += 1
        self._count()
        self._say(
            f"{self.outcome.total:4} kills, {self.outcome.acknowledged} acknowledged, "
            f"{self.outcome.aged_out} aged out, {self.outcome.rows} rows, "
            f"{self.outcome.series} series {self.outcome.states}, "
            f"rest {self.outcome.rest_s[-1]:g} s, {len(self.outcome.findings)} findings"
        )

    def _count(self) -> None:
        notes, outcome = self._journal.noted.values(), self.outcome
        outcome.aged_out = gone = self._accounts.aged_out
        outcome.sent, outcome.acknowledged = gone + len(notes), gone + self._journal.acknowledged
        outcome.repeated = sum(max(0, note.acknowledged - 1) for note in notes)
        outcome.statuses = dict(self._journal.statuses)
        series = self._ledger.series()
        outcome.rows, outcome.series = sum(each.instances for each in series), len(series)
        outcome.states = dict(Counter(each.state for each in series))
