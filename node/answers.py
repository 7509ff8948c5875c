"""What becomes of a DIMSE-N request; `node.status` knows the numbers."""

from __future__ import annotations

from enum import StrEnum

from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from node.identity import read
from storage.blobs import is_uid
from storage.errors import Unreadable
from storage.geometry.frames import PARSE_ERRORS


class Answer(StrEnum):
    """How a request is answered."""

    DONE = "granted, and committed to the ledger"
    INVALID_VALUE = "an attribute has a value that it may not have"
    FAILED = "the data set cannot be parsed, or an error of ours"
    FINAL = "the step has ended"
    DUPLICATE = "the step is known"
    NO_SUCH_INSTANCE = (
        "the step is not known, or another AE began it, or the instance is not the well-known one"
    )
    INVALID_ARGUMENT = "Transaction UID or instances are missing or no UIDs, or the UID is taken"
    MISSING = "an attribute is missing"
    NO_VALUE = "an attribute has no value"
    NO_SUCH_ACTION = "another action than a request for commitment"
    NO_SUCH_EVENT = "another event than a report of storage commitment"
    UNKNOWN_TRANSACTION = "the transaction is not ours, or another AE was asked"
    NO_RESOURCES = "the database does not answer, or the data set is too long"


class NotDone(Exception):
    """A request that is not granted; the words are for the sender, and quote UIDs and codes alone."""

    def __init__(self, answer: Answer, words: str) -> None:
        super().__init__(words)
        self.answer = answer


def decoded(data_set: bytes, transfer_syntax_uid: str) -> Dataset:
    """The data set of a request, empty without one. Raises NotDone."""
    try:
        return read(data_set, transfer_syntax_uid) if data_set else Dataset()
    except Unreadable as error:
        raise NotDone(Answer.FAILED, str(error)) from error


def encoded(ds: Dataset, transfer_syntax: UID) -> bytes:
    """A data set of UIDs and numbers."""
    data_set = encode(ds, transfer_syntax.is_implicit_VR, transfer_syntax.is_little_endian)
    assert data_set is not None  # pynetdicom encodes what pydicom does
    return data_set


def text(ds: Dataset, keyword: str) -> str:
    """An attribute that must have one value (Type 1, PS3.5 7.4.1). Raises NotDone."""
    try:
        element = ds.get(keyword)
    except PARSE_ERRORS as error:
        raise NotDone(Answer.INVALID_VALUE, f"{named(keyword)} cannot be read") from error
    if keyword not in ds:
        raise NotDone(Answer.MISSING, f"{named(keyword)} is missing")
    if element is None or str(element) == "":
        raise NotDone(Answer.NO_VALUE, f"{named(keyword)} is empty")
    return str(element)


def uid(ds: Dataset, keyword: str) -> str:
    """The same, of a UID (PS3.5 9.1)."""
    value = text(ds, keyword)
    if not is_uid(value):
        raise NotDone(Answer.INVALID_VALUE, f"{named(keyword)} is no UID")
    return value


def items(ds: Dataset, keyword: str) -> list[Dataset]:
    """The items of a sequence; none where it is absent or empty. Raises NotDone."""
    try:
        found = ds.get(keyword)
        return [] if found is None else list(found)
    except PARSE_ERRORS as error:
        raise NotDone(Answer.INVALID_VALUE, f"{named(keyword)} cannot be read") from error


def named(keyword: str) -> str:
    """An attribute as people look it up: ``(0040,0252) PerformedProcedureStepStatus``."""
    tag = Tag(keyword)
    return f"({tag.group:04X},{tag.element:04X}) {keyword}"
