"""What of pynetdicom the upper layer leans on beyond its documentation, name by name.

The version is pinned. When it moves, what fails here says what to look at in `node/upper_layer`.
"""

from __future__ import annotations

import inspect
import threading
from importlib.metadata import version
from typing import Any

import pytest
from pydicom.uid import CTImageStorage
from pynetdicom import AE, evt
from pynetdicom._globals import MODE_ACCEPTOR
from pynetdicom.association import Association
from pynetdicom.dimse import DIMSEServiceProvider
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import C_CANCEL, C_ECHO, N_EVENT_REPORT
from pynetdicom.dul import DULServiceProvider
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.pdu_primitives import A_ABORT, A_P_ABORT, P_DATA
from pynetdicom.presentation import PresentationContext, build_context

from node.upper_layer.service import UpperLayer
from tests.node.upper_layer.calling import VERIFICATION, abort, echo_rq, store_rq

PINNED = "3.0.4"

SIGNATURES: dict[Any, list[str]] = {
    Association.__init__: ["self", "ae", "mode"],
    Association._serve_request: ["self", "msg", "context_id"],
    Association._abort_blocking: ["self", "block"],
    Association._abort_nonblocking: ["self", "block"],
    Association.bind: ["self", "event", "handler", "args"],
    DULServiceProvider.__init__: ["self", "assoc"],
    DULServiceProvider.send_pdu: ["self", "primitive"],
    DULServiceProvider.receive_pdu: ["self", "wait", "timeout"],
    DULServiceProvider.peek_next_pdu: ["self"],
    DULServiceProvider.stop_dul: ["self"],
    DULServiceProvider.kill_dul: ["self"],
    DULServiceProvider.idle_timer_expired: ["self"],
    DIMSEServiceProvider.send_msg: ["self", "primitive", "context_id"],
    DIMSEMessage.decode_msg: ["self", "primitive", "assoc"],
    DIMSEMessage.message_to_primitive: ["self"],
    PresentationContext.__init__: ["self"],
    build_context: ["abstract_syntax", "transfer_syntax"],
}


def test_the_version_is_the_one_that_was_looked_at() -> None:
    assert version("pynetdicom") == PINNED


@pytest.mark.parametrize("function", SIGNATURES, ids=lambda function: function.__qualname__)
def test_a_signature_has_not_moved(function: Any) -> None:
    assert list(inspect.signature(function).parameters) == SIGNATURES[function]


class Sent:
    """A wire that remembers."""

    address, certificate = "127.0.0.1", None

    def __init__(self) -> None:
        self.pdus: list[bytes] = []

    def send(self, *parts: bytes) -> None:
        self.pdus.append(b"".join(parts))


@pytest.fixture
def association() -> Association:
    """As `node.upper_layer.accepted` makes one."""
    made = Association(AE(ae_title="US"), MODE_ACCEPTOR)
    made.dul = UpperLayer(made, Sent())  # type: ignore[arg-type]
    made.requestor.maximum_length = 16_384
    context = build_context(VERIFICATION, "1.2.840.10008.1.2")
    context.context_id, context._as_scp = 1, True
    made._accepted_cx[1] = context
    return made


def sent(association: Association) -> list[bytes]:
    found: list[bytes] = association.dul._wire.pdus  # type: ignore[attr-defined]
    return found


def test_no_thread_is_started(association: Association) -> None:
    before = threading.active_count()
    association.dul.start()
    assert threading.active_count() == before and not association.dul.is_alive()


def test_the_attributes_that_are_set_and_read_are_there(association: Association) -> None:
    for name in (
        "is_established",
        "is_aborted",
        "is_released",
        "is_rejected",
        "_sent_release",
        "_accepted_cx",
    ):
        assert name in vars(association), name
    association.is_established = True
    assert association.accepted_contexts[0].as_tuple.context_id == 1


def test_the_peers_limit_is_kept_where_the_dimse_provider_looks(association: Association) -> None:
    assert association.dimse.maximum_pdu_size == 16_384


def test_a_message_is_put_together_from_its_values(association: Association) -> None:
    message, data = DIMSEMessage(), P_DATA()
    data.presentation_data_value_list.append((1, b"\x03" + store_rq()))
    data.presentation_data_value_list.append((1, b"\x02" + b"data"))
    assert message.decode_msg(data) is True
    primitive: Any = message.message_to_primitive()
    assert (primitive.AffectedSOPClassUID, primitive.DataSet.getvalue()) == (CTImageStorage, b"data")


def test_a_request_is_served_and_answered_on_this_thread(association: Association) -> None:
    served: list[int] = []
    association.bind(evt.EVT_C_ECHO, lambda _: served.append(threading.get_ident()) or 0)
    association.is_established = True
    message, data = DIMSEMessage(), P_DATA()
    data.presentation_data_value_list.append((1, b"\x03" + echo_rq(9)))
    message.decode_msg(data)
    association._serve_request(message.message_to_primitive(), 1)
    assert served == [threading.get_ident()]
    (pdu,) = sent(association)
    read = DIMSEMessage()
    answer = P_DATA_TF()
    answer.decode(pdu)
    read.decode_msg(answer.to_primitive())
    assert (read.command_set.CommandField, read.command_set.MessageIDBeingRespondedTo) == (0x8030, 9)


def test_a_response_is_no_request(association: Association) -> None:
    response = N_EVENT_REPORT()
    response.MessageIDBeingRespondedTo, response.Status = 1, 0
    association._serve_request(response, 1)
    assert sent(association) == []
    assert not isinstance(response, C_CANCEL) and response.is_valid_response


def test_a_service_that_fails_aborts_through_our_method(association: Association) -> None:
    aborted: list[bool] = []
    association._abort_blocking = lambda block=True: aborted.append(block)  # type: ignore[method-assign]
    association.abort = association._abort_blocking  # type: ignore[method-assign]
    request = C_ECHO()
    request.MessageID, request.AffectedSOPClassUID = 1, "1.2.840.10008.5.1.4.1.2.2.1"  # C-FIND's
    association._serve_request(request, 1)
    assert aborted == [True]


def test_primitives_have_the_pdus_that_are_sent_for_them(association: Association) -> None:
    for primitive, expected in ((A_ABORT(), abort(0, 0)), (A_P_ABORT(), abort(2, 2))):
        if isinstance(primitive, A_ABORT):
            primitive.abort_source = 0
        else:
            primitive.provider_reason = 2
        association.dul.send_pdu(primitive)
        assert sent(association).pop() == expected
    echo = C_ECHO()
    echo.MessageID, echo.AffectedSOPClassUID = 1, VERIFICATION
    association.dimse.send_msg(echo, 1)
    assert sent(association).pop()[:1] == b"\x04"
