"""Audit messages as XML, in the schema of PS3.15 A.5.1. Pure.

Order of elements and names of attributes are the schema's; what a message says is its caller's business.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final
from xml.etree import ElementTree

ELEMENT_SOURCE_TYPE: Final = "4"
"""Audit Source Type Code (PS3.15 A.5.1): an application server process."""


@dataclass(frozen=True, kw_only=True)
class Code:
    """A coded value."""

    value: str  # csd-code
    meaning: str  # originalText
    scheme: str = "DCM"  # codeSystemName


class Action(StrEnum):
    """Event Action Code."""

    CREATE = "C"
    READ = "R"
    UPDATE = "U"
    DELETE = "D"
    EXECUTE = "E"


class Outcome(StrEnum):
    """Event Outcome Indicator."""

    SUCCESS = "0"
    MINOR_FAILURE = "4"
    SERIOUS_FAILURE = "8"


@dataclass(frozen=True, kw_only=True)
class Participant:
    """Who took part (Active Participant)."""

    user_id: str  # an AE title, an account, a program
    role: Code | None = None
    is_requestor: bool = False  # whether it began the event
    address: str = ""  # its IP address; "" where none is known
    ae_title: str = ""  # goes to Alternative User ID as AETITLES=...


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What it was about (Participant Object Identification)."""

    id: str
    kind: Code  # what sort of identifier
    name: str  # Participant Object Name
    type: str = "2"  # a system object
    role: str = "3"  # a report; 13: security resource
    sop_classes: Mapping[str, int] | None = None  # SOP Class UID -> instances
    details: Mapping[str, str] | None = None  # Participant Object Detail


@dataclass(frozen=True, kw_only=True)
class Message:
    """One audit message."""

    event: Code
    action: Action
    outcome: Outcome
    at: float  # POSIX seconds
    types: tuple[Code, ...] = ()
    description: str = ""  # Event Outcome Description
    participants: tuple[Participant, ...]
    subjects: tuple[Subject, ...] = ()


def xml(message: Message, *, source: str) -> str:
    """The message as one line of text; `source`: Audit Source ID, the node that writes it."""
    root = ElementTree.Element("AuditMessage")
    _event(root, message)
    for participant in message.participants:
        _participant(root, participant)
    identification = ElementTree.SubElement(root, "AuditSourceIdentification", AuditSourceID=_text(source))
    ElementTree.SubElement(identification, "AuditSourceTypeCode", {"csd-code": ELEMENT_SOURCE_TYPE})
    for subject in message.subjects:
        _subject(root, subject)
    return ElementTree.tostring(root, encoding="unicode")


def _event(root: ElementTree.Element, message: Message) -> None:
    event = ElementTree.SubElement(
        root,
        "EventIdentification",
        EventActionCode=message.action,
        EventDateTime=datetime.fromtimestamp(message.at, UTC).isoformat(timespec="milliseconds"),
        EventOutcomeIndicator=message.outcome,
    )
    _code(event, "EventID", message.event)
    for each in message.types:
        _code(event, "EventTypeCode", each)
    if message.description:
        ElementTree.SubElement(event, "EventOutcomeDescription").text = _text(message.description)


def _participant(root: ElementTree.Element, participant: Participant) -> None:
    attributes = {"UserID": _text(participant.user_id)}
    if participant.ae_title:
        attributes["AlternativeUserID"] = _text(f"AETITLES={participant.ae_title}")
    attributes["UserIsRequestor"] = str(participant.is_requestor).lower()
    if participant.address:
        attributes |= {"NetworkAccessPointID": _text(participant.address), "NetworkAccessPointTypeCode": "2"}
    element = ElementTree.SubElement(root, "ActiveParticipant", attributes)
    if participant.role is not None:
        _code(element, "RoleIDCode", participant.role)


def _subject(root: ElementTree.Element, subject: Subject) -> None:
    element = ElementTree.SubElement(
        root,
        "ParticipantObjectIdentification",
        ParticipantObjectID=_text(subject.id),
        ParticipantObjectTypeCode=subject.type,
        ParticipantObjectTypeCodeRole=subject.role,
    )
    _code(element, "ParticipantObjectIDTypeCode", subject.kind)
    ElementTree.SubElement(element, "ParticipantObjectName").text = _text(subject.name)
    for name, value in (subject.details or {}).items():
        coded = base64.b64encode(_text(value).encode()).decode()
        ElementTree.SubElement(element, "ParticipantObjectDetail", type=name, value=coded)
    if subject.sop_classes:
        described = ElementTree.SubElement(element, "ParticipantObjectDescription")
        for uid, count in sorted(subject.sop_classes.items()):
            ElementTree.SubElement(described, "SOPClass", UID=_text(uid), NumberOfInstances=str(count))


def _code(parent: ElementTree.Element, name: str, code: Code) -> None:
    attributes = {"csd-code": code.value, "codeSystemName": code.scheme, "originalText": code.meaning}
    ElementTree.SubElement(parent, name, attributes)


def _text(words: str) -> str:
    """What others wrote, without what XML 1.0 cannot hold (2.2), and on one line."""
    return "".join(_kept(words))


def _kept(words: str) -> Iterable[str]:
    for character in words:
        number = ord(character)
        is_xml = 0x20 <= number <= 0xD7FF or 0xE000 <= number <= 0xFFFD or number >= 0x10000
        yield character if is_xml else " "
