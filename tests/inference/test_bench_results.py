"""The benchmark of the result objects: it makes what the node makes, and times each step by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from inference import bench_models, bench_results
from inference.bench_results import Cost, Figures, bench, cost, cpu_s, inputs_of, table, to_json
from inference.findings import Findings
from inference.results import BUILDERS, Inputs
from inference.series import ReadVolume
from inference.simulation.plan import SimulationPlan
from storage.kinds import Kind
from tests.inference.results_factory import PROVENANCE, findings_of, synthetic


def analyse(read: ReadVolume) -> Findings:
    return findings_of(read.volume)


def small(work: Callable[..., Any], folder: Path, plan: SimulationPlan) -> Any:
    """The same phantom in few and small slices, made here."""
    assert plan.spacing_mm == bench_results.SPACING_MM
    return work(folder, SimulationPlan(seed=plan.seed, spacing_mm=20, matrix=64))


def inputs(**changes: Any) -> Inputs:
    evidence, volume = synthetic(4, 16)
    made = Inputs(evidence=evidence, volume=volume, findings=findings_of(volume), provenance=PROVENANCE)
    return replace(made, **changes)


def test_every_kind_is_made_of_a_simulated_series(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_models, "apart", small)
    made = bench(lambda: analyse, slices=12, rounds=2)
    assert (made.slices, made.rounds, list(made.costs)) == (12, 2, [str(kind) for kind in BUILDERS])
    for found in made.costs.values():
        assert (found.remark, len(found.build_s), len(found.check_s), len(found.judge_s)) == ("", 2, 2, 2)
    assert made.costs["SR"].size_bytes > 10_000
    assert made.peak_mb > 0


def test_the_evidence_is_in_the_volume_s_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_models, "apart", small)
    paths = bench_models.series(tmp_path / "ct", 6, bench_results.SPACING_MM)
    found = inputs_of(paths[::-1], analyse)
    uids = [s.sop_instance_uid for s in found.volume.geometry.slices]
    assert [str(ds.SOPInstanceUID) for ds in found.evidence] == uids


def test_each_step_is_timed_by_itself() -> None:
    ticks = iter([0, 1, 3, 7, 10, 12, 15, 20])
    found = cost(Kind.KO, inputs(), 2, clock=lambda: float(next(ticks)))
    assert (found.build_s, found.check_s, found.judge_s) == ((1, 2), (2, 3), (4, 5))


def test_what_is_left_out_or_held_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    frameless, volume = synthetic(4, 16, frame=None)
    without = inputs(evidence=frameless, volume=volume, findings=findings_of(volume))
    absent = cost(Kind.SEG, without, 1)
    assert (absent.size_bytes, absent.build_s) == (0, ())
    assert absent.remark.startswith("left out: Frame of Reference UID (0020,0052) is absent")

    def unstated(given: Inputs) -> Any:
        dataset = BUILDERS[Kind.KO](given)
        dataset.SeriesDescription = "ready to use"  # type: ignore[union-attr]
        return dataset

    monkeypatch.setattr("inference.results.BUILDERS", BUILDERS | {Kind.KO: unstated})
    assert cost(Kind.KO, inputs(), 1).remark.startswith("held: SeriesDescription is 'ready to use'")


def test_the_clock_counts_the_work_of_processes_that_were_waited_for() -> None:
    before = cpu_s()
    bench_models.apart(sum, range(20_000_000))
    assert cpu_s() > before


COST = Cost(size_bytes=400_000, build_s=(1.0, 1.5, 1.25), check_s=(0.5,) * 3, judge_s=(0.25,) * 3)


@pytest.mark.parametrize(
    ("kind", "changes", "goal"),
    [
        (Kind.SR, {}, "500,000 bytes and 2 s"),
        (Kind.SR, {"size_bytes": 500_001}, "500,000 bytes and 2 s: MISSED"),
        (Kind.SR, {"build_s": (1.0, 2.5, 2.25)}, "500,000 bytes and 2 s: MISSED"),
        (Kind.SEG, {"size_bytes": 3_000_000, "build_s": (9.0,) * 3}, "3,000,000 bytes"),
        (Kind.PDF, {"size_bytes": 9_000_000}, ""),
        (Kind.SR, {"remark": "held: because"}, "held: because"),
    ],
)
def test_the_table_says_which_goal_is_missed(kind: Kind, changes: dict[str, Any], goal: str) -> None:
    made = Figures(slices=600, rounds=3, peak_mb=900.0, costs={kind: replace(COST, **changes)})
    console = Console(width=160)
    with console.capture() as captured:
        console.print(table(made))
    line = next(row for row in captured.get().splitlines() if f"{kind} " in row)
    assert [cell.strip() for cell in line.strip("│ ").split("│")][-1] == goal or goal == ""
    assert f"{made.costs[kind].size_bytes:,}" in line
    assert ("MISSED" in line) == ("MISSED" in goal)


def test_the_json_holds_the_figures() -> None:
    made = Figures(slices=600, rounds=3, peak_mb=900.0, costs={"SR": COST})
    told = json.loads(to_json(made))
    assert (told["slices"], told["costs"]["SR"]["build_s"]) == (600, [1.0, 1.5, 1.25])
