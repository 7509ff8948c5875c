"""The figures of `ctnode bench gate`: of the verdict that they say, on the slices that they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from node.bench import gate as bench_gate
from node.bench.commands import app
from node.bench.gate import measure
from tests.inference.series_factory import enhanced, save, stack_of


def test_it_times_the_rows_verdict_on_the_very_slices(tmp_path: Path) -> None:
    paths = save([*stack_of(6), *stack_of(2, origin=(0, 0, 100), first_number=9)], tmp_path / "ct")

    figures = measure(paths, tmp_path, rounds=3)

    assert (figures.slices, figures.rounds, figures.verdict) == (8, 3, "hold")
    low, high = figures.ratio_range
    assert 0 < low <= figures.ratio <= high
    assert figures.gate_s > 0 and figures.headers_s > 0


def test_frames_are_counted_as_slices(tmp_path: Path) -> None:
    assert measure(save([enhanced(5)], tmp_path), tmp_path, rounds=1).slices == 5


def test_no_file_is_opened_for_the_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = save(stack_of(6), tmp_path / "ct")
    monkeypatch.setattr(bench_gate, "_read", lambda paths: [path.unlink() for path in paths])

    assert measure(paths, tmp_path, rounds=1).verdict == "accept"


def test_the_command_writes_its_figures(tmp_path: Path) -> None:
    arguments = ["bench", "gate", "--slices", "5", "--rounds", "1", "--json", str(tmp_path / "figures.json")]

    result = CliRunner().invoke(app, arguments)

    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert (figures["slices"], figures["verdict"]) == (5, "accept")
