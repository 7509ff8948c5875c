"""Faults planted in a node on purpose: a harness that does not tell them proves nothing."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, Final

from node import intake

LATE_S: Final = 1.0


def _success_before_the_bytes() -> None:
    """The first promise is broken: Success first, the instance is stored a second later."""
    accept = intake.Intake.accept

    def early(self: intake.Intake, *arguments: Any) -> intake.Taken:
        threading.Timer(LATE_S, accept, (self, *arguments)).start()
        return intake.Taken.NEW

    intake.Intake.accept = early  # type: ignore[method-assign, assignment]


def _no_flush() -> None:
    """The first promise is broken where only a power cut shows it: nothing is forced to the disk."""
    write = os.pwritev
    os.fsync = os.fdatasync = lambda descriptor: None  # type: ignore[assignment]
    os.pwritev = lambda descriptor, views, offset, flags=0: write(descriptor, views, offset)


FAULTS: Final[dict[str, Callable[[], None]]] = {
    "success before the bytes": _success_before_the_bytes,
    "no flush": _no_flush,
}


def plant(fault: str) -> None:
    """Plant the fault in this process."""
    FAULTS[fault]()
