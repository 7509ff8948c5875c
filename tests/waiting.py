"""Waiting for a condition, with a deadline. Tests never sleep for a guessed time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

T = TypeVar("T")

POLL_S: Final = 0.01


def eventually(condition: Callable[[], T], timeout_s: float = 20, what: str = "") -> T:
    """The first true value of a condition; fails when there is none before the deadline."""
    pause = threading.Event()
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what or condition}; last {value!r}")
        pause.wait(POLL_S)
