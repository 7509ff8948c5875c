"""How long to wait for a series: what the administrator wrote and its callers' pauses taught. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from node.rules import Rule
from storage import pace
from storage.pace import Bounds, Pace, Quiet
from storage.records import Progress

LOOKED_WHOLE: Final = (Rule.GEOMETRY_CLOSED, Rule.COUNT_KNOWN)
"""The rules that complete a series because it looks whole: what comes afterwards deceived."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """How long to wait for one series."""

    quiet: Quiet
    cap_s: float  # complete this long after the first instance, come what may


def policy_of(progress: Progress, paces: Mapping[str, Pace], bounds: Bounds, cap_s: float) -> Policy:
    """As its slowest caller taught, and longer than the pause that completed it too early before."""
    quiets = [pace.learned(paces.get(caller, Pace()), bounds) for caller in progress.calling_aes]
    quiet = pace.slowest(quiets) if quiets else bounds.untaught
    looked_whole = progress.former_rule in LOOKED_WHOLE
    late = pace.after_pause(quiet, progress.late_after_s, bounds, looked_whole=looked_whole)
    return Policy(quiet=late, cap_s=cap_s)
