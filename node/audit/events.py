"""Which audit message an occurrence becomes (PS3.15 A.5.3). Pure.

No message names a patient: the ledger knows no Patient ID, only keyed digests, and the study stands for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from node.audit.message import Action, Code, Message, Outcome, Participant, Subject
from storage.records import Association, Event
from storage.states import Ending

APPLICATION_ACTIVITY: Final = Code(value="110100", meaning="Application Activity")
ACCESSED: Final = Code(value="110103", meaning="DICOM Instances Accessed")
TRANSFERRED: Final = Code(value="110104", meaning="DICOM Instances Transferred")
SECURITY_ALERT: Final = Code(value="110113", meaning="Security Alert")
AUTHENTICATION: Final = Code(value="110114", meaning="User Authentication")
AGED_OUT: Final = Code(value="audit-file-removed", meaning="Audit file aged out", scheme="99CTNODE")
OPERATION: Final = Code(value="operation", meaning="Operation by a person", scheme="99CTNODE")

START: Final = Code(value="110120", meaning="Application Start")
STOP: Final = Code(value="110121", meaning="Application Stop")
LOGIN: Final = Code(value="110122", meaning="Login")
LOGOUT: Final = Code(value="110123", meaning="Logout")
NODE_AUTHENTICATION: Final = Code(value="110126", meaning="Node Authentication")
NETWORK_CONFIGURATION: Final = Code(value="110128", meaning="Network Configuration")
RECORDING_STOPPED: Final = Code(value="110133", meaning="Audit Recording Stopped")
SECURITY_ATTRIBUTES: Final = Code(value="110137", meaning="User Security Attributes Changed")

APPLICATION: Final = Code(value="110150", meaning="Application")
LAUNCHER: Final = Code(value="110151", meaning="Application Launcher")
DESTINATION: Final = Code(value="110152", meaning="Destination Role ID")
SOURCE: Final = Code(value="110153", meaning="Source Role ID")

STUDY: Final = Code(value="110180", meaning="Study Instance UID")
NODE_ID: Final = Code(value="110182", meaning="Node ID")
ACCOUNT: Final = Code(value="11", meaning="User Identifier", scheme="RFC-3881")
URI: Final = Code(value="12", meaning="URI", scheme="RFC-3881")
SECURITY_RESOURCE: Final = "13"

CHANGED_SECURITY: Final = ("account", "administrator", "password", "role")
"""Words by which a change of accounts is known."""


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Instances of one study that went from one application entity to another."""

    study_instance_uid: str
    sop_classes: Mapping[str, int]  # SOP Class UID -> instances


def received(association: Association, transfers: Sequence[Transfer]) -> list[Message]:
    """What came in one association, one message for each study."""
    outcome = Outcome.SUCCESS if association.ending is Ending.RELEASED else Outcome.MINOR_FAILURE
    sender = Participant(
        user_id=association.calling_ae, role=SOURCE, is_requestor=True, address=association.address
    )
    here = Participant(user_id=association.called_ae, role=DESTINATION)
    return [
        Message(
            event=TRANSFERRED,
            action=Action.CREATE,
            outcome=outcome,
            at=association.closed_at or association.opened_at,
            description="" if outcome is Outcome.SUCCESS else f"association {association.ending}",
            participants=(sender, here),
            subjects=(_study(each),),
        )
        for each in transfers
    ]


def delivered(destination: str, transfer: Transfer, *, ae_title: str, at: float) -> Message:
    """Results that a destination has taken."""
    return Message(
        event=TRANSFERRED,
        action=Action.READ,
        outcome=Outcome.SUCCESS,
        at=at,
        participants=(
            Participant(user_id=ae_title, role=SOURCE, is_requestor=True),
            Participant(user_id=destination, role=DESTINATION),
        ),
        subjects=(_study(transfer),),
    )


def told(event: Event, *, ae_title: str) -> Message | None:
    """An event of the ledger; None for one that is no matter of security."""
    match event.kind:
        case "receiver listens":
            return _activity(START, event, ae_title)
        case "node stopped":
            return _activity(STOP, event, ae_title)
        case "rejected":
            return _alert(NODE_AUTHENTICATION, event, Outcome.MINOR_FAILURE, ae_title)
        case "audit trail broken":
            return _alert(RECORDING_STOPPED, event, Outcome.SERIOUS_FAILURE, ae_title)
        case "configuration changed":
            return _alert(NETWORK_CONFIGURATION, event, Outcome.SUCCESS, ae_title, person=event.subject)
        case "console":
            return _by_person(event, ae_title)
        case "viewed":
            return _viewed(event, ae_title)
        case "released":
            return _operation(event, ae_title)
        case "exported":
            return _operation(event, ae_title, person=event.subject)
        case _:
            return None


