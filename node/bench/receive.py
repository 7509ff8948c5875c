"""Alternating rounds: each receiver gets the same instances, one after the other, again and again."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from node.bench.kept import kept
from node.bench.load import machine
from node.bench.processes import can_trace, cpu_s, syncs, tracer
from node.bench.receivers import AE_TITLE, ENVIRONMENT, NAME, Receiver, running
from storage.bars import tracked
from storage.errors import CtnodeError

SYNCED_INSTANCES: Final = 10
"""Instances for which calls that sync are counted."""
WARM_UP: Final = 10
"""Instances that each sender sends before anything is measured: what is done once is not counted."""


class NotStored(CtnodeError):
    """A receiver did not keep what it acknowledged: its time says nothing."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One receiver in one round."""

    instances_per_s: float  # from the first byte of the first sender to the last response of the last
    cpu_ms: float  # of the receiver and all its processes, for each instance


@dataclass(frozen=True, kw_only=True)
class Figures:
    """What `ctnode bench receive` found for one number of associations."""

    associations: int  # senders at the same time
    rounds: int
    instances_per_association: int  # that were measured; of slow receivers fewer (`Receiver.share`)
    bytes_per_instance: float
    unwritten_bytes: int  # so much the kernel leaves in memory before it writes it out beside a receiver
    instances_per_s: dict[str, float]  # receiver -> median of the rounds
    cpu_ms_per_instance: dict[str, float]  # receiver -> median of the rounds
    ratios: dict[str, float]  # receiver -> median of ours over it, of the same round each
    ratio_range: dict[str, tuple[float, float]]  # receiver -> lowest and highest of them
    syncs_per_10_instances: dict[str, int] | None  # calls that sync; None where strace cannot be had


def compare(
    receivers: Sequence[Receiver],
    series: Sequence[Sequence[Path]],
    truth: Mapping[Path, tuple[str, str]],
    folder: Path,
    *,
    rounds: int,
) -> Figures:
    """Every receiver in every round, beginning with another one each time.

    Args:
        receivers: ours among them.
        series: the files of each sender.
        truth: what must be stored of each file in the end (`node.bench.series.contents`).
        folder: for their storage; what a receiver stored is removed after its turn.
        rounds: how many.

    Raises:
        NotStored: a receiver refused an instance, or has not stored it as it was.
    """
    turns: dict[str, list[Turn]] = defaultdict(list)
    unwritten_bytes = machine(folder).unwritten_bytes
    for number in tracked("rounds", range(rounds), total=rounds):
        first = number % len(receivers)
        for receiver in (*receivers[first:], *receivers[:first]):
            part = [share_of(files, receiver.share) for files in series]
            turns[receiver.name].append(take_turn(receiver, part, truth, folder / receiver.name))
    sent = [file for files in series for file in files]
    return Figures(
        associations=len(series),
        rounds=rounds,
        instances_per_association=len(series[0]) - WARM_UP,
        bytes_per_instance=sum(file.stat().st_size for file in sent) / len(sent),
        unwritten_bytes=unwritten_bytes,
        instances_per_s={name: median(t.instances_per_s for t in own) for name, own in turns.items()},
        cpu_ms_per_instance={name: median(t.cpu_ms for t in own) for name, own in turns.items()},
        ratios={name: median(ratios) for name, ratios in _ratios(turns)},
        ratio_range={name: (min(ratios), max(ratios)) for name, ratios in _ratios(turns)},
        syncs_per_10_instances=_syncs(receivers, series[0], folder),
    )


def share_of(files: Sequence[Path], share: float) -> Sequence[Path]:
    """The first of a sender's files: all that warm up, and this share of those that are measured."""
    return files[: WARM_UP + max(1, round(share * (len(files) - WARM_UP)))]


def _ratios(turns: Mapping[str, Sequence[Turn]]) -> Iterator[tuple[str, list[float]]]:
    for name, others in turns.items():
        if name != NAME:
            pairs = zip(turns[NAME], others, strict=True)
            yield name, [own.instances_per_s / other.instances_per_s for own, other in pairs]


def take_turn(
    receiver: Receiver,
    series: Sequence[Sequence[Path]],
    truth: Mapping[Path, tuple[str, str]],
    folder: Path,
) -> Turn:
    """Start it, send, stop it, and look at what it has stored."""
    os.sync()  # what others left to be written is not written at our expense
    with running(receiver, folder) as it, senders(it.port, series) as ready:
        before_s = cpu_s(it.pid)
        seconds = receiving_s(receiver.name, ready)
        instances = sum(len(files) - WARM_UP for files in series)
        cpu_ms = 1000 * (cpu_s(it.pid) - before_s) / instances
    expected = dict(truth[file] for files in series for file in files)
    if (found := kept(receiver.name, folder)) != expected:
        wrong = sum(found.get(uid) != digest for uid, digest in expected.items())
        raise NotStored(
            f"{receiver.name}: {wrong} of {len(expected)} instances are not there as they were sent"
        )
    receiver.clean(folder)
    return Turn(instances_per_s=instances / seconds, cpu_ms=cpu_ms)


@contextmanager
def senders(port: int, series: Sequence[Sequence[Path]]) -> Iterator[list[subprocess.Popen[str]]]:
    """A sender for each series, with its association open and everything in memory."""
    command = [sys.executable, "-m", "node.bench.sender", str(port), AE_TITLE, str(WARM_UP)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": ENVIRONMENT}
    started: list[subprocess.Popen[str]] = [subprocess.Popen(command, **pipes) for _ in series]  # type: ignore[call-overload]
    try:
        for sender, files in zip(started, series, strict=True):
            _tell(sender, "\n".join(map(str, files)) + "\n")
        for sender in started:
            _hear(sender)
        yield started
        for sender in started:
            sender.wait(60)
    finally:
        for sender in started:
            sender.kill()
            sender.communicate()


def _tell(sender: subprocess.Popen[str], text: str) -> None:
    assert sender.stdin is not None
    sender.stdin.write(text + "\n")
    sender.stdin.flush()


def _hear(sender: subprocess.Popen[str]) -> list[str]:
    assert sender.stdout is not None
    line = sender.stdout.readline()
    if not line:
        raise NotStored("a sender ended: the receiver gave no association, or hung up")
    return line.split()


def receiving_s(name: str, ready: Sequence[subprocess.Popen[str]]) -> float:
    """Let senders send; seconds from the first one's start to the last one's end. Raises NotStored."""
    for sender in ready:
        _tell(sender, "")
    answers = [_hear(sender) for sender in ready]
    if refused := sum(int(answer[2]) for answer in answers):
        raise NotStored(f"{name} refused {refused} instances")
    return max(float(answer[1]) for answer in answers) - min(float(answer[0]) for answer in answers)


def _syncs(receivers: Sequence[Receiver], files: Sequence[Path], folder: Path) -> dict[str, int] | None:
    """Calls that sync for ten instances of one association, after some that warm up."""
    if not can_trace():
        return None
    return {
        receiver.name: _syncs_of(receiver, files, folder / f"traced-{receiver.name}")
        for receiver in receivers
    }


def _syncs_of(receiver: Receiver, files: Sequence[Path], folder: Path) -> int:
    output = folder.with_suffix(".strace")
    with (
        running(receiver, folder, wrapper=tracer(output)) as it,
        senders(it.port, [files[: WARM_UP + SYNCED_INSTANCES]]) as ready,
    ):
        before = syncs(output)
        receiving_s(receiver.name, ready)
        counted = syncs(output) - before
    shutil.rmtree(folder)
    return counted
