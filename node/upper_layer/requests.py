"""Command sets of the requests that we make, and of the responses to them (PS3.7 9.3, 10.3).

Pure: no I/O.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from node.upper_layer.command import (
    AFFECTED_SOP_CLASS_UID,
    AFFECTED_SOP_INSTANCE_UID,
    C_STORE_RQ,
    COMMAND_FIELD,
    DATA_SET_TYPE,
    MESSAGE_ID,
    NO_DATA_SET,
    PRIORITY,
    command_set,
    elements,
    number,
    text,
    ui,
    us,
)

C_FIND_RQ: Final = 0x0020
C_ECHO_RQ: Final = 0x0030
N_EVENT_REPORT_RQ: Final = 0x0100
N_ACTION_RQ: Final = 0x0130
RESPONSE: Final = 0x8000
"""The bit of a Command Field that makes a response of a request (PS3.7 E.1)."""

REQUESTED_SOP_CLASS_UID: Final = 0x0003
MESSAGE_ID_BEING_RESPONDED_TO: Final = 0x0120
STATUS: Final = 0x0900
ERROR_COMMENT: Final = 0x0902
REQUESTED_SOP_INSTANCE_UID: Final = 0x1001
EVENT_TYPE_ID: Final = 0x1002
ACTION_TYPE_ID: Final = 0x1008

COMMENT_MAX_LENGTH: Final = 64
"""(0000,0902) Error Comment is LO (PS3.5 6.2)."""

WITH_DATA_SET: Final = 0x0001
MEDIUM_PRIORITY: Final = 0


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The command set of a response."""

    command_field: int  # (0000,0100)
    message_id: int  # (0000,0120) of the request that it answers
    status: int  # (0000,0900)
    comment: str  # (0000,0902) Error Comment, '' without
    has_data_set: bool  # (0000,0800) Command Data Set Type is not 0101


@dataclass(frozen=True, kw_only=True)
class EventReport:
    """The command set of an N-EVENT-REPORT-RQ (PS3.7 10.3.1.1)."""

    message_id: int  # (0000,0110)
    sop_class_uid: str  # (0000,0002) Affected SOP Class UID
    sop_instance_uid: str  # (0000,1000) Affected SOP Instance UID
    event_type: int  # (0000,1002)


def store_request(message_id: int, sop_class_uid: str, sop_instance_uid: str) -> bytes:
    """C-STORE-RQ (PS3.7 9.3.1.1)."""
    return command_set(
        ui(AFFECTED_SOP_CLASS_UID, sop_class_uid),
        us(COMMAND_FIELD, C_STORE_RQ),
        us(MESSAGE_ID, message_id),
        us(PRIORITY, MEDIUM_PRIORITY),
        us(DATA_SET_TYPE, WITH_DATA_SET),
        ui(AFFECTED_SOP_INSTANCE_UID, sop_instance_uid),
    )


def find_request(message_id: int, sop_class_uid: str) -> bytes:
    """C-FIND-RQ (PS3.7 9.3.2.1)."""
    return command_set(
        ui(AFFECTED_SOP_CLASS_UID, sop_class_uid),
        us(COMMAND_FIELD, C_FIND_RQ),
        us(MESSAGE_ID, message_id),
        us(PRIORITY, MEDIUM_PRIORITY),
        us(DATA_SET_TYPE, WITH_DATA_SET),
    )


def echo_request(message_id: int, sop_class_uid: str) -> bytes:
    """C-ECHO-RQ (PS3.7 9.3.5.1)."""
    return command_set(
        ui(AFFECTED_SOP_CLASS_UID, sop_class_uid),
        us(COMMAND_FIELD, C_ECHO_RQ),
        us(MESSAGE_ID, message_id),
        us(DATA_SET_TYPE, NO_DATA_SET),
    )


def event_report_request(
    message_id: int, sop_class_uid: str, sop_instance_uid: str, event_type: int, *, has_information: bool
) -> bytes:
    """N-EVENT-REPORT-RQ (PS3.7 10.3.1.1)."""
    return command_set(
        ui(AFFECTED_SOP_CLASS_UID, sop_class_uid),
        us(COMMAND_FIELD, N_EVENT_REPORT_RQ),
        us(MESSAGE_ID, message_id),
        us(DATA_SET_TYPE, WITH_DATA_SET if has_information else NO_DATA_SET),
        ui(AFFECTED_SOP_INSTANCE_UID, sop_instance_uid),
        us(EVENT_TYPE_ID, event_type),
    )


def action_request(message_id: int, sop_class_uid: str, sop_instance_uid: str, action_type: int) -> bytes:
    """N-ACTION-RQ with a data set (PS3.7 10.3.4.1)."""
    return command_set(
        ui(REQUESTED_SOP_CLASS_UID, sop_class_uid),
        us(COMMAND_FIELD, N_ACTION_RQ),
        us(MESSAGE_ID, message_id),
        us(DATA_SET_TYPE, WITH_DATA_SET),
        ui(REQUESTED_SOP_INSTANCE_UID, sop_instance_uid),
        us(ACTION_TYPE_ID, action_type),
    )


def event_report(command: bytes) -> EventReport | None:
    """What an N-EVENT-REPORT-RQ says; None where the command set is of another message.

    Raises:
        CommandError: these bytes are no command set, or an element is missing.
    """
    found = elements(command)
    if number(found, COMMAND_FIELD) != N_EVENT_REPORT_RQ:
        return None
    return EventReport(
        message_id=number(found, MESSAGE_ID),
        sop_class_uid=text(found, AFFECTED_SOP_CLASS_UID),
        sop_instance_uid=text(found, AFFECTED_SOP_INSTANCE_UID),
        event_type=number(found, EVENT_TYPE_ID),
    )


def event_report_response(report: EventReport, status: int) -> bytes:
    """N-EVENT-REPORT-RSP without a data set (PS3.7 10.3.1.2)."""
    return command_set(
        ui(AFFECTED_SOP_CLASS_UID, report.sop_class_uid),
        us(COMMAND_FIELD, N_EVENT_REPORT_RQ | RESPONSE),
        us(MESSAGE_ID_BEING_RESPONDED_TO, report.message_id),
        us(DATA_SET_TYPE, NO_DATA_SET),
        us(STATUS, status),
        ui(AFFECTED_SOP_INSTANCE_UID, report.sop_instance_uid),
        us(EVENT_TYPE_ID, report.event_type),
    )


def announces_data_set(command: bytes) -> bool:
    """Whether a data set follows a command set. Raises CommandError."""
    return number(elements(command), DATA_SET_TYPE) != NO_DATA_SET


def _comment(value: bytes) -> str:
    """An Error Comment, for people: one line, no longer than the standard allows, whatever the peer sends."""
    words = value.strip(b" \0").decode("ascii", "replace")
    return "".join(each if each.isprintable() else "?" for each in words)[:COMMENT_MAX_LENGTH]


def answer(command: bytes) -> Answer:
    """What a response says.

    Raises:
        CommandError: these bytes are no command set, or none of a response.
    """
    found = elements(command)
    return Answer(
        command_field=number(found, COMMAND_FIELD),
        message_id=number(found, MESSAGE_ID_BEING_RESPONDED_TO),
        status=number(found, STATUS),
        comment=_comment(found.get(ERROR_COMMENT, b"")),
        has_data_set=number(found, DATA_SET_TYPE) != NO_DATA_SET,
    )
