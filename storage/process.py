"""How a process of ours is told to stop (SIGTERM, SIGINT, its supervisor ends) and to look again (SIGHUP).

SIGHUP says two things: somebody asks a service to look at its configuration again, or the terminal of a
program is gone. Which of the two it was, the terminal knows.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Final

SUPERVISED: Final = "CTNODE_SUPERVISED"
"""Set in the environment of a child whose standard input is its supervisor's pipe."""
STANDARD_INPUT: Final = 0
STANDARD: Final = (STANDARD_INPUT, 1, 2)
"""Descriptors by which a program has a terminal."""


class Terminal:
    """The terminal from which this process was started, if it was."""

    def __init__(self) -> None:
        self._descriptors = [number for number in STANDARD if os.isatty(number)]

    def is_gone(self) -> bool:
        """It was there, and was closed: the kernel answers for it no more (vhangup(2), EIO)."""
        return bool(self._descriptors) and not any(os.isatty(number) for number in self._descriptors)


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


def when_told_to_look(look: Callable[[], None]) -> None:
    """Call a function at each SIGHUP from now on, in a thread of its own; once, from the main thread.

    The supervisor starts its children with SIGHUP blocked: one that comes before this waits and kills nobody.
    """
    told = threading.Event()
    signal.signal(signal.SIGHUP, lambda *_: told.set())
    threading.Thread(target=_look, args=(told, look), name="look again", daemon=True).start()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})


def _look(told: threading.Event, look: Callable[[], None]) -> None:
    while True:
        told.wait()
        told.clear()
        try:
            look()
        except Exception:  # noqa: BLE001 - the edge of a thread: the next signal must find it alive
            from storage.logs import log  # what a process needs to end well stays small

            log().exception("configuration not taken over")


def _wait_for_end(stopping: threading.Event) -> None:
    """Not by `sys.stdin`: its lock, held by a daemon thread, aborts the interpreter when it ends."""
    while os.read(STANDARD_INPUT, 4096):
        pass
    stopping.set()
