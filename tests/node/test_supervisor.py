"""One command that keeps processes alive: real ones, small, that die, hang and are left alone."""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from node import supervisor
from node.supervisor import Child, Supervisor
from storage.process import SUPERVISED
from tests.waiting import eventually

REPOSITORY = Path(__file__).resolve().parents[2]
PYTHON = sys.executable
OBEDIENT = "from storage.process import until_told_to_stop; s = until_told_to_stop(); {say}; s.wait()"


def child(role: str, code: str) -> Child:
    return Child(role=role, command=(PYTHON, "-c", code))


def says(file: Path, text: str) -> str:
    """Code that adds a line to a file."""
    return f"open({str(file)!r}, 'a').write({text!r} + '\\n')"


def lines(file: Path) -> list[str]:
    return file.read_text().split() if file.exists() else []


@contextmanager
def supervised(*members: Child) -> Iterator[Supervisor]:
    """A supervisor that runs in a thread, where it cannot take signals."""
    each = Supervisor(children=members)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor.signal, "signal", lambda *_: None)
        patch.chdir(REPOSITORY)
        running = threading.Thread(target=each.run)
        running.start()
        try:
            yield each
        finally:
            each.stopping.set()
            running.join(60)
    assert not running.is_alive()


def test_a_child_that_dies_is_started_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "POLL_S", 0.01)
    file = tmp_path / "starts"
    mortal = child("mortal", says(file, "up"))
    mortal.wait_s = 0.01
    with supervised(mortal):
        eventually(lambda: len(lines(file)) >= 3)
    assert mortal.process is None or mortal.process.poll() is not None


def test_each_wait_is_twice_the_last_up_to_the_longest_and_a_steady_run_forgets_them() -> None:
    member = child("x", "")
    each = Supervisor(children=(member,))
    waits = []
    now = 1000.0
    for _ in range(8):
        member.started_at = now
        each._bury(member, 1, now + 4.9)
        waits.append(member.restart_at - (now + 4.9))
        now = member.restart_at
    assert [round(wait, 6) for wait in waits] == [0.5, 1, 2, 4, 8, 16, 30, 30]
    member.started_at = now
    each._bury(member, 1, now + 5.0)
    assert round(member.restart_at - (now + 5.0), 6) == 0.5


def test_it_is_not_started_before_its_wait_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[float] = []
    monkeypatch.setattr(Supervisor, "_start", lambda _self, _child, now: started.append(now))
    member = child("x", "")
    member.restart_at = 10.0
    each = Supervisor(children=(member,))
    for now in (9.9, 10.0):
        each._tend(member, now)
    assert started == [10.0]


def test_they_stop_stage_by_stage_and_those_of_one_stage_together(tmp_path: Path) -> None:
    """The receivers first: what they still take in is completed and delivered by the others."""
    up, down = tmp_path / "up", tmp_path / "down"
    code = OBEDIENT.format(say=says(up, "{role}")) + "; " + says(down, "{role}")
    roles = {"worker": 2, "dispatcher": 1, "receiver": 0}
    members = [child(role, code.replace("{role}", role)) for role in roles]
    both = tmp_path / "both"
    waits = (
        f"{says(both, 'x')}; import time\nwhile open({str(both)!r}).read().count('x') < 2: time.sleep(0.01)"
    )
    pair = [child(f"pair {n}", f"{OBEDIENT.format(say=says(up, 'pair'))}; {waits}") for n in range(2)]
    for member, stage in zip([*members, *pair], [*roles.values(), 3, 3], strict=True):
        member.stage = stage
    with supervised(*members, *pair):
        eventually(lambda: len(lines(up)) == 5)
    assert lines(down) == ["receiver", "dispatcher", "worker"]
    assert lines(both) == ["x", "x"]


