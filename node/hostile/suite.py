"""Every attack in its order, and what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from node.hostile import on_commands, on_instances, on_load, on_pdus, on_requests, on_states
from node.hostile.attack import After, Attack
from node.hostile.caller import Target
from node.hostile.good_peer import trouble

ATTACKS: Final[tuple[Attack, ...]] = (
    *on_pdus.attacks(),
    *on_requests.attacks(),
    *on_states.attacks(),
    *on_commands.attacks(),
    *on_instances.attacks(),
    *on_load.attacks(),
)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one attack."""

    attack: Attack
    happened: str  # what the SCP did
    good_peer: str  # what became of the good peer after it; empty where it was served
    ok: bool  # what was expected was seen, and the good peer was served
    seconds: float


def chosen(words: str) -> Sequence[Attack]:
    """The attacks whose name holds these words, in any case; all for no words."""
    return [attack for attack in ATTACKS if words.casefold() in attack.name.casefold()]


def outcomes(
    target: Target, attacks: Sequence[Attack], *, clock: Callable[[], float] = time.monotonic
) -> Iterator[Outcome]:
    """Attack by attack. An SCP that does not serve a good peer before the first is not attacked.

    Raises:
        ConnectionError: why it does not.
    """
    failed = trouble(target, After.ECHO) or trouble(target, After.STORE)
    if failed is not None:
        raise ConnectionError(failed)
    for attack in attacks:
        begin = clock()
        happened, expected = _attacked(target, attack)
        good_peer = trouble(target, attack.after) or ""
        yield Outcome(
            attack=attack,
            happened=happened,
            good_peer=good_peer,
            ok=expected and not good_peer,
            seconds=clock() - begin,
        )


def _attacked(target: Target, attack: Attack) -> tuple[str, bool]:
    try:
        seen = attack.run(target)
    except OSError as error:  # the SCP did not take the connection, or the association before the attack
        return str(error), False
    return str(seen), attack.expected.holds(seen)
