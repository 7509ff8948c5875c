"""Attacks on the reading of PDUs (PS3.8 9.2, 9.3): types, lengths, ends, and what is no DICOM at all."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from node.hostile import pdus
from node.hostile.attack import DECIDED, ENDED, NOT_ACCEPTED, REFUSED, Attack, alone, ending, within
from node.hostile.messages import Slice, command_set, echo_fields
from node.hostile.pdus import COMMAND, LAST_COMMAND, NO_VALUE, p_data, pdu, pdv

UNKNOWN_TYPES: Final = (0x00, 0x08, 0x7F, 0xFF)
HALF: Final = bytes(40)
"""Of a PDU that announces twice as much."""

ECHO: Final = command_set(echo_fields())
SLICE: Final = Slice(study=b"2.25.1", series=b"2.25.2", instance=b"2.25.3")
"""Never stored: every attack with it breaks off."""

TLS_HELLO: Final = bytes.fromhex("16030100c4010000c00303") + bytes(186)
NOT_DICOM: Final = {
    "a TLS hello": TLS_HELLO,
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: dicom\r\n\r\n",
    "an SSH banner": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a megabyte of zeros": bytes(1 << 20),
    "a megabyte of FF": b"\xff" * (1 << 20),
    "a DICOM file": bytes(128) + b"DICM" + bytes(1000),
}
EARLY: Final = (
    pdus.P_DATA,
    pdus.ASSOCIATE_AC,
    pdus.ASSOCIATE_RJ,
    pdus.RELEASE_RQ,
    pdus.RELEASE_RP,
)
"""What must not come before an association (PS3.8 Table 9-10, Sta2: AA-1)."""


def attacks() -> Iterator[Attack]:
    """Every attack of this file."""
    yield from _ends()
    yield from _types()
    yield from _lengths()
    yield from _values()
    for words, sent in NOT_DICOM.items():
        yield Attack(
            name=f"{words} on the DICOM port",
            clause="PS3.8 Table 9-10, AA-1",
            sent=f"{len(sent)} bytes",
            expected=ENDED,
            run=alone(sent),
        )


def _ends() -> Iterator[Attack]:
    """Connections that end within a PDU."""
    whole = pdu(pdus.ASSOCIATE_RQ, bytes(200))
    for count in (0, 1, 5, 6, 7):
        yield Attack(
            name=f"the connection ends after {count} bytes",
            clause="PS3.8 Table 9-10, AA-2 to AA-5",
            sent=f"{count} bytes of A-ASSOCIATE-RQ and FIN",
            expected=ENDED,
            run=alone(whole[:count]),
        )
    for kind, name in pdus.TYPES.items():
        half = pdu(kind, HALF, length=2 * len(HALF))
        sent = f"{name} of {2 * len(HALF)} bytes, {len(HALF)} of them and FIN"
        clause = "PS3.8 9.3.1"
        yield Attack(
            name=f"{name} cut off before an association",
            clause=clause,
            sent=sent,
            expected=ENDED,
            run=alone(half),
        )
        yield Attack(
            name=f"{name} cut off on an association",
            clause=clause,
            sent=sent,
            expected=ENDED,
            run=ending(half, ends=True),
        )


def _types() -> Iterator[Attack]:
    """PDUs that nobody knows, or that must not come now."""
    for kind in UNKNOWN_TYPES:
        unknown = pdu(kind, bytes(4))
        clause = "PS3.8 Table 9-10, AA-1 and AA-8"
        for where, run in (("before", alone(unknown)), ("on", ending(unknown))):
            yield Attack(
                name=f"PDU type {kind:02X}H {where} an association",
                clause=clause,
                sent=f"PDU type {kind:02X}H of 4 bytes",
                expected=ENDED,
                run=run,
            )
    for kind in EARLY:
        name = pdus.TYPES[kind]
        body = pdv(1, LAST_COMMAND, ECHO) if kind == pdus.P_DATA else bytes(4)
        yield Attack(
            name=f"{name} before an association",
            clause="PS3.8 Table 9-10, Sta2: AA-1",
            sent=name,
            expected=ENDED,
            run=alone(pdu(kind, body)),
        )
    for kind in (pdus.ASSOCIATE_AC, pdus.ASSOCIATE_RJ, pdus.RELEASE_RP):
        name = pdus.TYPES[kind]
        yield Attack(
            name=f"{name} on an association",
            clause="PS3.8 Table 9-10, Sta6: AA-8",
            sent=name,
            expected=ENDED,
            run=ending(pdu(kind, bytes(4))),
        )


def _lengths() -> Iterator[Attack]:
    """Length fields of 0 and of 4 GiB."""
    for kind, name in pdus.TYPES.items():
        for length in (0, NO_VALUE):
            sent = pdu(kind, b"" if length == 0 else bytes(1000), length=length)
            words = f"{name} of length {length:X}H"
            yield Attack(
                name=f"{words} before an association",
                clause="PS3.8 9.3.1",
                sent=words,
                expected=NOT_ACCEPTED,
                run=alone(sent),
            )
            yield Attack(
                name=f"{words} on an association",
                clause="PS3.8 9.3.1",
                sent=words,
                expected=ENDED,
                run=ending(sent, ends=True),
            )


def _values() -> Iterator[Attack]:
    """Presentation data values that are not what they say (PS3.8 9.3.5, E.2)."""
    whole = pdv(1, LAST_COMMAND, ECHO)
    broken: dict[str, bytes] = {
        "a PDV of length 0": p_data(pdv(1, LAST_COMMAND, ECHO, length=0)),
        "a PDV of length 1": p_data(pdv(1, LAST_COMMAND, ECHO, length=1)),
        "a PDV of length FFFFFFFFH": p_data(pdv(1, LAST_COMMAND, ECHO, length=NO_VALUE)),
        "a PDV longer than its PDU": p_data(pdv(1, LAST_COMMAND, ECHO, length=len(ECHO) + 100)),
        "a PDV shorter than its PDU": p_data(pdv(1, LAST_COMMAND, ECHO, length=len(ECHO) - 7)),
        "3 bytes behind the last PDV": p_data(whole, b"\0\0\0"),
        "a context that was not proposed": p_data(pdv(99, LAST_COMMAND, ECHO)),
        "context 0": p_data(pdv(0, LAST_COMMAND, ECHO)),
        "an even context": p_data(pdv(2, LAST_COMMAND, ECHO)),
        "a data set without a command": p_data(pdv(3, pdus.LAST_DATA, SLICE.data_set)),
        "a command in two contexts": p_data(pdv(1, COMMAND, ECHO[:20]), pdv(3, LAST_COMMAND, ECHO[20:])),
        "a data set in another context than its command": p_data(
            pdv(3, LAST_COMMAND, SLICE.command), pdv(1, pdus.LAST_DATA, SLICE.data_set)
        ),
        "a command within a data set": p_data(
            pdv(3, LAST_COMMAND, SLICE.command), pdv(3, pdus.DATA, b"\x08\0"), whole
        ),
        "a PDU of 2 MiB": p_data(pdv(3, LAST_COMMAND, SLICE.command), pdv(3, pdus.DATA, bytes(1 << 21))),
    }
    for words, sent in broken.items():
        yield Attack(
            name=words,
            clause="PS3.8 9.3.5.1, E.2",
            sent=f"P-DATA-TF of {len(sent) - 6} bytes",
            expected=REFUSED,
            run=within(sent, ends=True),
        )
    yield Attack(
        name="a P-DATA-TF of 200 empty command fragments, then a good one",
        clause="PS3.8 E.2",
        sent="PDVs of length 2",
        expected=DECIDED,
        run=within(p_data(*[pdv(1, COMMAND, b"")] * 200), p_data(whole)),
    )
