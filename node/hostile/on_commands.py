"""Attacks on command sets (PS3.7 6.3, 9.3, E)."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Final

from node.hostile import messages, pdus
from node.hostile.attack import DECIDED, ECHOED, ENDED, REFUSED, After, Attack, Expectation, Run, within
from node.hostile.caller import Seen, Target, associated
from node.hostile.messages import US, command_set, echo_fields, element, elements, store_fields
from node.hostile.pdus import COMMAND, LAST_COMMAND, NO_VALUE, p_data, pdv

CLAUSE: Final = "PS3.7 6.3.1, 9.3"
INSTANCE: Final = b"2.25.3"
ECHO: Final = echo_fields()
STORE: Final = store_fields(INSTANCE)
GARBAGE: Final = random.Random(1).randbytes(400)
COMMAND_MAX_BYTES: Final = 1 << 26
"""How long a command set goes on that does not end."""


def _without(fields: dict[int, bytes], *tags: int) -> bytes:
    return command_set({tag: value for tag, value in fields.items() if tag not in tags})


def _with(fields: dict[int, bytes], **values: bytes) -> bytes:
    return command_set({**fields, **{getattr(messages, name): value for name, value in values.items()}})


BROKEN: Final[dict[str, bytes]] = {
    "of 0 bytes": b"",
    "of 1 byte": b"\0",
    "of 400 random bytes": GARBAGE,
    "of 400 bytes FF": b"\xff" * 400,
    "without Command Field": _without(STORE, messages.COMMAND_FIELD),
    "without Message ID": _without(STORE, messages.MESSAGE_ID),
    "without Affected SOP Class UID": _without(STORE, messages.AFFECTED_SOP_CLASS_UID),
    "without Affected SOP Instance UID": _without(STORE, messages.AFFECTED_SOP_INSTANCE_UID),
    "with nothing but a group length": command_set({}),
    "with an unknown Command Field": _with(STORE, COMMAND_FIELD=US.pack(0x1234)),
    "of a response": _with(STORE, COMMAND_FIELD=US.pack(0x8001), STATUS=US.pack(0)),
    "of C-FIND": _with(STORE, COMMAND_FIELD=US.pack(0x0020)),
    "of C-MOVE": _with(STORE, COMMAND_FIELD=US.pack(0x0021)),
    "of N-DELETE": _with(STORE, COMMAND_FIELD=US.pack(0x0150), DATA_SET_TYPE=US.pack(messages.NULL)),
    "with an empty Command Field": _with(STORE, COMMAND_FIELD=b""),
    "with a Command Field of 4 bytes": _with(STORE, COMMAND_FIELD=bytes(4)),
    "with an empty Message ID": _with(STORE, MESSAGE_ID=b""),
    "with an empty Command Data Set Type": _with(STORE, DATA_SET_TYPE=b""),
    "whose UID says 4 GiB": elements({messages.COMMAND_FIELD: US.pack(1)})
    + element(messages.AFFECTED_SOP_INSTANCE_UID, INSTANCE, length=NO_VALUE),
    "whose UID says 64 KiB": elements({messages.COMMAND_FIELD: US.pack(1)})
    + element(messages.AFFECTED_SOP_INSTANCE_UID, INSTANCE, length=1 << 16),
    "in Explicit VR": bytes.fromhex("0000 0001 5553 0200 0100"),
    "cut off within a tag": command_set(STORE)[:-3],
    "of 5,000 elements": command_set({n << 1: b"\0\0" for n in range(1, 5000)}),
}
"""Words -> command set of what is no good C-STORE-RQ."""

LENIENT: Final[dict[str, tuple[bytes, Expectation]]] = {
    "with a group length of 0": (command_set(ECHO, group_length=0), DECIDED),
    "with a group length of 4 GiB": (command_set(ECHO, group_length=NO_VALUE), DECIDED),
    "without a group length": (elements(ECHO), DECIDED),
    "with its elements in another order": (
        b"".join(element(tag, value) for tag, value in sorted(ECHO.items(), reverse=True)),
        DECIDED,
    ),
    "with elements of a data set": (command_set(ECHO) + element(0x00100010, b"HOSTILE^PEER"), DECIDED),
    "with an unknown element": (command_set({**ECHO, 0x00000F00: b"AB"}), ECHOED),
}
"""Words -> C-ECHO-RQ that some answer and others abort."""


def attacks() -> Iterator[Attack]:
    """Every attack of this file."""
    for words, command in BROKEN.items():
        yield Attack(
            name=f"a command set {words}",
            clause=CLAUSE,
            sent=f"command set of {len(command)} bytes, and a data set",
            expected=REFUSED,
            run=_with_data_set(command),
        )
    for words, (command, expected) in LENIENT.items():
        yield Attack(
            name=f"a C-ECHO-RQ {words}",
            clause=CLAUSE,
            sent=f"command set of {len(command)} bytes",
            expected=expected,
            run=within(p_data(pdv(1, LAST_COMMAND, command)), ends=True),
        )
    yield from _others()


def _others() -> Iterator[Attack]:
    null = command_set({**STORE, messages.DATA_SET_TYPE: US.pack(messages.NULL)})
    yield Attack(
        name="C-STORE-RQ that says that no data set follows",
        clause="PS3.7 9.3.1.1",
        sent="Command Data Set Type 0101H",
        expected=REFUSED,
        run=within(p_data(pdv(3, LAST_COMMAND, null)), ends=True),
        after=After.STORE,
    )
    yield Attack(
        name="C-STORE-RQ in the context of C-ECHO",
        clause="PS3.7 9.1.1",
        sent="C-STORE-RQ of CT on a context of Verification",
        expected=REFUSED,
        run=_with_data_set(command_set(STORE), context_id=1),
        after=After.STORE,
    )
    yield Attack(
        name="C-CANCEL-RQ out of nowhere, then C-ECHO",
        clause="PS3.7 9.3.2.3",
        sent="C-CANCEL-RQ of message 77",
        expected=DECIDED,
        run=within(p_data(pdv(3, LAST_COMMAND, _CANCEL)), p_data(pdv(1, LAST_COMMAND, command_set(ECHO)))),
    )
    yield Attack(
        name="a command set without end",
        clause="PS3.7 6.3.1",
        sent=f"command fragments of 16 KiB, up to {COMMAND_MAX_BYTES >> 20} MiB",
        expected=ENDED,
        run=_endless,
    )


_CANCEL: Final = command_set(
    {
        messages.COMMAND_FIELD: US.pack(0x0FFF),
        0x00000120: US.pack(77),  # Message ID Being Responded To
        messages.DATA_SET_TYPE: US.pack(messages.NULL),
    }
)


def _with_data_set(command: bytes, *, context_id: int = 3) -> Run:
    """The command set, and a good data set behind it; then nothing more."""

    def run(target: Target) -> Seen:
        with associated(target) as caller:
            caller.send(p_data(pdv(context_id, LAST_COMMAND, command)))
            data_set = target.slice().data_set
            caller.send(p_data(pdv(context_id, pdus.LAST_DATA, data_set)))
            caller.end_sending()
            return caller.see()

    return run


def _endless(target: Target) -> Seen:
    fragment = p_data(pdv(1, COMMAND, element(0x00000F00, bytes(pdus.MAXIMUM_LENGTH - 20))))
    with associated(target) as caller:
        for _ in range(COMMAND_MAX_BYTES // len(fragment)):
            if caller.has_heard() or not caller.send(fragment):
                break
        return caller.see(1.0)
