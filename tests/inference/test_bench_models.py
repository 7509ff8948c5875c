"""The models' benchmark: that it times what it says, by a clock of the test's own."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from inference import bench_models
from inference.bench_models import (
    ANALYSIS,
    RIVAL,
    SCORES,
    Contender,
    Loaded,
    alternating,
    apart,
    bench,
    figures,
    peak_mb,
    rival,
    scores_alone,
    series,
    table,
    to_json,
    whole_analysis,
)
from inference.series import volumes_of
from inference.simulation.field import field_of
from inference.simulation.plan import SimulationPlan


def small(work, folder, plan):
    """The same phantom in few and small slices, made here."""
    return work(folder, SimulationPlan(seed=plan.seed, spacing_mm=20, matrix=64))


@pytest.fixture
def paths(tmp_path, monkeypatch):
    monkeypatch.setattr(bench_models, "apart", small)
    return series(tmp_path / "ct", 12)


def test_the_series_is_the_lowest_slices(paths, tmp_path):
    (read,) = volumes_of(paths)
    (whole,) = volumes_of(sorted((tmp_path / "ct").glob("*.dcm")))
    assert read.volume.geometry.slices == whole.volume.geometry.slices[:12]


def test_a_series_of_300_slices_is_planned():
    plan = SimulationPlan(seed=1, spacing_mm=bench_models.SPACING_MM)
    assert plan.matrix == 512
    assert len(field_of(plan).positions_mm) >= bench_models.SLICES


def test_work_apart_is_done_in_another_process():
    assert apart(os.getpid) != os.getpid()
    assert apart(divmod, 7, 2) == (3, 1)


def test_our_contenders_do_the_whole_and_a_part(paths):
    seen = []
    loaded = Loaded(
        analyse=lambda read: seen.append(("analysis", read.volume.voxels.shape)),
        scores=lambda volume: seen.append(("scores", volume.voxels.shape)),
    )
    ours = whole_analysis(loaded, paths), scores_alone(loaded, paths)
    assert [c.name for c in ours] == [ANALYSIS, SCORES]
    assert [c.run() for c in ours] == [12, 12]
    assert seen == [("analysis", (12, 64, 64)), ("scores", (12, 64, 64))]


def test_the_analysis_reads_the_files_each_time_and_the_scores_do_not(paths):
    loaded = Loaded(analyse=lambda read: None, scores=lambda volume: None)
    whole, part = whole_analysis(loaded, paths), scores_alone(loaded, paths)
    paths[0].unlink()
    assert part.run() == 12
    with pytest.raises(FileNotFoundError):
        whole.run()


def test_a_series_that_is_refused_is_no_measurement(paths):
    loaded = Loaded(analyse=lambda read: None, scores=lambda volume: None)
    with pytest.raises(ValueError, match="the simulated series was refused: "):
        whole_analysis(loaded, [paths[0], paths[1], paths[5]]).run()


def test_the_rival_does_its_slices():
    assert rival(2).run() == 2


def test_each_round_begins_with_another_and_each_is_timed_alone():
    now, order = [0.0], []

    def costing(name, seconds, slices):
        def run():
            order.append(name)
            now[0] += seconds
            return slices

        return Contender(name=name, run=run)

    runs = (costing("a", 6.0, 3), costing("b", 1.0, 2))
    assert alternating(runs, 3, clock=lambda: now[0]) == {"a": [2.0] * 3, "b": [0.5] * 3}
    assert order == ["a", "b", "b", "a", "a", "b"]


SECONDS = {ANALYSIS: [0.01, 0.02, 0.01], SCORES: [0.002, 0.002, 0.004], RIVAL: [0.1, 0.1, 0.2]}


def test_ratios_are_taken_round_by_round():
    made = figures(SECONDS, slices=300, peak=900.0, peak_with_rival=1200.0)
    assert (made.slices, made.rounds, made.peak_mb, made.peak_with_rival_mb) == (300, 3, 900.0, 1200.0)
    assert made.ms_per_slice == pytest.approx({ANALYSIS: 10, SCORES: 2, RIVAL: 100})
    assert made.rival_over == pytest.approx({ANALYSIS: 10, SCORES: 50, RIVAL: 1})
    assert made.rival_over_range[ANALYSIS] == pytest.approx((5, 20))


def test_the_table_and_the_json_hold_the_figures():
    made = figures(SECONDS, slices=300, peak=900.0, peak_with_rival=1200.0)
    console = Console(width=150)
    with console.capture() as captured:
        console.print(table(made))
    text = captured.get()
    line = next(row for row in text.splitlines() if ANALYSIS in row)
    assert [word for word in line.split() if word[0].isdigit()] == ["10.00", "3.0", "10.0", "5.0-20.0"]
    assert "peak memory 900 MB, with the rival 1200 MB" in text
    assert json.loads(to_json(made))["rival_over"][SCORES] == pytest.approx(50)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the judge is Linux's /proc")
def test_memory_is_in_megabytes():
    status = Path("/proc/self/status").read_text()
    kernel_mb = int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) * 1024 / 1e6
    assert peak_mb() == pytest.approx(kernel_mb, rel=0.05)


def test_one_call_does_it_all(monkeypatch):
    monkeypatch.setattr(bench_models, "apart", small)
    loads = []
    loaded = Loaded(analyse=lambda read: None, scores=lambda volume: None)
    made = bench(lambda: loads.append(1) or loaded, slices=12, rounds=2)
    assert (made.slices, made.rounds, loads) == (12, 2, [1])
    assert set(made.ms_per_slice) == {ANALYSIS, SCORES, RIVAL}
    assert made.rival_over[RIVAL] == 1
    assert made.peak_with_rival_mb >= made.peak_mb > 0