def test_what_is_let_go_of_goes_before_anybody_is_told_to_stop(tmp_path: Path) -> None:
    up, down = tmp_path / "up", tmp_path / "down"
    code = OBEDIENT.format(say=says(up, "up")) + "; " + says(down, "stopped")
    each = Supervisor(children=(child("x", code),), before_stopping=lambda: down.write_text("released\n"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(supervisor.signal, "signal", lambda *_: None)
        patch.chdir(REPOSITORY)
        running = threading.Thread(target=each.run)
        running.start()
        eventually(lambda: lines(up))
        each.stopping.set()
        running.join(60)
    assert lines(down) == ["released", "stopped"]


def test_one_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "STOP_S", 0.2)
    up = tmp_path / "up"
    deaf = f"import signal; signal.signal(15, signal.SIG_IGN); {says(up, 'deaf')}; signal.pause()"
    obedient = OBEDIENT.format(say=says(up, "obedient"))
    members = (child("deaf", deaf), child("obedient", obedient))
    with supervised(*members):
        eventually(lambda: len(lines(up)) == 2)
    assert [member.process.returncode for member in members if member.process] == [-9, 0]


MAIN = """
import sys
from node.supervisor import Child, Supervisor
commands = [(sys.executable, "-c", code) for code in sys.argv[1:]]
children = tuple(Child(role=str(n), command=command) for n, command in enumerate(commands))
sys.exit(Supervisor(children=children).run())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_children_end_with_their_supervisor_however_it_ends(tmp_path: Path, number: signal.Signals) -> None:
    up, down = tmp_path / "up", tmp_path / "down"
    write = f"import os; open({str(up)!r}, 'a').write(str(os.getpid()) + '\\n')"
    codes = [OBEDIENT.format(say=write) + "; " + says(down, "down")] * 2
    process = subprocess.Popen([PYTHON, "-c", MAIN, *codes], cwd=REPOSITORY, stderr=subprocess.DEVNULL)
    eventually(lambda: len(lines(up)) == 2)
    process.send_signal(number)
    assert process.wait(60) == (-9 if number is signal.SIGKILL else 0)
    eventually(lambda: len(lines(down)) == 2, what="both ended by themselves")
    for pid in map(int, lines(up)):
        eventually(lambda: not _runs(pid))  # noqa: B023


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_alone_stops_at_a_signal_and_not_at_the_end_of_its_input(
    tmp_path: Path, number: signal.Signals
) -> None:
    up = tmp_path / "up"
    environment = {name: value for name, value in os.environ.items() if name != SUPERVISED}
    code = OBEDIENT.format(say=says(up, "up"))
    process = subprocess.Popen(
        [PYTHON, "-c", code], cwd=REPOSITORY, stdin=subprocess.DEVNULL, env=environment
    )
    eventually(lambda: lines(up))
    assert process.poll() is None
    process.send_signal(number)
    assert process.wait(30) == 0


def test_a_child_has_the_environment_and_the_descriptors_that_it_is_given(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.set_inheritable(writing, False)
    told = f"import os; os.write({writing}, os.environ['TOLD'].encode()); "
    code = told + OBEDIENT.format(say="pass")
    each = Child(
        role="told", command=(PYTHON, "-c", code), environment={"TOLD": "yes"}, descriptors=(writing,)
    )
    with supervised(each):
        assert os.read(reading, 10) == b"yes"
    os.close(reading)
    os.close(writing)


def test_a_child_that_cannot_be_started_ends_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "POLL_S", 0.01)
    up, popen, refused = tmp_path / "up", subprocess.Popen, []

    def start(command: tuple[str, ...], **rest: Any) -> Any:
        if "poor" in command[-1] and not refused:
            refused.append(command)
            raise BlockingIOError(11, "Resource temporarily unavailable")
        return popen(command, **rest)

    monkeypatch.setattr(supervisor.subprocess, "Popen", start)
    members = [child(role, OBEDIENT.format(say=says(up, role))) for role in ("poor", "rich")]
    members[0].wait_s = 0.01
    with capture_logs() as logs, supervised(*members):
        eventually(lambda: sorted(lines(up)) == ["poor", "rich"])
    assert [(line["role"], line["reason"]) for line in logs if line["event"] == "process not started"] == [
        ("poor", "Resource temporarily unavailable")
    ]


SERVE = (
    "import sys; from node.supervisor import Supervisor;"
    "each = Supervisor(children=());"
    "each.told_to_look = lambda: open({looked!r}, 'w').close();"
    "each.each_round = lambda: open({runs!r}, 'w').close();"
    "sys.exit(each.run())"
)


@contextmanager
def serving(folder: Path, standard: int) -> Iterator[subprocess.Popen[bytes]]:
    """A supervisor in a session of its own, with a terminal or a file as its standard descriptors."""
    code = SERVE.format(looked=str(folder / "looked"), runs=str(folder / "runs"))
    process = subprocess.Popen(
        [PYTHON, "-c", code],
        stdin=standard, stdout=standard, stderr=standard,
        start_new_session=True, cwd=REPOSITORY,
        preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0) if os.isatty(0) else None,
    )  # fmt: skip
    try:
        eventually((folder / "runs").exists, timeout_s=60, what="the supervisor to run")
        yield process
    finally:
        process.kill()
        process.wait(60)


def test_who_closes_the_terminal_ends_what_runs_in_it_and_a_signal_alone_does_not(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    with serving(tmp_path, theirs) as process:
        os.close(theirs)
        process.send_signal(signal.SIGHUP)
        eventually((tmp_path / "looked").exists, timeout_s=60, what="the supervisor to look again")
        assert process.poll() is None
        (tmp_path / "looked").unlink()
        os.close(ours)  # the kernel sends SIGHUP
        assert process.wait(60) == 0
    assert not (tmp_path / "looked").exists()


def test_without_a_terminal_every_sighup_is_a_question(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+") as file, serving(tmp_path, file.fileno()) as process:
        process.send_signal(signal.SIGHUP)
        eventually((tmp_path / "looked").exists, timeout_s=60, what="the supervisor to look again")
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
