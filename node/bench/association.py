"""What an association costs before anything is sent on it, and what it costs while nothing is."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from pynetdicom.presentation import build_context
from pynetdicom.sop_class import CTImageStorage  # type: ignore[attr-defined]

from node.bench.processes import cpu_s
from node.bench.receivers import AE_TITLE, Receiver, running
from node.bench.sender import Peer, all_contexts, association_request
from storage.bars import tracked


@dataclass(frozen=True, kw_only=True)
class SetUp:
    """How long a receiver takes from the connection to the A-ASSOCIATE-AC."""

    all_contexts_ms: float  # 128 presentation contexts with four transfer syntaxes each; median
    one_context_ms: float  # median
    cpu_ms: float  # of the receiver, for an association with all contexts and its release


@dataclass(frozen=True, kw_only=True)
class Associations:
    """What `ctnode bench association` found."""

    set_up: dict[str, SetUp]  # receiver -> its times
    idle_associations: int  # open and silent
    idle_percent_of_core: float  # what they cost ours


def set_up(receivers: Sequence[Receiver], folder: Path, *, rounds: int, times: int) -> dict[str, SetUp]:
    """Medians over alternating rounds of so many associations, one after the other."""
    found: dict[str, list[SetUp]] = {}
    for _ in tracked("rounds", range(rounds), total=rounds):
        for receiver in receivers:
            own = folder / f"set-up-{receiver.name}"
            with running(receiver, own) as it:
                found.setdefault(receiver.name, []).append(_set_up(it.port, it.pid, times))
            receiver.clean(own)
    return {
        name: SetUp(
            all_contexts_ms=median(each.all_contexts_ms for each in own),
            one_context_ms=median(each.one_context_ms for each in own),
            cpu_ms=median(each.cpu_ms for each in own),
        )
        for name, own in found.items()
    }


def _set_up(port: int, pid: int, times: int) -> SetUp:
    one = [_associated_ms(port, everything=False) for _ in range(times)]
    before_s = cpu_s(pid)
    every = [_associated_ms(port, everything=True) for _ in range(times)]
    return SetUp(
        all_contexts_ms=median(every),
        one_context_ms=median(one),
        cpu_ms=1000 * (cpu_s(pid) - before_s) / times,
    )


def _associated_ms(port: int, *, everything: bool) -> float:
    request = association_request(AE_TITLE, all_contexts() if everything else [build_context(CTImageStorage)])
    began = time.perf_counter()
    peer = Peer(port, request)
    taken_ms = 1000 * (time.perf_counter() - began)
    peer.release()
    return taken_ms


def idle_share(receiver: Receiver, folder: Path, *, associations: int, seconds: float) -> float:
    """The share of a core that a receiver takes while so many associations are open and silent."""
    with running(receiver, folder) as it:
        request = association_request(AE_TITLE, [build_context(CTImageStorage)])
        peers = [Peer(it.port, request) for _ in range(associations)]
        before_s, began = cpu_s(it.pid), time.monotonic()
        time.sleep(seconds)
        share = (cpu_s(it.pid) - before_s) / (time.monotonic() - began)
        for peer in peers:
            peer.release()
    receiver.clean(folder)
    return share
