"""A short run of the crash harness; the long one is `python -m tests.crash --kills 500`."""

from __future__ import annotations

from pathlib import Path

from tests.crash.entry import PLANTED
from tests.crash.run import Harness, Options


def test_nothing_acknowledged_is_lost_whatever_is_killed(tmp_path: Path) -> None:
    """Twelve kills of any process at random instants, under load from two senders."""
    outcome = Harness(tmp_path, Options(kills=12, senders=2, mean_s=1.0, seed=20)).run()
    assert outcome.findings == []
    assert outcome.total >= 12 and outcome.kills["receiver"] > 0
    assert outcome.acknowledged == outcome.sent == outcome.rows > 0
    assert sum(outcome.states.values()) == outcome.series > 0


def test_success_before_the_bytes_is_told(tmp_path: Path) -> None:
    """The same harness on a node whose first promise is broken."""
    environment = {PLANTED: "success before the bytes"}
    options = Options(kills=6, senders=2, mean_s=0.7, seed=21, environment=environment)
    outcome = Harness(tmp_path, options).run()
    assert {finding.kind for finding in outcome.findings} >= {"acknowledged and lost"}
