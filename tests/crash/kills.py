"""Whom to kill, and when: by chance alone, so that every instant of every process is met."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final

from tests.crash.node import Process


class Blow(StrEnum):
    """What is killed."""

    RECEIVER = "receiver"
    DISPATCHER = "dispatcher"
    WORKER = "worker"
    SUPERVISOR = "supervisor"  # alone: its children notice and stop by themselves
    ALL = "all"  # at once, as by a power switch or a control group


SHARES: Final = {Blow.RECEIVER: 60, Blow.DISPATCHER: 18, Blow.WORKER: 10, Blow.SUPERVISOR: 6, Blow.ALL: 6}
"""In a hundred. The receivers hold what could be lost."""


AT_WORK_SHARE: Final = 0.8


def next_blow(chance: random.Random) -> Blow:
    return chance.choices(list(SHARES), list(SHARES.values()))[0]


def next_wait_s(chance: random.Random, mean_s: float) -> float:
    """Until the next blow: from at once, while the last is being mended, to twice the mean."""
    return chance.uniform(0, 2 * mean_s)


def victims(
    blow: Blow, living: Sequence[Process], chance: random.Random, *, at_work: Collection[int]
) -> list[Process]:
    """The processes that die; none where nobody of that role lives.

    Mostly one of those at work, by their identifiers: what has just been started holds nothing yet.
    """
    if blow is Blow.ALL:
        return list(living)
    of_role = [process for process in living if process.role == blow]
    busy = [process for process in of_role if process.pid in at_work]
    among = busy if busy and chance.random() < AT_WORK_SHARE else of_role
    return [chance.choice(among)] if among else []
