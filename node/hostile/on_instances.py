"""Attacks with instances: UIDs, data sets, duplicates, and data sets that do not end (PS3.4 B.2)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from node.hostile import messages, pdus
from node.hostile.attack import DECIDED, DUPLICATE, ENDED, REFUSED, STORED, After, Attack, Expectation, Run
from node.hostile.caller import Kind, Seen, Target, associated, store_pdus
from node.hostile.messages import (
    SERIES_INSTANCE_UID,
    SOP_CLASS_UID,
    SOP_INSTANCE_UID,
    STUDY_INSTANCE_UID,
    Slice,
    command_set,
    element,
    elements,
    store_fields,
)
from node.hostile.pdus import CT_CONTEXT, DATA, DEFLATED_CONTEXT, LAST_COMMAND, NO_VALUE, p_data, pdv

CLAUSE: Final = "PS3.4 B.2.3, PS3.5 9.1"
WRONG_UIDS: Final[dict[str, bytes]] = {
    "empty": b"",
    "of 65 characters": b"1." + b"2" * 63,
    "of 10,000 characters": b"1." + b"2" * 9_998,
    "that is not ASCII": b"1.2.\xff\xfe\xf0\x9f\x98\x80",
    "of a path upwards": b"../../../../tmp/hostile",
    "of an absolute path": b"/tmp/hostile",
    "of a Windows path": b"..\\..\\hostile",
    "of dots": b"..",
    "with a NUL within": b"1.2\x00.3",
    "with a line feed": b"1.2\n.3",
    "with a quote": b"1.2'; --",
    "with a wildcard": b"1.2.*",
    "with an empty component": b"1..2",
    "of two values": b"1.2\\1.3",
}
"""Words -> a value that is no UID."""

NAMES: Final = {
    SOP_INSTANCE_UID: "SOP Instance UID",
    SERIES_INSTANCE_UID: "Series Instance UID",
    STUDY_INSTANCE_UID: "Study Instance UID",
    SOP_CLASS_UID: "SOP Class UID",
}
BYTE_SIDE: Final = 160
"""Rows and columns of the slice that comes byte by byte: 50 KB of pixels."""

PIECE_BYTES: Final = 4
"""Of a data set that comes in one PDU."""

DEEP: Final = 5_000
"""Sequences within each other."""

BOMB_BYTES: Final = 1 << 28
"""What 256 KiB become when they are inflated."""

Make = Callable[[Target], tuple[bytes, bytes]]
"""Command set and data set of an instance."""


def attacks() -> Iterator[Attack]:
    """Every attack of this file."""
    for words, value in WRONG_UIDS.items():
        yield _attack(f"Affected SOP Instance UID {words}", REFUSED, _in_command(value))
        for tag, name in NAMES.items():
            if tag != SOP_CLASS_UID:
                yield _attack(f"{name} {words}, in the data set", REFUSED, _in_data_set({tag: value}))
        yield _attack(f"SOP Instance UID {words}, in command and data set", REFUSED, _in_both(value))
    for tag, name in NAMES.items():
        yield _attack(f"no {name} in the data set", REFUSED, _in_data_set({}, without=tag))
    for tag in (SOP_INSTANCE_UID, SOP_CLASS_UID):
        other = b"1.2.840.10008.5.1.4.1.1.4" if tag == SOP_CLASS_UID else b"2.25.99"
        yield _attack(
            f"{NAMES[tag]} other than in the command", REFUSED, _in_data_set({tag: messages.uid(other)})
        )
    for words, (data_set, expected) in _data_sets().items():
        yield _attack(f"a data set {words}", expected, _of(data_set))
    yield _attack("a deflated data set that becomes 256 MiB", DECIDED, _bomb, deflated=True)
    yield from _others()


def _others() -> Iterator[Attack]:
    yield Attack(
        name="an instance of 50 KB in PDVs of one byte",
        clause="PS3.8 E.2",
        sent="51,000 P-DATA-TF",
        expected=DECIDED,  # some take an odd length for an error
        run=_fragmented(1),
        after=After.STORE,
    )
    yield Attack(
        name="an instance of 50 KB in PDVs of two bytes",
        clause="PS3.8 E.2",
        sent="25,000 P-DATA-TF",
        expected=STORED,
        run=_fragmented(2),
    )
    yield Attack(
        name="an instance in 250 PDVs of one PDU, its command in two of them",
        clause="PS3.8 E.2",
        sent="one P-DATA-TF",
        expected=STORED,
        run=_in_one_pdu(b""),
    )
    yield Attack(
        name="an instance in 500 PDVs of one PDU, every second of them empty",
        clause="PS3.8 E.2",
        sent="one P-DATA-TF",
        expected=DECIDED,  # some take an empty one for an error
        run=_in_one_pdu(pdv(CT_CONTEXT.id, DATA, b"")),
        after=After.STORE,
    )
    yield Attack(
        name="an instance again with other content",
        clause="PS3.7 C.4",
        sent="first content, other content, first, other",
        expected=DUPLICATE,
        run=_duplicate,
        after=After.STORE,
    )
    yield Attack(
        name="a data set without end",
        clause="PS3.8 9.3.5",
        sent="PDVs of 16 KiB until it is ended",
        expected=ENDED,
        run=_endless,
        after=After.STORE,
    )


def _attack(name: str, expected: Expectation, make: Make, *, deflated: bool = False) -> Attack:
    def run(target: Target) -> Seen:
        contexts = (DEFLATED_CONTEXT,) if deflated else pdus.USUAL
        with associated(target, contexts) as caller:
            context = DEFLATED_CONTEXT if deflated else CT_CONTEXT
            caller.send(*store_pdus(*make(target), context_id=context.id))
            return caller.see()

    after = After.STORE if expected is DECIDED else After.ECHO
    return Attack(name=name, clause=CLAUSE, sent="C-STORE-RQ", expected=expected, run=run, after=after)


def _in_command(value: bytes) -> Make:
    return lambda target: (command_set(store_fields(value)), target.slice().data_set)


def _in_data_set(wrong: dict[int, bytes], *, without: int | None = None) -> Make:
    def make(target: Target) -> tuple[bytes, bytes]:
        left_out = frozenset() if without is None else frozenset({without})
        padded = {tag: messages.uid(value) for tag, value in wrong.items()}
        slice = replace(target.slice(), wrong=padded, without=left_out)
        return slice.command, slice.data_set

    return make


def _in_both(value: bytes) -> Make:
    def make(target: Target) -> tuple[bytes, bytes]:
        slice = replace(target.slice(), instance=value)
        return slice.command, slice.data_set

    return make


def _of(change: Callable[[Slice], bytes]) -> Make:
    def make(target: Target) -> tuple[bytes, bytes]:
        slice = target.slice()
        return slice.command, change(slice)

    return make


def _data_sets() -> dict[str, tuple[Callable[[Slice], bytes], Expectation]]:
    """Words -> how a data set is spoilt, and what must be seen."""
    return {
        "of 0 bytes": (lambda _: b"", REFUSED),
        "of 3 bytes": (lambda _: b"\x08\0\x16", REFUSED),
        "of zeros": (lambda _: bytes(5_000), REFUSED),
        "of bytes FF": (lambda _: b"\xff" * 5_000, REFUSED),
        "cut off within its pixels": (lambda slice: slice.data_set[:-100], REFUSED),
        "cut off within a tag": (lambda slice: _header(slice)[:-3], REFUSED),
        "in Explicit VR where Implicit was accepted": (_explicit, REFUSED),
        "with an element of 4 GiB - 2": (lambda s: _header(s)[:-8] + _too_long(NO_VALUE - 1), REFUSED),
        "with a sequence that does not end": (
            lambda s: _header(s)[:-8] + element(0x50000010, b"", length=NO_VALUE),
            DECIDED,
        ),
        "with sequences 5,000 deep": (lambda s: _deep() + s.data_set, DECIDED),
        "with the file meta information before it": (
            lambda s: bytes(128) + b"DICM" + s.data_set,
            REFUSED,
        ),
    }


def _header(slice: Slice) -> bytes:
    return replace(slice, without=frozenset({messages.PIXEL_DATA})).data_set


def _explicit(slice: Slice) -> bytes:
    values = {tag: value for tag, value in slice.values.items() if tag != messages.PIXEL_DATA}
    heads = (
        (struct.pack("<HH2sH", t >> 16, t & 0xFFFF, b"UI", len(v)), v) for t, v in sorted(values.items())
    )
    return b"".join(head + value for head, value in heads)


def _too_long(length: int) -> bytes:
    return element(0x50000010, b"12", length=length)


def _deep() -> bytes:
    """The beginning of a sequence in an item of a sequence, and so on; all of them are left open."""
    item = struct.pack("<HHI", 0xFFFE, 0xE000, NO_VALUE)
    return (element(0x00041220, b"", length=NO_VALUE) + item) * DEEP


def _bomb(target: Target) -> tuple[bytes, bytes]:
    slice = target.slice()
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    parts = [squeeze.compress(struct.pack("<HH2s2xI", 0x7FE0, 0x0010, b"OW", BOMB_BYTES))]
    parts += [squeeze.compress(bytes(1 << 20)) for _ in range(BOMB_BYTES >> 20)]
    return slice.command, b"".join([*parts, squeeze.flush()])


def _fragmented(size_bytes: int) -> Run:
    """An instance in PDVs of so many bytes, each in a P-DATA-TF of its own."""

    def run(target: Target) -> Seen:
        slice = target.slice(side=BYTE_SIDE)
        data_set = slice.data_set
        fragments = [data_set[at : at + size_bytes] for at in range(0, len(data_set), size_bytes)]
        with associated(target) as caller:
            caller.send(p_data(pdv(CT_CONTEXT.id, LAST_COMMAND, slice.command)))
            caller.send(*(p_data(pdv(CT_CONTEXT.id, DATA, each)) for each in fragments[:-1]))
            caller.send(p_data(pdv(CT_CONTEXT.id, pdus.LAST_DATA, fragments[-1])))
            return caller.see()

    return run


def _in_one_pdu(between: bytes) -> Run:
    """Command set and data set in many PDVs of one P-DATA-TF, this one between each two of the data set."""

    def run(target: Target) -> Seen:
        slice = target.slice()
        data_set, command = slice.data_set, slice.command
        values = [pdv(3, pdus.COMMAND, command[:40]), pdv(3, LAST_COMMAND, command[40:])]
        for at in range(0, len(data_set) - PIECE_BYTES, PIECE_BYTES):
            values += [pdv(3, DATA, data_set[at : at + PIECE_BYTES]), between]
        rest = len(data_set) % PIECE_BYTES or PIECE_BYTES
        with associated(target) as caller:
            caller.send(p_data(*values, pdv(3, pdus.LAST_DATA, data_set[-rest:])))
            return caller.see()

    return run


def _duplicate(target: Target) -> Seen:
    """The second content is refused, and what is there is the first: it is taken again, the other not."""
    first = target.slice()
    other = replace(first, shade=77)
    with associated(target) as caller:
        seen = [caller.store(each) for each in (first, other, first, other)]
    statuses = [each.status for each in seen]
    if statuses[0] != 0 or statuses[2] != 0:
        return Seen(kind=Kind.STRANGE, detail=f"the first content: {seen[0]}, and again: {seen[2]}")
    return seen[3] if seen[1].status == seen[3].status else seen[1]


def _endless(target: Target) -> Seen:
    """Until the SCP ends it, or has taken more than it should."""
    fragment = p_data(pdv(CT_CONTEXT.id, DATA, bytes(pdus.MAXIMUM_LENGTH - 6)))
    slice = target.slice()
    start = elements({tag: value for tag, value in slice.values.items() if tag != messages.PIXEL_DATA})
    with associated(target) as caller:
        caller.send(p_data(pdv(3, LAST_COMMAND, slice.command)))
        caller.send(p_data(pdv(3, DATA, start + element(messages.PIXEL_DATA, b"", length=NO_VALUE - 1))))
        sent = 0
        while sent < target.endless_bytes and not caller.has_heard() and caller.send(fragment):
            sent += len(fragment)
        if sent >= target.endless_bytes and not caller.has_heard():
            return Seen(kind=Kind.SILENT, detail=f"{sent:,} bytes were taken")
        return caller.see_end()