def aged_out(file: str, *, ae_title: str, at: float) -> Message:
    """A file of the trail is removed, as `audit.retention_days` says. Its object is that of A.5.3.2."""
    return Message(
        event=AGED_OUT,
        action=Action.DELETE,
        outcome=Outcome.SUCCESS,
        at=at,
        participants=(Participant(user_id="ctnode", role=APPLICATION, is_requestor=True, ae_title=ae_title),),
        subjects=(Subject(id=file, kind=URI, name="Security Audit Log", role=SECURITY_RESOURCE),),
    )


def _activity(kind: Code, event: Event, ae_title: str) -> Message:
    return Message(
        event=APPLICATION_ACTIVITY,
        action=Action.EXECUTE,
        outcome=Outcome.SUCCESS,
        at=event.at,
        types=(kind,),
        participants=(
            Participant(user_id="ctnode", role=APPLICATION, ae_title=ae_title),
            Participant(user_id="operating system", role=LAUNCHER, is_requestor=True),
        ),
    )


def _alert(kind: Code, event: Event, outcome: Outcome, ae_title: str, *, person: str = "") -> Message:
    who = Participant(user_id=person or event.subject or "unknown", is_requestor=True)
    return Message(
        event=SECURITY_ALERT,
        action=Action.EXECUTE,
        outcome=outcome,
        at=event.at,
        types=(kind,),
        description=event.detail,
        participants=(who, Participant(user_id="ctnode", ae_title=ae_title)),
        subjects=(_about(ae_title, event),),
    )


def _by_person(event: Event, ae_title: str) -> Message:
    """The console says who, and in its first words what."""
    words = event.detail
    if words.startswith(("logged in", "login refused")):
        outcome = Outcome.SUCCESS if words.startswith("logged in") else Outcome.MINOR_FAILURE
        return _authentication(LOGIN, event, outcome, ae_title)
    if words.startswith("logged out"):
        return _authentication(LOGOUT, event, Outcome.SUCCESS, ae_title)
    if any(word in words for word in CHANGED_SECURITY):
        return _alert(SECURITY_ATTRIBUTES, event, Outcome.SUCCESS, ae_title, person=event.subject)
    if words.startswith("allowed "):
        return _alert(NETWORK_CONFIGURATION, event, Outcome.SUCCESS, ae_title, person=event.subject)
    return _operation(event, ae_title, person=event.subject)


def _authentication(kind: Code, event: Event, outcome: Outcome, ae_title: str) -> Message:
    address = event.detail.rpartition(" from ")[2] if " from " in event.detail else ""
    return Message(
        event=AUTHENTICATION,
        action=Action.EXECUTE,
        outcome=outcome,
        at=event.at,
        types=(kind,),
        participants=(
            Participant(user_id=event.subject or "unknown", is_requestor=True, address=address),
            Participant(user_id="ctnode", ae_title=ae_title),
        ),
    )


def _viewed(event: Event, ae_title: str) -> Message:
    """Somebody was shown a series (A.5.3.6); the event says: study UID series UID from ADDRESS."""
    words = event.detail.split()
    said = dict(zip(words[::2], words[1::2], strict=False))
    study = said.get("study", "unknown")
    return Message(
        event=ACCESSED,
        action=Action.READ,
        outcome=Outcome.SUCCESS,
        at=event.at,
        participants=(
            Participant(user_id=event.subject, is_requestor=True, address=said.get("from", "")),
            Participant(user_id="ctnode", ae_title=ae_title),
        ),
        subjects=(
            Subject(
                id=study,
                kind=STUDY,
                name=study,
                details={"Series Instance UID": said.get("series", "unknown")},
            ),
        ),
    )


def _operation(event: Event, ae_title: str, *, person: str = "") -> Message:
    return Message(
        event=OPERATION,
        action=Action.EXECUTE,
        outcome=Outcome.SUCCESS,
        at=event.at,
        description=event.detail,
        participants=(
            Participant(user_id=person or "an operator", is_requestor=True),
            Participant(user_id="ctnode", ae_title=ae_title),
        ),
        subjects=(_about(ae_title, event),),
    )


def _about(ae_title: str, event: Event) -> Subject:
    return Subject(
        id=ae_title,
        kind=NODE_ID,
        name=event.kind,
        role=SECURITY_RESOURCE,
        details={"Alert Description": event.detail} if event.detail else None,
    )


def _study(transfer: Transfer) -> Subject:
    uid = transfer.study_instance_uid
    return Subject(id=uid, kind=STUDY, name=uid, sop_classes=transfer.sop_classes)
