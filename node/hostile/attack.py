"""An attack, what must be seen of it, and the ways in which bytes are sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from node.hostile import pdus
from node.hostile.caller import Caller, Kind, Seen, Target, associated, calling
from node.hostile.pdus import Proposed

DUPLICATE_SOP_INSTANCE: Final = 0x0111
"""PS3.7 C.4."""


REST_SHARE: Final = 5
"""The part of the deadline after which an SCP that says nothing is thought to wait for more."""


@dataclass(frozen=True, kw_only=True)
class Expectation:
    """What must be seen."""

    words: str  # for people
    kinds: frozenset[Kind]  # any of these
    status: Callable[[int], bool] = lambda _: True  # of a response, where a response may come

    def holds(self, seen: Seen) -> bool:
        """Whether this is what was expected."""
        return seen.kind in self.kinds and (seen.status is None or self.status(seen.status))


def _one_of(*kinds: Kind) -> frozenset[Kind]:
    return frozenset(kinds)


GONE: Final = _one_of(Kind.ABORTED, Kind.CLOSED)

ENDED: Final = Expectation(words="A-ABORT, or the connection is closed", kinds=GONE)
CLOSED: Final = Expectation(words="the connection is closed", kinds=GONE)
NOT_ACCEPTED: Final = Expectation(
    words="A-ASSOCIATE-RJ, A-ABORT, or the connection is closed", kinds=GONE | {Kind.REJECTED}
)
REJECTED: Final = Expectation(words="A-ASSOCIATE-RJ", kinds=_one_of(Kind.REJECTED))
ACCEPTED: Final = Expectation(words="A-ASSOCIATE-AC", kinds=_one_of(Kind.ACCEPTED))
DECIDED: Final = Expectation(
    words="an answer of any kind, not silence", kinds=frozenset(Kind) - {Kind.SILENT, Kind.STRANGE}
)
REFUSED: Final = Expectation(
    words="a status that is no success, A-ABORT, or the connection is closed",
    kinds=GONE | {Kind.RESPONDED},
    status=lambda status: status != 0,
)
STORED: Final = Expectation(
    words="C-STORE status 0000", kinds=_one_of(Kind.RESPONDED), status=lambda status: status == 0
)
ECHOED: Final = Expectation(
    words="C-ECHO status 0000", kinds=_one_of(Kind.RESPONDED), status=lambda status: status == 0
)
DUPLICATE: Final = Expectation(
    words="C-STORE status 0111, and the first content stays",
    kinds=_one_of(Kind.RESPONDED),
    status=lambda status: status == DUPLICATE_SOP_INSTANCE,
)
SERVED: Final = Expectation(words="every good peer is served meanwhile", kinds=_one_of(Kind.SURVIVED))


class After(Enum):
    """What a good peer does after an attack."""

    ECHO = "C-ECHO"
    STORE = "C-STORE"


Run = Callable[[Target], Seen]
Bytes = Callable[[Target], Sequence[bytes]]
"""What is sent: each part is one write."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One attack."""

    name: str  # unique, in words
    clause: str  # of the standard, that says what is right
    sent: str  # what the SCP gets
    expected: Expectation
    run: Run
    after: After = After.ECHO


def alone(*parts: bytes, ends: bool = True) -> Run:
    """These bytes on a new connection.

    Args:
        parts: each is one write.
        ends: nothing more can come after them (FIN), so that the SCP need not wait for its time-out.
    """

    def run(target: Target) -> Seen:
        with calling(target) as caller:
            _say(caller, parts, ends)
            return caller.see() if ends else caller.see(target.patience_s)

    return run


def requesting(items: Callable[[Target], bytes]) -> Run:
    """An A-ASSOCIATE-RQ of one's own; then nothing more."""

    def run(target: Target) -> Seen:
        with calling(target) as caller:
            caller.send(items(target))
            seen = caller.see(target.deadline_s / REST_SHARE)
            if seen.kind is not Kind.SILENT:
                return seen
            caller.end_sending()  # it waits for more than will come: a length that is too long
            return caller.see()

    return run


def within(*parts: bytes, ends: bool = False, contexts: Sequence[Proposed] = pdus.USUAL) -> Run:
    """These bytes on a good association; the first thing that comes back."""

    def run(target: Target) -> Seen:
        with associated(target, contexts) as caller:
            _say(caller, parts, ends)
            return caller.see()

    return run


def ending(*parts: bytes, ends: bool = False) -> Run:
    """These bytes on a good association; how it ends, responses aside."""

    def run(target: Target) -> Seen:
        with associated(target) as caller:
            _say(caller, parts, ends)
            return caller.see_end()

    return run


def _say(caller: Caller, parts: Sequence[bytes], ends: bool) -> None:
    for part in parts:
        caller.send(part)
    if ends:
        caller.end_sending()
