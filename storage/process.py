"""How a process of ours is told to stop: SIGTERM, SIGINT, or the end of its supervisor."""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

SUPERVISED: Final = "CTNODE_SUPERVISED"
"""Set in the environment of a child whose standard input is its supervisor's pipe."""
STANDARD_INPUT: Final = 0


def until_told_to_stop() -> threading.Event:
    """An event that is set when this process should stop; call it once, from the main thread.

    When the supervisor dies, even by SIGKILL, its pipe ends: a child never outlives it to hold the port.
    """
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if os.environ.get(SUPERVISED):
        threading.Thread(target=_wait_for_end, args=(stopping,), daemon=True).start()
    return stopping


def _wait_for_end(stopping: threading.Event) -> None:
    """Not by `sys.stdin`: its lock, held by a daemon thread, aborts the interpreter when it ends."""
    while os.read(STANDARD_INPUT, 4096):
        pass
    stopping.set()
