"""A-ASSOCIATE-RQ in the manner of dcm4che and others: every quirk of theirs is answered by the standard."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import closing

import pytest

from node.contexts import STORAGE_SOP_CLASSES, STORAGE_TRANSFER_SYNTAXES
from node.hostile import pdus
from node.hostile.caller import Kind
from node.hostile.pdus import ECHO_CONTEXT, EXPLICIT, IMPLICIT, Proposed, item, maximum_length
from storage.states import Ending
from tests.interop.requests import CT, accepted, caller, echoed, request, results, works
from tests.node.receiving import Receiver, receiver

pytestmark = pytest.mark.filterwarnings("ignore")

CT_FIND = b"1.2.840.10008.5.1.4.1.2.2.1"  # Study Root Query/Retrieve - FIND
PRIVATE = b"1.3.46.670589.2.3.1.1"  # a vendor's private SOP class


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiver(tmp_path_factory.mktemp("node")) as each:
        yield each


def test_a_context_for_each_sop_class_and_syntax(node: Receiver) -> None:
    """dcm4che's storescu proposes them so; 128 are the most."""
    classes = [ECHO_CONTEXT.abstract_syntax, *(uid.encode() for uid in STORAGE_SOP_CLASSES[:8])]
    pairs = [(c, s.encode()) for c in classes[1:] for s in STORAGE_TRANSFER_SYNTAXES][:127]
    contexts = [ECHO_CONTEXT] + [
        Proposed(id=2 * n + 3, abstract_syntax=c, transfer_syntaxes=[s]) for n, (c, s) in enumerate(pairs)
    ]
    assert len(contexts) == 128
    answer = works(node.port, request(contexts))
    expected = {1: (0, IMPLICIT.decode())}
    expected |= {2 * n + 3: (0, s.decode()) for n, (_, s) in enumerate(pairs)}
    assert results(answer) == expected


def test_what_is_not_ours_is_refused_and_the_rest_is_accepted(node: Receiver) -> None:
    contexts = [
        ECHO_CONTEXT,
        Proposed(id=3, abstract_syntax=PRIVATE, transfer_syntaxes=[IMPLICIT]),
        Proposed(id=5, abstract_syntax=CT, transfer_syntaxes=[b"1.3.46.670589.33.1.4.1"]),
        Proposed(id=7, abstract_syntax=CT, transfer_syntaxes=[b"1.2.3", EXPLICIT]),
        Proposed(id=255, abstract_syntax=CT_FIND, transfer_syntaxes=[IMPLICIT]),
    ]
    answer = results(works(node.port, request(contexts)))
    assert {id: result for id, (result, _) in answer.items()} == {1: 0, 3: 3, 5: 4, 7: 0, 255: 3}
    assert answer[7] == (0, EXPLICIT.decode())


@pytest.mark.parametrize("window", [(0, 0), (10, 10), (1, 1)])
def test_an_asynchronous_operations_window_is_not_agreed_on(node: Receiver, window: tuple[int, int]) -> None:
    """Without an answer to it, one operation at a time is the rule (PS3.7 D.3.3.3.1)."""
    answer = works(node.port, request(pdus.USUAL, item(0x53, struct.pack(">HH", *window))))
    assert not [each for each in answer.user_information if "Asynchronous" in type(each).__name__]


@pytest.mark.parametrize("kind", [1, 2, 3, 4, 5], ids=["name", "password", "kerberos", "saml", "jwt"])
@pytest.mark.parametrize("wanted", [0, 1], ids=["silent", "answer wanted"])
def test_a_user_identity_is_no_obstacle(node: Receiver, kind: int, wanted: int) -> None:
    """PS3.7 D.3.3.7: an acceptor that does not support it accepts without an answer."""
    second = b"secret" if kind == 2 else b""
    primary = b"nobody"
    identity = struct.pack(">BBH", kind, wanted, len(primary)) + primary
    identity += struct.pack(">H", len(second)) + second
    works(node.port, request(pdus.USUAL, item(0x58, identity)))


def _named(*parts: bytes) -> bytes:
    """A UID with its length, then what follows."""
    return struct.pack(">H", len(parts[0])) + b"".join(parts)


@pytest.mark.parametrize(
    "sub_item",
    [
        item(0x56, _named(CT, b"\x02\x00\x03\x00\x01\x00")),
        item(0x57, _named(CT, struct.pack(">H", 17) + b"1.2.840.10008.4.2", b"\0\0")),
        item(0x54, _named(CT, b"\x01\x00")),
        item(0x54, _named(CT, b"\x01\x01")),
        item(0x5A, b"of tomorrow"),
        item(0x99, b""),
    ],
    ids=["extended", "common extended", "role scu", "both roles", "unknown 5A", "unknown 99"],
)
def test_other_sub_items(node: Receiver, sub_item: bytes) -> None:
    answer = works(node.port, request(pdus.USUAL, sub_item))
    assert {id: result for id, (result, _) in results(answer).items()} == {1: 0, 3: 0}


def test_an_unknown_item(node: Receiver) -> None:
    """PS3.8 9.3.1: items that are not known are passed over."""
    works(node.port, request(behind=item(0x60, b"of tomorrow")))


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (request(maximum=maximum_length(0)), "no limit"),
        (request(maximum=maximum_length(4096)), "4096"),
        (request(maximum=maximum_length(0xFFFFFFFF)), "4 GiB"),
        (request(maximum=b""), "none"),
        (request(implementation=item(0x52, b"1.2.40.0.13.1.3")), "no version name"),
        (request(implementation=item(0x52, b"1.2.40.0.13.1.3") + item(0x55, b"dcm4che-5.31.0  ")), "padded"),
        (request(implementation=item(0x52, b"1.2.40.0.13.1.3\0")), "padded UID"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_maximum_length_and_implementation(node: Receiver, asked: bytes, words: str) -> None:
    answer = works(node.port, asked)
    assert answer.maximum_length_received == 540_672


@pytest.mark.parametrize("padding", [b" ", b"\0"], ids=["spaces", "NULs"])
def test_ae_titles_are_padded_in_every_way(node: Receiver, padding: bytes) -> None:
    asked = request(called=b"CTNODE".ljust(16, padding), calling=b"SCU".ljust(16, padding))
    works(node.port, asked)
    assert node.ended()[-1].calling_ae == "SCU"


def test_leading_spaces_are_none_of_an_ae_title(node: Receiver) -> None:
    works(node.port, request(called=b"  CTNODE", calling=b" SCU"))


def test_uids_padded_with_nul(node: Receiver) -> None:
    """Against PS3.8 9.3.2, but seen: a UID of odd length filled up."""
    context = Proposed(id=3, abstract_syntax=CT + b"\0", transfer_syntaxes=[IMPLICIT + b"\0"])
    answer = results(works(node.port, request([ECHO_CONTEXT, context])))
    assert answer[3][0] == 0


def test_a_request_without_any_context_that_fits(node: Receiver) -> None:
    peer = caller(node.port)
    with closing(peer.socket):
        answer = accepted(
            peer, request([Proposed(id=1, abstract_syntax=PRIVATE, transfer_syntaxes=[IMPLICIT])])
        )
        assert results(answer)[1][0] == 3
        peer.send(pdus.release_rq())
        assert peer.see().kind is Kind.RELEASED


def test_every_association_was_released(node: Receiver) -> None:
    echo = caller(node.port)
    with closing(echo.socket):
        accepted(echo, request())
        assert echoed(echo).status == 0
    assert {row.ending for row in node.ended()} == {Ending.RELEASED}
