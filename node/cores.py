"""The processor core on which a receiving process stays.

Python lets one thread of a process run at a time. On several cores, a thread that waits for its turn is woken
on another core at each call of the kernel that another one makes, finds that this one has gone on meanwhile,
and waits again: 15 % of the processor time at eight associations, and what the cores' caches held. On one
core the kernel gives a thread its time when the one before it waits. More cores are used by more processes.
"""

from __future__ import annotations

import os
from collections.abc import Collection

from storage.logs import log


def core_of(number: int, usable: Collection[int]) -> int:
    """The core of a receiver: from the last one down, for interrupts are served on the first as a rule.

    Args:
        number: of the receiver, from 0.
        usable: the cores that the operating system lets this process run on; at least one.
    """
    cores = sorted(usable, reverse=True)
    return cores[number % len(cores)]


def stay_on_one(number: int) -> None:
    """Let this process run on its core alone: this thread, and those that it starts from now on.

    Where that is not allowed (some containers), the process goes on, on all of them.
    """
    try:
        os.sched_setaffinity(0, {core_of(number, os.sched_getaffinity(0))})
    except OSError as error:
        log().info("receiver on any core", reason=str(error.strerror))
