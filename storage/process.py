"""How a process of ours is told to stop (SIGTERM, SIGINT, its supervisor ends) and to look again (SIGHUP).

SIGHUP says two things: somebody asks a service to look at its configuration again, or the terminal of a
program is gone. Which of the two it was, the terminal knows.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
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


class Told(threading.Event):
    """An event that a signal handler may set, in whatever the main thread is.

    The standard one takes a lock: set by a handler while its own thread is in `wait`, it waits for itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self._is_told = False
        self._words: SimpleQueue[None] = SimpleQueue()  # its `put` may interrupt any of its methods

    def is_set(self) -> bool:
        """Whether it is set."""
        return self._is_told

    def set(self) -> None:
        """Let all return who wait."""
        self._is_told = True
        self._words.put(None)

    def clear(self) -> None:
        """It is not set, unless it is told again meanwhile."""
        self._is_told = False
        with suppress(Empty):
            while True:
                self._words.get_nowait()

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is set, now or within the time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._is_told:
            try:
                self._words.get(timeout=None if deadline is None else max(0.0, deadline - time.monotonic()))
            except Empty:
                break
            if self._is_told:
                self._words.put(None)  # for the next who waits
        return self._is_told


def until_told_to_stop() -> threading.Event:
    """An event that is set when this process should stop; call it once, from the main thread.

    When the supervisor dies, even by SIGKILL, its pipe ends: a child never outlives it to hold the port.
    """
    stopping = Told()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    if os.environ.get(SUPERVISED):
        threading.Thread(target=_wait_for_end, args=(stopping,), daemon=True).start()
    return stopping


def when_told_to_look(look: Callable[[], None]) -> None:
    """Call a function at each SIGHUP from now on, in a thread of its own; once, from the main thread.

    The supervisor starts its children with SIGHUP blocked: one that comes before this waits and kills nobody.
    """
    told = Told()
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
