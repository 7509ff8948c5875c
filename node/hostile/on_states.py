"""A-ABORT, hang-ups and A-RELEASE-RQ in every state of an association (PS3.8 9.2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from node.hostile import pdus
from node.hostile.attack import CLOSED, DECIDED, ECHOED, SERVED, After, Attack, ending, within
from node.hostile.caller import Caller, Kind, Seen, Target, calling, store_pdus
from node.hostile.messages import command_set, echo_fields
from node.hostile.pdus import DATA, LAST_COMMAND, p_data, pdv

ECHO_PDU: Final = p_data(pdv(1, LAST_COMMAND, command_set(echo_fields())))
SIDE: Final = 160
"""Rows and columns of the slices that break off: 50 KB, four P-DATA-TF."""


def _before_request(_caller: Caller) -> None:
    """Sta2."""


def _in_request(caller: Caller) -> None:
    caller.send(caller.target.request()[:50])


def _after_request(caller: Caller) -> None:
    """Sta3: the answer is not read."""
    caller.send(caller.target.request())


def _established(caller: Caller) -> None:
    """Sta6."""
    caller.associate()


def _in_command(caller: Caller) -> None:
    caller.associate()
    command = caller.target.slice().command
    caller.send(p_data(pdv(3, pdus.COMMAND, command[:30])))


def _before_data_set(caller: Caller) -> None:
    caller.associate()
    caller.send(p_data(pdv(3, LAST_COMMAND, caller.target.slice().command)))


def _between_values(caller: Caller) -> None:
    caller.associate()
    slice = caller.target.slice(side=SIDE)
    caller.send(*store_pdus(slice.command, slice.data_set)[:3])


def _before_response(caller: Caller) -> None:
    caller.associate()
    slice = caller.target.slice(side=SIDE)
    caller.send(*store_pdus(slice.command, slice.data_set))


def _in_release(caller: Caller) -> None:
    """Sta8: the answer is not read."""
    caller.associate()
    caller.send(pdus.release_rq())


def _released(caller: Caller) -> None:
    """Sta13: the SCP waits until we hang up."""
    caller.associate()
    caller.send(pdus.release_rq())
    caller.see()


def _in_pdu(caller: Caller) -> None:
    _before_data_set(caller)
    caller.send(p_data(pdv(3, DATA, bytes(10_000)))[:5_000])


def _in_header(caller: Caller) -> None:
    _before_data_set(caller)
    caller.send(p_data(pdv(3, DATA, bytes(100)))[:3])


States = dict[str, Callable[[Caller], None]]
BETWEEN_PDUS: Final[States] = {
    "before A-ASSOCIATE-RQ": _before_request,
    "before A-ASSOCIATE-AC is read": _after_request,
    "on an association": _established,
    "within a command set": _in_command,
    "between command set and data set": _before_data_set,
    "within a data set": _between_values,
    "before the response": _before_response,
    "before A-RELEASE-RP is read": _in_release,
    "after A-RELEASE-RP": _released,
}
"""Where A-ABORT can come."""

ANYWHERE: Final[States] = {
    **BETWEEN_PDUS,
    "within A-ASSOCIATE-RQ": _in_request,
    "within the header of a PDU": _in_header,
    "within a PDV": _in_pdu,
}
"""Where a connection can end."""


def attacks() -> Iterator[Attack]:
    """Every attack of this file."""
    for where, reach in BETWEEN_PDUS.items():
        yield Attack(
            name=f"A-ABORT {where}",
            clause="PS3.8 Table 9-10, AA-3",
            sent="A-ABORT",
            expected=CLOSED,
            run=_aborting(reach),
            after=After.STORE,
        )
    for where, reach in ANYWHERE.items():
        for flag, reset in (("FIN", False), ("RST", True)):
            yield Attack(
                name=f"hang-up ({flag}) {where}",
                clause="PS3.8 Table 9-10, AA-4 and AA-5",
                sent=flag,
                expected=SERVED,
                run=_hanging_up(reach, reset=reset),
                after=After.STORE,
            )
    yield from _others()


def _others() -> Iterator[Attack]:
    for source, reason in ((1, 1), (9, 200)):
        yield Attack(
            name=f"A-ABORT with source {source}, reason {reason}",
            clause="PS3.8 9.3.8",
            sent="A-ABORT",
            expected=CLOSED,
            run=ending(pdus.abort(source, reason)),
        )
    yield Attack(
        name="A-RELEASE-RQ in place of a data set",
        clause="PS3.8 7.2, PS3.7 9.3.1",
        sent="C-STORE-RQ, then A-RELEASE-RQ",
        expected=DECIDED,
        run=_release_for_data_set,
    )
    yield Attack(
        name="C-ECHO-RQ and A-RELEASE-RQ in one write",
        clause="PS3.8 Table 9-10, Sta8",
        sent="both",
        expected=ECHOED,
        run=within(ECHO_PDU + pdus.release_rq()),
    )
    yield Attack(
        name="A-RELEASE-RQ twice",
        clause="PS3.8 Table 9-10",
        sent="both in one write",
        expected=CLOSED,
        run=ending(pdus.release_rq() + pdus.release_rq(), ends=True),
    )
    yield Attack(
        name="P-DATA-TF after A-RELEASE-RQ",
        clause="PS3.8 Table 9-10",
        sent="A-RELEASE-RQ and C-ECHO-RQ in one write",
        expected=CLOSED,
        run=ending(pdus.release_rq() + ECHO_PDU, ends=True),
    )


def _aborting(reach: Callable[[Caller], None]) -> Callable[[Target], Seen]:
    def run(target: Target) -> Seen:
        with calling(target) as caller:
            reach(caller)
            caller.send(pdus.abort())
            return caller.see_end(target.patience_s)

    return run


def _hanging_up(reach: Callable[[Caller], None], *, reset: bool) -> Callable[[Target], Seen]:
    """What is seen of it is the good peer after it."""

    def run(target: Target) -> Seen:
        with calling(target) as caller:
            reach(caller)
            caller.hang_up(reset=reset)
            return Seen(kind=Kind.SURVIVED)

    return run


def _release_for_data_set(target: Target) -> Seen:
    with calling(target) as caller:
        _before_data_set(caller)
        caller.send(pdus.release_rq())
        return caller.see()
