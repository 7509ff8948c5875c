"""The benchmark itself: it counts what was stored, and a receiver that lies has no figures."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from node.bench import series
from node.bench.association import idle_share, set_up
from node.bench.processes import can_trace, cpu_s
from node.bench.receive import NotStored, compare
from node.bench.receivers import AE_TITLE, NAME, ours, recycle, running, write_ahead
from node.bench.sender import Peer, all_contexts, association_request
from node.bench.tables import receive_table
from tests.node.bench_receivers import forgetful, storescp

INSTANCES = 20
BURNT_S = 0.3
PARENT = f"""
import os, sys, time
told, tells = os.pipe()
if (child := os.fork()) == 0:
    while time.process_time() < {BURNT_S + 0.05}: pass
    os.write(tells, b"x")
    sys.stdin.readline()
    os._exit(0)
os.read(told, 1)
print("child lives", flush=True)
os.waitpid(child, 0)
print("child ended", flush=True)
sys.stdin.readline()
"""


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> list[list[Path]]:
    folder = tmp_path_factory.mktemp("bench")
    files = series.simulated(folder / "ct", seed=1, slices=3, options=("--matrix", "64"))
    return series.copies(files, folder, senders=2, instances=INSTANCES)


@pytest.fixture(scope="module")
def truth(sent: list[list[Path]]) -> dict[Path, tuple[str, str]]:
    return series.contents([file for files in sent for file in files])


def test_copies_are_other_instances_with_the_same_pixels(
    sent: list[list[Path]], truth: dict[Path, tuple[str, str]]
) -> None:
    assert [len(files) for files in sent] == [INSTANCES, INSTANCES]
    assert len(truth) == 2 * INSTANCES
    assert len({uid for uid, _ in truth.values()}) == 2 * INSTANCES
    assert len({digest for _, digest in truth.values()}) == 3


def test_every_receiver_gets_all_and_ours_is_held_against_the_others(
    sent: list[list[Path]], truth: dict[Path, tuple[str, str]], tmp_path: Path
) -> None:
    figures = compare((ours(store="segments", spares=0), storescp()), sent, truth, tmp_path, rounds=2)
    rates = figures.instances_per_s
    assert set(rates) == {NAME, "storescp_fork"}
    assert set(figures.ratios) == {"storescp_fork"}
    low, high = figures.ratio_range["storescp_fork"]
    assert 0 < low <= figures.ratios["storescp_fork"] <= high
    assert (figures.associations, figures.rounds, figures.instances_per_association) == (2, 2, INSTANCES - 10)
    assert (figures.syncs_per_10_instances is not None) == can_trace()
    if figures.syncs_per_10_instances is not None:
        assert figures.syncs_per_10_instances["storescp_fork"] == 0
        assert figures.syncs_per_10_instances[NAME] >= 10, "an instance was acknowledged before a sync"
    assert receive_table(figures).row_count == 2


def test_a_slow_receiver_is_held_to_what_it_got(
    sent: list[list[Path]], truth: dict[Path, tuple[str, str]], tmp_path: Path
) -> None:
    both = (ours(store="segments", spares=0), replace(storescp(), share=0.5))
    assert set(compare(both, sent, truth, tmp_path, rounds=1).ratios) == {"storescp_fork"}
    lazy = replace(forgetful(0x0000), share=0.5)
    with pytest.raises(NotStored, match=r"^forgetful: 30 of 30 instances are not"):
        compare((lazy,), sent, truth, tmp_path, rounds=1)


def test_who_says_success_and_keeps_nothing_has_no_figures(
    sent: list[list[Path]], truth: dict[Path, tuple[str, str]], tmp_path: Path
) -> None:
    with pytest.raises(NotStored, match=rf"^forgetful: {2 * INSTANCES} of {2 * INSTANCES} instances are not"):
        compare((forgetful(0x0000),), sent, truth, tmp_path, rounds=1)


def test_who_refuses_has_no_figures(
    sent: list[list[Path]], truth: dict[Path, tuple[str, str]], tmp_path: Path
) -> None:
    with pytest.raises(NotStored, match=f"^forgetful refused {2 * INSTANCES} instances$"):
        compare((forgetful(0xA700),), sent, truth, tmp_path, rounds=1)


def test_segments_are_written_ahead_and_used_again(
    sent: list[list[Path]], truth: dict[Path, tuple[str, str]], tmp_path: Path
) -> None:
    own, folder = ours(store="segments", spares=0), tmp_path / NAME
    write_ahead(folder, spares=2)
    ahead = {file.stat().st_ino for file in (folder / "data/segments/spare").iterdir()}
    compare((own,), sent, truth, tmp_path, rounds=1)
    again = {file.stat().st_ino for file in (folder / "data/segments/spare").iterdir()}
    assert len(ahead) == 2
    assert ahead <= again, "its segments were not those that were written ahead"
    recycle(folder)
    assert {file.name for file in (folder / "data").iterdir()} == {"segments"}


def test_set_up_and_silence_are_measured(tmp_path: Path) -> None:
    own = ours(store="segments", spares=0)
    times = set_up((own, storescp()), tmp_path, rounds=1, times=3)
    assert set(times) == {NAME, "storescp_fork"}
    assert all(each.all_contexts_ms > 0 and each.one_context_ms > 0 for each in times.values())
    assert 0 <= idle_share(own, tmp_path / "idle", associations=2, seconds=1.0) <= 2


def test_all_contexts_are_as_many_as_an_association_can_have_and_all_accepted(tmp_path: Path) -> None:
    assert len(all_contexts()) == 128
    with running(ours(store="segments", spares=0), tmp_path) as it:
        peer = Peer(it.port, association_request(AE_TITLE, all_contexts()))
        assert peer.accepted == 128
        peer.release()


def test_processor_time_counts_children_and_those_that_ended() -> None:
    """The process itself only waits: what its child burns counts, while it lives and afterwards."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == "child lives\n"
        assert cpu_s(process.pid) >= BURNT_S
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "child ended\n"
        assert cpu_s(process.pid) >= BURNT_S
        process.stdin.close()
