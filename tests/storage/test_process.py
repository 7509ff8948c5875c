"""How a process is told to stop: by a signal, or by the end of its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading

import pytest

from storage.process import SUPERVISED, Told
from tests.waiting import eventually

CHILD = """
from storage.process import until_told_to_stop
stopping = until_told_to_stop(); print("runs", flush=True); stopping.wait(); print("stops", flush=True)
"""


def _child(*, supervised: bool) -> subprocess.Popen[bytes]:
    environment = {**os.environ, SUPERVISED: "1"} if supervised else os.environ
    pipe = subprocess.PIPE
    child = subprocess.Popen(
        [sys.executable, "-c", CHILD], stdin=pipe, stdout=pipe, stderr=pipe, env=environment
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"runs\n"
    return child


@pytest.mark.parametrize("supervised", [True, False])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_cleanly(number: signal.Signals, supervised: bool) -> None:
    child = _child(supervised=supervised)
    child.send_signal(number)
    assert child.stdout is not None
    assert child.stdout.read() == b"stops\n"
    assert child.wait(20) == 0
    assert child.communicate()[1] == b""


def test_the_end_of_the_supervisor_stops_it_cleanly() -> None:
    child = _child(supervised=True)
    out, err = child.communicate(b"said on the way\n", timeout=20)  # closes its standard input
    assert (out, err, child.returncode) == (b"stops\n", b"", 0)


def test_a_process_of_its_own_ignores_the_end_of_its_input() -> None:
    child = _child(supervised=False)
    assert child.stdin is not None
    child.stdin.close()
    child.stdin = None
    child.send_signal(signal.SIGTERM)
    assert child.communicate(timeout=20)[0] == b"stops\n"
    assert child.returncode == 0


STORM = """
import signal, sys
from storage.process import Told
told = Told(); heard = 0
signal.signal(signal.SIGALRM, lambda *_: told.set())
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
while heard < 20_000:
    heard += told.wait(20)
    told.clear()
print(heard)
"""
"""Signals that come wherever the main thread is: in `wait`, in `clear`, in the handler of the one before."""


def test_a_signal_never_waits_for_the_thread_that_it_interrupts() -> None:
    done = subprocess.run([sys.executable, "-c", STORM], capture_output=True, timeout=120, check=False)
    assert (done.stdout, done.stderr) == (b"20000\n", b"")


def test_what_is_told_is_heard_by_all_who_wait_until_it_is_cleared() -> None:
    told, heard = Told(), []
    threads = [threading.Thread(target=lambda: heard.append(told.wait(20))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert told.wait(0) is False
    told.set()
    eventually(lambda: heard == [True] * 3)
    assert told.is_set() and told.wait(0) is True
    told.set()
    told.clear()
    assert not told.is_set() and told.wait(0) is False
