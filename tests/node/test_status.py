"""The numbers on the wire: each row of the tables, and every error of the tree."""

from __future__ import annotations

import pytest

from node.peers import Admission
from node.status import PROCESSING_FAILURE, REJECTIONS, STORE_STATUS, SUCCESS, store_response, store_status
from storage import errors

EXPECTED = {
    errors.Refused: 0xC000,
    errors.Unreadable: 0xC000,
    errors.InvalidIdentity: 0xC000,
    errors.Duplicate: 0x0111,
    errors.Misfiled: 0xA900,
    errors.GeometryRefused: 0xC000,
    errors.InvalidResult: 0xC000,
    errors.Unavailable: 0xA700,
    errors.OutOfSpace: 0xA700,
    errors.LedgerDown: 0xA700,
    errors.NeedsDecoder: 0xA700,
    errors.PeerUnavailable: 0xA700,
}
"""PS3.4 Table B.2-1; 0111 is PS3.7 Annex C."""


def tree(root: type[Exception]) -> set[type[Exception]]:
    return {root} | {each for child in root.__subclasses__() for each in tree(child)}


def test_every_refusal_and_every_want_has_a_status() -> None:
    assert tree(errors.Refused) | tree(errors.Unavailable) == set(EXPECTED)


@pytest.mark.parametrize("kind", EXPECTED, ids=lambda kind: kind.__name__)
def test_the_status_of_each_error(kind: type[errors.CtnodeError]) -> None:
    assert store_status(kind("why")) == EXPECTED[kind]


@pytest.mark.parametrize(
    ("attribute", "status"),
    [
        (0x00080016, 0xA900),
        (0x00080018, 0xA900),
        (0x0020000D, 0xC000),
        (0x0020000E, 0xC000),
        (None, 0xC000),
    ],
)
def test_what_disagrees_with_the_command_does_not_match(attribute: int | None, status: int) -> None:
    """PS3.4 B.2.3: A900 is for the SOP Class and Instance of the command set."""
    response = store_response(errors.InvalidIdentity("why", attribute=attribute))
    assert response.Status == status
    assert response.get("OffendingElement") == attribute


def test_each_row_names_its_clause() -> None:
    assert {status for status, _ in STORE_STATUS.values()} == {0xA700, 0xA900, 0x0111, 0xC000}
    for _status, meaning in STORE_STATUS.values():
        assert "(PS3." in meaning
    assert (SUCCESS, PROCESSING_FAILURE) == (0x0000, 0x0110)


def test_a_wish_to_come_again_names_no_element() -> None:
    """PS3.4 Table B.2-1: A7xx has an Error Comment alone."""
    response = store_response(errors.OutOfSpace("disk full"))
    assert [element.keyword for element in response] == ["Status", "ErrorComment"]


@pytest.mark.parametrize(
    ("words", "comment"),
    [
        ("disk full", "disk full"),
        ("x" * 65, "x" * 64),
        ("two\\values\nand lines", "two?values?and lines"),
        ("Größe", "Gr??e"),
    ],
)
def test_the_comment_is_a_long_string(words: str, comment: str) -> None:
    """PS3.5 6.2, LO: 64 characters, no backslash, no control character."""
    assert store_response(errors.OutOfSpace(words)).ErrorComment == comment


def test_the_rejections() -> None:
    """PS3.8 Table 9-21."""
    numbers = {admission: (r.result, r.source, r.reason) for admission, r in REJECTIONS.items()}
    assert numbers == {
        Admission.APPLICATION_CONTEXT_UNKNOWN: (1, 1, 2),
        Admission.CALLED_AE_UNKNOWN: (1, 1, 7),
        Admission.CALLING_AE_UNKNOWN: (1, 1, 3),
        Admission.TOO_MANY_ASSOCIATIONS: (2, 3, 2),
        Admission.CONGESTED: (2, 3, 1),
    }
    assert set(REJECTIONS) == set(Admission) - {Admission.ADMITTED}
