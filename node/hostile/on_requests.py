"""Attacks on negotiation: A-ASSOCIATE-RQ with wrong, missing, doubled and enormous items (PS3.8 9.3.2)."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterator
from typing import Final

from node.hostile import pdus
from node.hostile.attack import (
    ACCEPTED,
    DECIDED,
    ENDED,
    NOT_ACCEPTED,
    REJECTED,
    Attack,
    Expectation,
    ending,
    requesting,
)
from node.hostile.caller import Seen, Target, calling
from node.hostile.pdus import (
    APPLICATION_CONTEXT,
    CT_CONTEXT,
    CT_IMAGE_STORAGE,
    ECHO_CONTEXT,
    IMPLEMENTATION,
    IMPLICIT,
    Proposed,
    associate_items,
    context_item,
    item,
    maximum_length,
    user_information,
)

CLAUSE: Final = "PS3.8 9.3.2"
NAMED: Final = item(0x10, APPLICATION_CONTEXT)
CONTEXTS: Final = context_item(ECHO_CONTEXT) + context_item(CT_CONTEXT)
USER: Final = user_information(maximum_length(), IMPLEMENTATION)
GOOD: Final = NAMED + CONTEXTS + USER

TINY: Final = pdus.pdu(pdus.ASSOCIATE_RQ, bytes(10))

BYTE_PAUSE_S: Final = 0.001
"""Between the bytes of a slow but good request."""

CONTEXTS_MAX: Final = 128
"""Identifiers are odd and at most 255."""


def _context(id: int, abstract: bytes = CT_IMAGE_STORAGE, *syntaxes: bytes) -> bytes:
    return context_item(Proposed(id=id, abstract_syntax=abstract, transfer_syntaxes=syntaxes or (IMPLICIT,)))


BROKEN: Final[dict[str, tuple[bytes, Expectation]]] = {
    "no items at all": (b"", NOT_ACCEPTED),
    "no application context": (CONTEXTS + USER, NOT_ACCEPTED),
    "another application context": (
        associate_items(application_context=b"1.2.840.10008.3.1.1.2"),
        NOT_ACCEPTED,
    ),
    "an empty application context": (item(0x10, b"") + CONTEXTS + USER, NOT_ACCEPTED),
    "no presentation context": (NAMED + USER, DECIDED),
    "no user information": (NAMED + CONTEXTS, DECIDED),
    "empty user information": (NAMED + CONTEXTS + user_information(), DECIDED),
    "no maximum length": (NAMED + CONTEXTS + user_information(IMPLEMENTATION), DECIDED),
    "a maximum length of 2 bytes": (
        NAMED + CONTEXTS + user_information(item(0x51, b"\x40\0"), IMPLEMENTATION),
        DECIDED,
    ),
    "a maximum length of 1": (NAMED + CONTEXTS + user_information(maximum_length(1)), DECIDED),
    "a context without transfer syntax": (
        NAMED + item(0x20, bytes((1, 0, 0, 0)) + item(0x30, CT_IMAGE_STORAGE)) + USER,
        DECIDED,
    ),
    "a context without abstract syntax": (
        NAMED + item(0x20, bytes((1, 0, 0, 0)) + item(0x40, IMPLICIT)) + USER,
        DECIDED,
    ),
    "an empty context item": (NAMED + item(0x20, b"") + USER, DECIDED),
    "context identifier 0": (NAMED + _context(0) + USER, DECIDED),
    "an even context identifier": (NAMED + _context(2) + USER, DECIDED),
    "a context identifier twice": (NAMED + _context(1) + _context(1, pdus.VERIFICATION) + USER, DECIDED),
    "an empty abstract syntax": (NAMED + _context(1, b"") + USER, DECIDED),
    "an abstract syntax of 65 characters": (NAMED + _context(1, b"1." + b"2" * 63) + USER, DECIDED),
    "an abstract syntax of 60,000 characters": (NAMED + _context(1, b"1" * 60_000) + USER, DECIDED),
    "an abstract syntax that is not ASCII": (NAMED + _context(1, b"1.2.\xff\xfe\x80") + USER, DECIDED),
    "an abstract syntax that is a path": (NAMED + _context(1, b"../../../etc/passwd") + USER, DECIDED),
    "a transfer syntax that is not ASCII": (
        NAMED + _context(1, CT_IMAGE_STORAGE, b"\xf0\x9f\x98\x80") + USER,
        DECIDED,
    ),
    "1,000 transfer syntaxes": (NAMED + _context(1, CT_IMAGE_STORAGE, *[IMPLICIT] * 1000) + USER, DECIDED),
    "an item longer than the request": (NAMED + CONTEXTS + item(0x50, b"1234", length=0xFFFF), NOT_ACCEPTED),
    "a sub-item longer than its item": (
        NAMED + CONTEXTS + user_information(item(0x51, b"\0\0\x40\0", length=400), IMPLEMENTATION),
        DECIDED,
    ),
    "a context item of length 0 before its content": (
        NAMED + item(0x20, bytes((1, 0, 0, 0)) + item(0x30, CT_IMAGE_STORAGE), length=0) + USER,
        DECIDED,
    ),
    "half an item at its end": (GOOD + b"\x50\0", DECIDED),
    "an unknown item": (NAMED + item(0x77, b"nobody knows") + CONTEXTS + USER, DECIDED),
    "a broken user identity": (associate_items(pdus.USUAL, item(0x58, b"\x02\x01\xff\xff")), DECIDED),
    "a broken role selection": (associate_items(pdus.USUAL, item(0x54, b"\xff\xff1.2")), DECIDED),
    "a broken extended negotiation": (associate_items(pdus.USUAL, item(0x56, b"\xff\xff")), DECIDED),
    "a broken operations window": (associate_items(pdus.USUAL, item(0x53, b"\0")), DECIDED),
}
"""Words -> items, and what must be seen."""


def attacks() -> Iterator[Attack]:
    """Every attack of this file."""
    for words, (items, expected) in BROKEN.items():
        yield _attack(f"A-ASSOCIATE-RQ with {words}", _of(items), expected)
    yield _attack("A-ASSOCIATE-RQ with 128 contexts", _many(CONTEXTS_MAX), ACCEPTED)
    yield _attack(
        "A-ASSOCIATE-RQ with 2,000 contexts, their identifiers again and again", _many(2000), DECIDED
    )
    yield _attack("A-ASSOCIATE-RQ with protocol version 0", lambda t: t.request_of(GOOD, version=0), DECIDED)
    yield _attack(
        "A-ASSOCIATE-RQ whose length is 10 too short", lambda t: _other_length(t, -10), NOT_ACCEPTED
    )
    yield _attack("A-ASSOCIATE-RQ whose length is 10 too long", lambda t: _other_length(t, 10), NOT_ACCEPTED)
    yield _attack("A-ASSOCIATE-RQ of 10 bytes", lambda _: TINY, NOT_ACCEPTED)
    for size_bytes in (1 << 20, 1 << 26):
        name = f"A-ASSOCIATE-RQ of {size_bytes >> 20} MiB"
        yield _attack(name, _of(GOOD + _padding(size_bytes)), DECIDED)
    yield from _titles()
    yield Attack(
        name="A-ASSOCIATE-RQ on an association",
        clause="PS3.8 Table 9-10, Sta6: AA-8",
        sent="a second A-ASSOCIATE-RQ",
        expected=ENDED,
        run=ending(pdus.associate_rq(called=b"ANY", calling=b"ANY", items=GOOD)),
    )
    yield Attack(
        name="two A-ASSOCIATE-RQ in one write",
        clause="PS3.8 Table 9-10, AA-8",
        sent="a good A-ASSOCIATE-RQ, twice",
        expected=ENDED,
        run=_twice,
    )
    yield Attack(
        name="a good A-ASSOCIATE-RQ, byte by byte",
        clause="PS3.8 9.1.4",
        sent=f"a byte every {1000 * BYTE_PAUSE_S:g} ms",
        expected=ACCEPTED,
        run=_byte_by_byte,
    )


def _attack(name: str, request: Callable[[Target], bytes], expected: Expectation) -> Attack:
    return Attack(name=name, clause=CLAUSE, sent="A-ASSOCIATE-RQ", expected=expected, run=requesting(request))


def _titles() -> Iterator[Attack]:
    """AE titles that the SCP cannot know (PS3.8 Table 9-21)."""
    titles = {
        "that nobody has": b"NOBODY_KNOWS_ME",
        "of spaces": b" " * 16,
        "of NULs": bytes(16),
        "that is not ASCII": b"\xff\xfe\x80\x81",
        "that is a path": b"../../../etc",
        "with line feeds": b'A\r\nB\n{"a":1}',
    }
    for words, title in titles.items():
        for side in ("calling", "called"):
            yield Attack(
                name=f"{side} AE title {words}",
                clause="PS3.8 9.3.2, Table 9-21",
                sent="A-ASSOCIATE-RQ",
                expected=REJECTED if words == "that nobody has" else NOT_ACCEPTED,
                run=requesting(_titled(side, title)),
            )


def _titled(side: str, title: bytes) -> Callable[[Target], bytes]:
    def request(target: Target) -> bytes:
        titles = {
            "called": target.called.ae_title.encode(),
            "calling": target.calling_ae.encode(),
            side: title,
        }
        return pdus.associate_rq(called=titles["called"], calling=titles["calling"], items=GOOD)

    return request


def _of(items: bytes) -> Callable[[Target], bytes]:
    return lambda target: target.request_of(items)


def _many(count: int) -> Callable[[Target], bytes]:
    """So many contexts; from 129 on their identifiers are used again."""
    contexts = [
        Proposed(
            id=2 * (n % CONTEXTS_MAX) + 1, abstract_syntax=CT_IMAGE_STORAGE, transfer_syntaxes=[IMPLICIT]
        )
        for n in range(count)
    ]
    return lambda target: target.request(contexts)


def _other_length(target: Target, more: int) -> bytes:
    good = target.request_of(GOOD)
    (length,) = struct.unpack_from(">I", good, 2)
    return target.request_of(GOOD, length=length + more)


def _padding(size_bytes: int) -> bytes:
    """Unknown items of altogether so many bytes."""
    return item(0x77, bytes(0xFFFC)) * (size_bytes >> 16)


def _twice(target: Target) -> Seen:
    with calling(target) as caller:
        caller.send(target.request_of(GOOD), target.request_of(GOOD))
        return caller.see_end()


def _byte_by_byte(target: Target) -> Seen:
    with calling(target) as caller:
        for byte in target.request_of(GOOD):
            caller.send(bytes((byte,)))
            time.sleep(BYTE_PAUSE_S)
        return caller.see()
