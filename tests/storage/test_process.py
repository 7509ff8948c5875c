"""How a process is told to stop: by a signal, or by the end of its supervisor."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from storage.process import SUPERVISED

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
