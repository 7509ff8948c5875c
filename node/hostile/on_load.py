"""Attacks by number and by slowness: half-open connections, quick associations, slow-loris (PS3.8 9.1)."""

from __future__ import annotations

import contextlib
import resource
import socket
import time
from collections.abc import Callable, Iterator
from typing import Final

from node.hostile import pdus
from node.hostile.attack import ENDED, SERVED, After, Attack
from node.hostile.caller import Caller, Kind, Seen, Target, associated, calling
from node.hostile.good_peer import trouble

SPARE_DESCRIPTORS: Final = 200
"""For everything but half-open connections."""

BYTE_PAUSE_S: Final = 0.2
"""Between the bytes of a slow-loris."""

LORISES: Final = 20
QUIET_S: Final = 0.5
"""After which half-open connections, all there, are looked at again."""


def attacks() -> Iterator[Attack]:
    """Every attack of this file."""
    yield Attack(
        name="an A-ASSOCIATE-RQ that takes for ever",
        clause="PS3.8 9.1.5, ARTIM",
        sent=f"a byte every {BYTE_PAUSE_S:g} s",
        expected=ENDED,
        run=_slow_request,
    )
    yield Attack(
        name="a connection that says nothing",
        clause="PS3.8 9.1.5, ARTIM",
        sent="nothing",
        expected=ENDED,
        run=_silence,
    )
    yield Attack(
        name=f"{LORISES} slow-lorises, good peers between them",
        clause="PS3.8 9.1.5",
        sent="a byte now and then on each",
        expected=SERVED,
        run=_lorises,
        after=After.STORE,
    )
    yield Attack(
        name="half-open connections, good peers between them",
        clause="PS3.8 9.1.5",
        sent="connections that say nothing",
        expected=SERVED,
        run=_half_open,
        after=After.STORE,
    )
    yield Attack(
        name="connections that are closed at once",
        clause="PS3.8 Table 9-10, AA-5",
        sent="connect and close, again and again",
        expected=SERVED,
        run=_repeated(_touch),
    )
    yield Attack(
        name="quick associations one after the other",
        clause="PS3.8 9.2",
        sent="A-ASSOCIATE-RQ, C-ECHO-RQ, A-RELEASE-RQ",
        expected=SERVED,
        run=_repeated(lambda target: trouble(target, After.ECHO)),
        after=After.STORE,
    )
    yield Attack(
        name="associations that are aborted at once",
        clause="PS3.8 9.2",
        sent="A-ASSOCIATE-RQ, A-ABORT",
        expected=SERVED,
        run=_repeated(_abort),
        after=After.STORE,
    )


def _slow_request(target: Target) -> Seen:
    request = target.request()
    deadline = time.monotonic() + target.patience_s
    with calling(target) as caller:
        for byte in request[:-1]:
            caller.send(bytes((byte,)))
            seen = caller.see(BYTE_PAUSE_S)
            if seen.kind is not Kind.SILENT or time.monotonic() >= deadline:
                return seen
        return caller.see(max(deadline - time.monotonic(), 0))


def _silence(target: Target) -> Seen:
    with calling(target) as caller:
        return caller.see(target.patience_s)


def _lorises(target: Target) -> Seen:
    request = target.request()
    with contextlib.ExitStack() as stack:
        callers = [stack.enter_context(calling(target)) for _ in range(LORISES)]
        for at in range(5):
            for caller in callers:
                caller.send(request[at : at + 1])
            failed = trouble(target, After.ECHO) or trouble(target, After.STORE)
            if failed is not None:
                return Seen(kind=Kind.FAILED, detail=failed)
    return Seen(kind=Kind.SURVIVED, detail=f"{LORISES} slow ones")


def _half_open(target: Target) -> Seen:
    """Good peers call while the connections are opened, and when all are there."""
    count = min(target.half_open, _descriptors(target.half_open + SPARE_DESCRIPTORS) - SPARE_DESCRIPTORS)
    with contextlib.ExitStack() as stack:
        for number in range(count):
            try:
                stack.enter_context(_silent(target))
            except OSError as error:
                return Seen(kind=Kind.FAILED, detail=f"connection {number + 1}: {error}")
            failed = trouble(target, After.ECHO) if number % 1000 == 500 else None
            if failed is not None:
                return Seen(kind=Kind.FAILED, detail=f"{number + 1} half-open; {failed}")
        for _ in range(2):
            failed = trouble(target, After.ECHO) or trouble(target, After.STORE)
            if failed is not None:
                return Seen(kind=Kind.FAILED, detail=f"{count} half-open; {failed}")
            time.sleep(QUIET_S)
    return Seen(kind=Kind.SURVIVED, detail=f"{count} half-open{_fewer(count, target.half_open)}")


def _fewer(count: int, wanted: int) -> str:
    """More than the limit of this process could not be opened, and that is said."""
    return "" if count == wanted else f" of {wanted}: the limit of open files here (RLIMIT_NOFILE)"


def _silent(target: Target) -> socket.socket:
    return socket.create_connection((target.called.host, target.called.port), target.deadline_s)


def _descriptors(wanted: int) -> int:
    """How many files this process may have open, once it has asked for so many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = hard == resource.RLIM_INFINITY
    if soft < wanted:
        soft = wanted if unlimited else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


def _repeated(once: Callable[[Target], str | None]) -> Callable[[Target], Seen]:
    def run(target: Target) -> Seen:
        for number in range(target.associations):
            failed = once(target)
            if failed is not None:
                return Seen(kind=Kind.FAILED, detail=f"number {number + 1}: {failed}")
        return Seen(kind=Kind.SURVIVED, detail=f"{target.associations} of them")

    return run


def _touch(target: Target) -> str | None:
    try:
        Caller(target).hang_up()
    except OSError as error:
        return str(error)
    return None


def _abort(target: Target) -> str | None:
    try:
        with associated(target) as caller:
            caller.send(pdus.abort())
    except OSError as error:
        return str(error)
    return None
