"""The numbers on the wire: each row of the tables, and every error of the tree."""

from __future__ import annotations

import pytest
from pynetdicom.status import GENERAL_STATUS, PROCEDURE_STEP_STATUS

from node.answers import Answer
from node.commitment import Fault
from node.peers import Admission
from node.status import (
    ANSWER_STATUS,
    FAILURE_REASONS,
    PROCESSING_FAILURE,
    REJECTIONS,
    STORE_STATUS,
    SUCCESS,
    answer_response,
    store_response,
    store_status,
)
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
    errors.PeerBusy: 0xA700,
}
"""PS3.4 Table B.2-1; 0111 is PS3.7 Annex C."""


def tree(root: type[Exception]) -> set[type[Exception]]:
    return {root} | {each for child in root.__subclasses__() for each in tree(child)}


def test_every_refusal_and_every_want_has_a_status() -> None:
    """Of those that are raised across files; one of a single file is its nearest ancestor to others."""
    known = tree(errors.Refused) | tree(errors.Unavailable)
    assert {kind for kind in known if kind.__module__ == errors.__name__} == set(EXPECTED)


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


ANSWERS = {
    Answer.DONE: 0x0000,
    Answer.INVALID_VALUE: 0x0106,
    Answer.FAILED: 0x0110,
    Answer.FINAL: 0x0110,
    Answer.DUPLICATE: 0x0111,
    Answer.NO_SUCH_INSTANCE: 0x0112,
    Answer.NO_SUCH_EVENT: 0x0113,
    Answer.UNKNOWN_TRANSACTION: 0x0115,
    Answer.INVALID_ARGUMENT: 0x0115,
    Answer.MISSING: 0x0120,
    Answer.NO_VALUE: 0x0121,
    Answer.NO_SUCH_ACTION: 0x0123,
    Answer.NO_RESOURCES: 0x0213,
}
"""PS3.7 Annex C.5."""


@pytest.mark.parametrize("answer", Answer)
def test_the_status_of_each_answer(answer: Answer) -> None:
    response = answer_response(answer, "why\\not")
    assert (response.Status, response.ErrorComment) == (ANSWERS[answer], "why?not")
    # PS3.4 F.7.2.2.4
    assert response.get("ErrorID") == (0xA710 if answer is Answer.FINAL else None)


def test_pynetdicom_knows_the_answers() -> None:
    """An independent list of PS3.7 Annex C: all but the first are failures."""
    known = {**GENERAL_STATUS, **PROCEDURE_STEP_STATUS}
    kinds = [known[status][0] for status, _meaning in ANSWER_STATUS.values()]
    assert kinds == ["Success", *["Failure"] * (len(Answer) - 1)]


def test_the_failure_reasons() -> None:
    """PS3.3 C.14.1.1."""
    assert {fault: reason for fault, (reason, _meaning) in FAILURE_REASONS.items()} == {
        Fault.NOT_HERE: 0x0112,
        Fault.OTHER_CLASS: 0x0119,
        Fault.DISPUTED: 0x0110,
        Fault.DAMAGED: 0x0110,
    }


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
