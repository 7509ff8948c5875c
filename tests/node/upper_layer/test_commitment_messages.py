"""N-ACTION of ours, N-EVENT-REPORT of the peer, and the roles of both, against pynetdicom's own."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any

import pytest
from pynetdicom import dimse_messages as messages
from pynetdicom.dimse_primitives import N_ACTION, N_EVENT_REPORT
from pynetdicom.pdu import A_ASSOCIATE_AC
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation

from node.contexts import accepted_contexts
from node.upper_layer.acceptance import IMPLICIT, Malformed, accept, agreed_roles, read_request, supported
from node.upper_layer.command import CommandError
from node.upper_layer.requests import (
    EventReport,
    action_request,
    announces_data_set,
    event_report,
    event_report_request,
    event_report_response,
)
from tests.node.upper_layer.calling import item
from tests.node.upper_layer.test_acceptance import build, request
from tests.node.upper_layer.test_requests import by_pynetdicom, filled

PUSH, ONE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"
SUPPORTED = supported(accepted_contexts())
PROVIDED = frozenset({PUSH.encode()})


def test_an_action_is_that_of_pynetdicom() -> None:
    action = filled(
        N_ACTION(),
        MessageID=9,
        RequestedSOPClassUID=PUSH,
        RequestedSOPInstanceUID=ONE,
        ActionTypeID=1,
        ActionInformation=BytesIO(b"x"),
    )
    ours = action_request(9, PUSH, ONE, 1)
    assert ours == by_pynetdicom(messages.N_ACTION_RQ(), action)
    assert (announces_data_set(ours), event_report(ours)) == (True, None)


def test_a_report_is_read_as_pynetdicom_writes_it() -> None:
    told = filled(
        N_EVENT_REPORT(), MessageID=7, AffectedSOPClassUID=PUSH, AffectedSOPInstanceUID=ONE, EventTypeID=2
    )
    command = by_pynetdicom(messages.N_EVENT_REPORT_RQ(), told)
    expected = EventReport(message_id=7, sop_class_uid=PUSH, sop_instance_uid=ONE, event_type=2)
    assert event_report(command) == expected
    assert not announces_data_set(command)


@pytest.mark.parametrize("status", [0x0000, 0x0115])
def test_its_response_is_that_of_pynetdicom(status: int) -> None:
    told = EventReport(message_id=7, sop_class_uid=PUSH, sop_instance_uid=ONE, event_type=2)
    expected = filled(
        N_EVENT_REPORT(),
        MessageIDBeingRespondedTo=7,
        AffectedSOPClassUID=PUSH,
        AffectedSOPInstanceUID=ONE,
        EventTypeID=2,
        Status=status,
    )
    ours = event_report_response(told, status)
    assert ours == by_pynetdicom(messages.N_EVENT_REPORT_RSP(), expected)


def test_a_report_that_lacks_something_is_none() -> None:
    whole = event_report_request(7, PUSH, ONE, 1, has_information=True)
    with pytest.raises(CommandError, match="is missing"):
        event_report(whole[:-10])  # without its Event Type ID


def role(uid: str, scu: bool, scp: bool) -> Any:
    proposed = SCP_SCU_RoleSelectionNegotiation()
    proposed.sop_class_uid, proposed.scu_role, proposed.scp_role = uid, scu, scp
    return proposed


def answered(pdu: bytes, scp_of: frozenset[bytes]) -> dict[str, tuple[bool, bool]]:
    """The roles of our A-ASSOCIATE-AC, as pynetdicom reads them."""
    read = A_ASSOCIATE_AC()
    read.decode(
        accept(
            read_request(pdu), SUPPORTED, class_uid="1.2", version_name="X", maximum=131_072, scp_of=scp_of
        )
    )
    items = read.to_primitive().user_information
    found = [each for each in items if isinstance(each, SCP_SCU_RoleSelectionNegotiation)]
    return {str(each.sop_class_uid): (bool(each.scu_role), bool(each.scp_role)) for each in found}


@pytest.mark.parametrize("roles", [(False, True), (True, True), (True, False)])
def test_roles_are_answered_where_the_peer_may_be_the_provider(roles: tuple[bool, bool]) -> None:
    ct = "1.2.840.10008.5.1.4.1.1.2"
    contexts = [(PUSH, ["1.2.840.10008.1.2"]), (ct, ["1.2.840.10008.1.2"])]
    pdu = request(contexts, [role(PUSH, *roles), role(ct, False, True)])
    assert read_request(pdu).roles == {PUSH.encode(): roles, ct.encode(): (False, True)}
    assert answered(pdu, PROVIDED) == {PUSH: roles}
    assert answered(pdu, frozenset()) == {}


def test_no_roles_are_answered_where_none_are_proposed() -> None:
    assert answered(request([(PUSH, ["1.2.840.10008.1.2"])]), PROVIDED) == {}


def _role_item(length: int, uid: bytes, roles: bytes) -> bytes:
    return item(0x50, item(0x54, struct.pack(">H", length) + uid + roles))


@pytest.mark.parametrize(
    "broken",
    [
        item(0x50, item(0x54, b"")),
        item(0x50, item(0x54, b"\0")),
        _role_item(200, PUSH.encode(), b"\0\1"),
        _role_item(len(PUSH), PUSH.encode(), b"\1"),
        _role_item(len(PUSH), PUSH.encode(), b"\0\1\1"),
    ],
)
def test_a_role_that_cannot_be_read_is_not_answered(broken: bytes) -> None:
    read = read_request(build(broken))
    assert agreed_roles(read, scp_of=PROVIDED) == {}


def test_a_user_information_that_is_cut_is_malformed() -> None:
    with pytest.raises(Malformed):
        read_request(build(item(0x50, b"\x54\0\0\x20" + IMPLICIT)))
