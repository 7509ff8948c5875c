"""The schema of audit messages (PS3.15 A.5.1), as far as it goes without RELAX NG: what stands where."""

from __future__ import annotations

import base64
import re
from datetime import datetime
from typing import Any
from xml.etree import ElementTree

CODE = {"csd-code", "codeSystemName", "originalText"}
CODED = {"EventID", "EventTypeCode", "RoleIDCode", "ParticipantObjectIDTypeCode"}

CHILDREN = {
    "AuditMessage": "EventIdentification (ActiveParticipant )+AuditSourceIdentification "
    "(ParticipantObjectIdentification )*",
    "EventIdentification": "EventID (EventTypeCode )*(EventOutcomeDescription )?",
    "ActiveParticipant": "(RoleIDCode )*",
    "AuditSourceIdentification": "(AuditSourceTypeCode )*",
    "ParticipantObjectIdentification": "ParticipantObjectIDTypeCode "
    "(ParticipantObjectName |ParticipantObjectQuery )(ParticipantObjectDetail )*"
    "(ParticipantObjectDescription )*",
    "ParticipantObjectDescription": "(MPPS )*(Accession )*(SOPClass )*",
}
"""Which children an element has, in which order."""

REQUIRED = {
    "EventIdentification": {"EventActionCode", "EventDateTime", "EventOutcomeIndicator"},
    "ActiveParticipant": {"UserID", "UserIsRequestor"},
    "AuditSourceIdentification": {"AuditSourceID"},
    "AuditSourceTypeCode": {"csd-code"},
    "ParticipantObjectIdentification": {"ParticipantObjectID"},
    "ParticipantObjectDetail": {"type", "value"},
    "SOPClass": {"NumberOfInstances"},
    **dict.fromkeys(CODED, CODE),
}
OPTIONAL = {
    "ActiveParticipant": {
        "AlternativeUserID", "UserName", "NetworkAccessPointID", "NetworkAccessPointTypeCode"
    },
    "AuditSourceIdentification": {"AuditEnterpriseSiteID"},
    "ParticipantObjectIdentification": {
        "ParticipantObjectTypeCode", "ParticipantObjectTypeCodeRole", "ParticipantObjectDataLifeCycle",
        "ParticipantObjectSensitivity",
    },
    "SOPClass": {"UID"},
    **{name: {"displayName"} for name in CODED},
}  # fmt: skip

VALUES = {
    "EventActionCode": "[CRUDE]",
    "EventOutcomeIndicator": "0|4|8|12",
    "UserIsRequestor": "true|false",
    "NetworkAccessPointTypeCode": "[1-5]",
    "ParticipantObjectTypeCode": "[1-4]",
    "ParticipantObjectTypeCodeRole": "[1-9]|1[0-9]|2[0-4]",
    "NumberOfInstances": "[0-9]+",
    "UserID": ".+",
    "ParticipantObjectID": ".+",
}


def checked(text: str) -> ElementTree.Element:
    """The message, when it keeps to the schema."""
    assert "\n" not in text
    root = ElementTree.fromstring(text)
    assert root.tag == "AuditMessage"
    for element in root.iter():
        _check(element)
    event: Any = root.find("EventIdentification")
    assert datetime.fromisoformat(event.get("EventDateTime")).utcoffset() is not None
    return root


def _check(element: ElementTree.Element) -> None:
    children = "".join(f"{child.tag} " for child in element)
    assert re.fullmatch(CHILDREN.get(element.tag, ""), children), (element.tag, children)
    given, required = set(element.attrib), REQUIRED.get(element.tag, set())
    assert required <= given <= required | OPTIONAL.get(element.tag, set()), (element.tag, given)
    for name, value in element.attrib.items():
        assert re.fullmatch(VALUES.get(name, ".*"), value), (name, value)
    if element.tag == "ParticipantObjectDetail":
        base64.b64decode(element.attrib["value"], validate=True)
