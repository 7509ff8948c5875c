"""The good peer that is called during and after every attack: is the SCP alive?"""

from __future__ import annotations

from typing import Final

from node.hostile import pdus
from node.hostile.attack import After
from node.hostile.caller import Caller, Kind, Seen, Target, associated
from node.hostile.messages import command_set, echo_fields

SLICE_SIDE: Final = 64
"""Rows and columns of what it stores: 8 KB."""


def trouble(target: Target, what: After) -> str | None:
    """Why a good C-ECHO or C-STORE did not succeed; None where it did."""
    try:
        with associated(target) as caller:
            answer = _ask(caller, what)
            if answer.status != 0:
                return f"{what.value}: {answer}"
            caller.send(pdus.release_rq())
            released = caller.see()
    except OSError as error:
        return f"{what.value}: {error}"
    return None if released.kind is Kind.RELEASED else f"A-RELEASE-RQ after {what.value}: {released}"


def _ask(caller: Caller, what: After) -> Seen:
    if what is After.STORE:
        return caller.store(caller.target.slice(side=SLICE_SIDE))
    caller.send(pdus.p_data(pdus.pdv(1, pdus.LAST_COMMAND, command_set(echo_fields()))))
    return caller.see()
