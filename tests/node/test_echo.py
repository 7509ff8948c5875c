"""C-ECHO against peers that answer, and every way in which one does not."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.uid import CTImageStorage, ImplicitVRLittleEndian
from pynetdicom import evt

from node.addresses import PeerAddress
from node.association_failure import Cause, Failure, explain
from node.echo import Echo, echo
from node.requestor import VERIFICATION
from node.status import Rejection
from node.transport import Timeouts
from tests.node.scu_peers import (
    FAST,
    SHORT,
    free_port,
    here,
    listener,
    needs_dcmtk,
    read_pdu,
    rejects,
    scp,
    silent,
    storescp,
)

VERIFY = [(VERIFICATION, [ImplicitVRLittleEndian])]


def ask(called: PeerAddress, timeouts: Timeouts = FAST) -> Echo:
    return echo(called, calling_ae="CTNODE", own_port=11112, timeouts=timeouts)


def failure(answer: Echo) -> tuple[Cause, str]:
    assert not answer.answered
    assert answer.failure is not None
    return answer.failure.cause, answer.text


@needs_dcmtk
@pytest.mark.peers
def test_dcmtk_answers(tmp_path: Path) -> None:
    with storescp(tmp_path) as called:
        answer = ask(called)
    assert (answer.answered, answer.text) == (True, f"{called} answers CTNODE")
    assert answer.seconds > 0


def test_a_status_that_is_no_success() -> None:
    with scp(VERIFY, [(evt.EVT_C_ECHO, lambda event: 0x0122)]) as called:
        answer = ask(called)
    assert (answer.answered, answer.text) == (False, f"{called} answers, but with status 0122")


def test_nothing_listens() -> None:
    called = here(free_port())
    cause, text = failure(ask(called))
    assert cause is Cause.CONNECTION_REFUSED
    assert text == (
        f"{called}: 127.0.0.1 refuses connections on port {called.port}: "
        "nothing listens there, or a firewall refuses"
    )


def test_the_name_is_not_known() -> None:
    cause, text = failure(ask(PeerAddress(ae_title="PEER", host="nowhere.invalid", port=104)))
    assert cause is Cause.NAME_UNKNOWN
    assert text.startswith("PEER@nowhere.invalid:104: the name 'nowhere.invalid' is not known to the DNS (")


def test_the_connection_is_not_answered() -> None:
    """A full backlog drops the packets, as a firewall does."""
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        cause, text = failure(ask(here(full.getsockname()[1]), SHORT))
    assert cause is Cause.NO_CONNECTION
    assert "it is off, or a firewall drops the packets" in text


def says(answer: bytes) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        read_pdu(connection)
        connection.sendall(answer)
        silent(connection)

    return talk


MISBEHAVING = {
    "never answers": (silent, Cause.NO_ANSWER, "does not answer the association request"),
    "hangs up": (read_pdu, Cause.CLOSED, "closed it without an answer"),
    "speaks HTTP": (says(b"HTTP/1.0 400 Bad Request\r\n\r\n"), Cause.NOT_DICOM, "does not speak DICOM"),
    "speaks TLS": (says(bytes.fromhex("15030300020246")), Cause.WANTS_TLS, "write tls: true for this peer"),
    "aborts": (says(bytes([7, 0, 0, 0, 0, 4, 0, 0, 2, 0])), Cause.ABORTED, "aborted the association"),
    "half a PDU": (says(bytes([2, 0, 0, 0, 1])), Cause.NO_ANSWER, "does not answer the association request"),
}


@pytest.mark.parametrize("how", MISBEHAVING)
def test_a_peer_that_misbehaves(how: str) -> None:
    talk, expected, words = MISBEHAVING[how]
    with listener(talk) as called:  # type: ignore[arg-type]
        cause, text = failure(ask(called, SHORT))
    assert cause is expected
    assert words in text


REJECTIONS = {
    (1, 1, 1): (True, "it gives no reason"),
    (1, 1, 2): (True, "it does not support the application context name"),
    (1, 1, 3): (
        True,
        "it does not accept calling AE 'CTNODE'; give its administrator this line: "
        "AE title CTNODE, address 127.0.0.1, port 11112",
    ),
    (1, 1, 7): (
        True,
        "it does not know itself as called AE 'PEER'; its AE title is another one, case counts",
    ),
    (1, 2, 2): (True, "it does not support our protocol version"),
    (2, 3, 1): (False, "it is busy (temporary congestion); it asks to be called again"),
    (2, 3, 2): (
        False,
        "it has as many associations as it takes (local limit exceeded); it asks to be called again",
    ),
    (1, 1, 9): (True, "it gives a reason that is not in PS3.8"),
}


@pytest.mark.parametrize("numbers", [numbers for numbers in REJECTIONS if numbers[2] != 9])
def test_a_peer_that_rejects(numbers: tuple[int, int, int]) -> None:
    permanent, words = REJECTIONS[numbers]
    with listener(rejects(*numbers)) as called:
        answer = ask(called)
    shown = ",".join(map(str, numbers))
    assert failure(answer) == (
        Cause.REJECTED,
        f"{called}: the peer rejected the association ({shown}): {words}",
    )
    assert answer.failure is not None
    assert answer.failure.permanent is permanent


def test_a_rejection_by_a_peer_that_has_read_nothing_and_hangs_up() -> None:
    """What we sent is unread when it closes: the kernel resets the connection behind the rejection."""

    def rejects_blindly(connection: socket.socket) -> None:
        connection.recv(1, socket.MSG_PEEK)
        connection.sendall(bytes([3, 0, 0, 0, 0, 4, 0, 1, 1, 7]))

    with listener(rejects_blindly) as called:
        cause, text = failure(ask(called))
    assert cause is Cause.REJECTED
    assert "(1,1,7)" in text


ANSWERS_THAT_ARE_NONE = {
    "an unknown type": bytes([9, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
    "a request for release": bytes([5, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
    "data": bytes([4, 0, 0, 0, 0, 4, 0, 0, 0, 0]),
    "a rejection without reasons": bytes([3, 0, 0, 0, 0, 2, 0, 1]),
    "an acceptance of nothing": bytes([2, 0, 0, 0, 0, 4, 0, 1, 0, 0]),
    "an acceptance without an end": bytes([2, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 1, 0, 0]),
}


@pytest.mark.parametrize("kind", ANSWERS_THAT_ARE_NONE)
def test_an_answer_that_is_none(kind: str) -> None:
    with listener(says(ANSWERS_THAT_ARE_NONE[kind])) as called:
        cause, _ = failure(ask(called, SHORT))
    assert cause is Cause.NOT_DICOM


@pytest.mark.parametrize("numbers", REJECTIONS)
def test_the_words_of_a_rejection(numbers: tuple[int, int, int]) -> None:
    result, source, reason = numbers
    rejected = Failure(
        cause=Cause.REJECTED,
        called=here(104),
        calling_ae="CTNODE",
        own_address="127.0.0.1",
        rejection=Rejection(result=result, source=source, reason=reason),
    )
    assert explain(rejected, own_port=11112).endswith(REJECTIONS[numbers][1])


def test_pynetdicom_rejects_our_calling_ae_title() -> None:
    with scp(VERIFY, require_calling_aet=["OTHER"]) as called:
        cause, text = failure(ask(called))
    assert cause is Cause.REJECTED
    assert "(1,1,3)" in text


def test_pynetdicom_rejects_the_called_ae_title() -> None:
    with scp(VERIFY, require_called_aet=True) as called:
        cause, text = failure(ask(PeerAddress(ae_title="peer", host=called.host, port=called.port)))
    assert cause is Cause.REJECTED
    assert "(1,1,7)" in text
    assert "called AE 'peer'" in text


def test_a_peer_without_verification() -> None:
    with scp([(CTImageStorage, [ImplicitVRLittleEndian])]) as called:
        answer = ask(called)
    assert failure(answer)[0] is Cause.NO_CONTEXT
    assert answer.failure is not None
    assert answer.failure.permanent


def test_a_peer_that_aborts_the_echo() -> None:
    with scp(VERIFY, [(evt.EVT_C_ECHO, lambda event: event.assoc.abort() or 0)]) as called:
        cause, text = failure(ask(called, SHORT))
    assert cause is Cause.NO_RESPONSE
    assert "did not answer the request" in text


def test_every_cause_has_its_sentence() -> None:
    for cause in Cause:
        if cause is not Cause.REJECTED:
            said = explain(Failure(cause=cause, called=here(104), calling_ae="CTNODE", detail="why"))
            assert "{" not in said
