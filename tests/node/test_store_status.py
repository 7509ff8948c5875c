"""What a peer's C-STORE status means for the object: wire rules and PS3.4 Table B.2-1."""

from __future__ import annotations

import pytest
from pynetdicom.status import STORAGE_SERVICE_CLASS_STATUS, code_to_category

from node.store_status import Disposition, interpret

EXPECTED = {
    0x0000: Disposition.STORED,
    0xB000: Disposition.WARNING,
    0xB006: Disposition.WARNING,
    0xB007: Disposition.WARNING,
    0x0111: Disposition.ALREADY_THERE,
    0xA700: Disposition.LATER,
    0xA7FF: Disposition.LATER,
    0x0110: Disposition.LATER,
    0x0213: Disposition.LATER,
    0xA900: Disposition.NOT_TAKEN,
    0xA9FF: Disposition.NOT_TAKEN,
    0xC000: Disposition.REFUSED,
    0xC211: Disposition.REFUSED,
    0xCFFF: Disposition.REFUSED,
    0x0117: Disposition.REFUSED,
    0x0122: Disposition.NOT_TAKEN,
    0x0124: Disposition.REFUSED,
    0xA6FF: Disposition.REFUSED,
    0xA800: Disposition.REFUSED,
    0xFE00: Disposition.REFUSED,
    0xFF00: Disposition.REFUSED,
}


@pytest.mark.parametrize("status", EXPECTED)
def test_disposition(status: int) -> None:
    assert interpret(status)[0] is EXPECTED[status]


def test_only_success_warning_and_duplicate_settle_an_object() -> None:
    assert {each for each in Disposition if each.settled} == {
        Disposition.STORED,
        Disposition.WARNING,
        Disposition.ALREADY_THERE,
    }


def test_nothing_that_pynetdicom_calls_a_failure_counts_as_stored() -> None:
    for status in range(0x10000):
        disposition = interpret(status)[0]
        category = code_to_category(status)
        if status in STORAGE_SERVICE_CLASS_STATUS:
            category = STORAGE_SERVICE_CLASS_STATUS[status][0]
        if disposition is Disposition.STORED:
            assert category == "Success"
        if disposition is Disposition.WARNING:
            assert category == "Warning"
        if category == "Success":
            assert disposition is Disposition.STORED
