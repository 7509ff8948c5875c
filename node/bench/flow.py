"""Senders that go on until they are told to stop (`node.bench.endless`), and how much is acknowledged."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from node.bench.endless import COUNTER_BYTES, Counter
from node.bench.receive import NotStored
from node.bench.receivers import AE_TITLE, ENVIRONMENT

STOP_S = 60.0


class Flow:
    """Senders at work."""

    def __init__(self, senders: Sequence[subprocess.Popen[str]], counters: Sequence[Counter]) -> None:
        self._senders, self._counters = senders, counters

    def acknowledged(self) -> int:
        """How many instances were answered with success until now."""
        return sum(counter.read() for counter in self._counters)

    def stop(self) -> int:
        """Let each finish what it is at; how many instances were acknowledged.

        Raises:
            NotStored: an instance was refused, or a sender was hung up on.
        """
        for sender in self._senders:
            sender.terminate()
        answers = [sender.communicate(timeout=STOP_S)[0].strip() for sender in self._senders]
        if not all(answers):
            raise NotStored("a sender ended: the receiver hung up")
        if refused := sum(map(int, answers)):
            raise NotStored(f"{refused} instances were refused")
        return self.acknowledged()


@contextmanager
def flowing(port: int, series: Sequence[Sequence[Path]]) -> Iterator[Flow]:
    """A sender for each series; all of them send."""
    descriptor = os.memfd_create("acknowledged")
    os.ftruncate(descriptor, COUNTER_BYTES * len(series))
    started = [_sender(port, descriptor, number) for number in range(len(series))]
    try:
        for sender, files in zip(started, series, strict=True):
            assert sender.stdin is not None
            sender.stdin.write("\n".join(map(str, files)) + "\n\n")
            sender.stdin.flush()
        for sender in started:
            assert sender.stdout is not None
            if not sender.stdout.readline():
                raise NotStored("a sender ended: the receiver gave no association")
        yield Flow(started, [Counter(descriptor, number) for number in range(len(series))])
    finally:
        for sender in started:
            sender.kill()
            sender.communicate()
        os.close(descriptor)


def _sender(port: int, descriptor: int, number: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "node.bench.endless", str(port), AE_TITLE, str(descriptor), str(number)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        pass_fds=(descriptor,),
    )
