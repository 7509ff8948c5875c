"""What an X.509 certificate says: whose it is, and until when it holds (RFC 5280 4.1). Pure."""

from __future__ import annotations

import ssl
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

PEM_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
PEM_END: Final = "-----END CERTIFICATE-----"

SEQUENCE: Final = 0x30
VERSION: Final = 0xA0  # [0] EXPLICIT, optional
UTC_TIME: Final = 0x17
GENERALIZED_TIME: Final = 0x18
PIVOT: Final = 50
"""A UTCTime of year 50 or later is in the twentieth century (RFC 5280 4.1.2.5.1)."""

Certificate = Mapping[str, Any]
"""A certificate as `ssl.SSLSocket.getpeercert` shows it."""


def certificate_names(certificate: Certificate | None) -> tuple[str, ...]:
    """The DNS names of a certificate, then its common names, each once; none without a certificate.

    Only a certificate that was verified says anything: an unverified one is empty in Python.
    """
    if not certificate:
        return ()
    alternatives: Sequence[tuple[str, str]] = certificate.get("subjectAltName", ())
    names = [value for kind, value in alternatives if kind == "DNS"]
    subject: Sequence[Sequence[tuple[str, str]]] = certificate.get("subject", ())
    names += [value for relative in subject for kind, value in relative if kind == "commonName"]
    return tuple(dict.fromkeys(names))


def is_named(names: Sequence[str], wanted: str) -> bool:
    """Whether one of a certificate's names is the one wanted: letter by letter, case aside, no wildcards."""
    return wanted.casefold() in {name.casefold() for name in names}


def not_after(pem: str) -> list[datetime]:
    """When the certificates of a PEM text end, in their order: ours first, then its chain.

    Raises:
        ValueError: one of them cannot be read.
    """
    bodies = pem.split(PEM_BEGIN)[1:]
    texts = [PEM_BEGIN + body.partition(PEM_END)[0] + PEM_END for body in bodies]
    return [_not_after(ssl.PEM_cert_to_DER_cert(text)) for text in texts]


def _not_after(der: bytes) -> datetime:
    """The end of Validity (RFC 5280 4.1.2.5): the fifth field of TBSCertificate; version 1 has no first."""
    certificate = _contents(der, SEQUENCE)
    fields = _elements(_contents(certificate, SEQUENCE))
    if fields and fields[0][0] == VERSION:
        fields = fields[1:]
    if len(fields) < 4 or fields[3][0] != SEQUENCE:
        raise ValueError("a certificate without Validity")
    times = _elements(fields[3][1])
    if len(times) != 2:
        raise ValueError("a certificate whose Validity is not two times")
    return _time(*times[1])


def _time(tag: int, text: bytes) -> datetime:
    digits = text.decode("ascii")
    if tag == UTC_TIME:
        digits = ("19" if int(digits[:2]) >= PIVOT else "20") + digits
    elif tag != GENERALIZED_TIME:
        raise ValueError(f"a time of ASN.1 type {tag:#x}")
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _contents(der: bytes, tag: int) -> bytes:
    """What the first element holds."""
    found, contents, _ = _element(der, 0)
    if found != tag:
        raise ValueError(f"ASN.1 type {found:#x} where {tag:#x} was expected")
    return contents


def _elements(der: bytes) -> list[tuple[int, bytes]]:
    at, found = 0, []
    while at < len(der):
        tag, contents, at = _element(der, at)
        found.append((tag, contents))
    return found


def _element(der: bytes, at: int) -> tuple[int, bytes, int]:
    """Tag, contents and end of the DER element at an offset (X.690 8.1)."""
    if len(der) < at + 2:
        raise ValueError("a certificate that is cut off")
    tag, length, begin = der[at], der[at + 1], at + 2
    if length & 0x80:
        octets = length & 0x7F
        length = int.from_bytes(der[begin : begin + octets], "big")
        begin += octets
    if len(der) < begin + length:
        raise ValueError("a certificate that is cut off")
    return tag, der[begin : begin + length], begin + length
