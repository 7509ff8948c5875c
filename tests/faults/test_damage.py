"""Bytes that are not what they were: a torn tail, a flipped bit. Found, named, and nobody else is harmed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.crash.stored import Row, data_set_of
from tests.faults.receiving import Receiver, receiving, series

PAGE = 4096
RECORD_MAGIC_BYTES = 8


def segment(receiver: Receiver) -> Path:
    (found,) = (receiver.node.root / "segments").glob("*.seg")
    return found


def place(row: Row) -> tuple[int, int]:
    """Offset and length of an instance's file in its segment."""
    _, offset, length = row.path.split(":")
    return int(offset), int(length)


def restart_without_ledger(receiver: Receiver) -> None:
    """Everything is read again from the bytes."""
    receiver.node.kill_all()
    for path in receiver.node.root.glob("ledger.sqlite*"):
        path.unlink()
    receiver.start()


def last(receiver: Receiver) -> Row:
    return max(receiver.ledger.rows(), key=lambda row: place(row)[0])


def spoil(receiver: Receiver, how: str) -> int:
    """Do something to the segment; returns how many of ten instances are to be left."""
    offset, length = place(last(receiver))
    end = -(-(offset + length) // PAGE) * PAGE
    file = segment(receiver)
    with file.open("r+b") as content:
        if how == "half a record behind the last":
            content.seek(offset // PAGE * PAGE)
            record = content.read(PAGE)
            content.seek(end)
            content.write(record)
        elif how == "garbage behind the last":
            content.seek(end)
            content.write(os.urandom(3 * PAGE))
        elif how == "the last is cut in half":
            content.truncate(offset + length // 2)
        elif how == "zeros in the last":
            content.seek(offset + length // 2)
            content.write(bytes(length // 4))
    return 9 if "the last" in how and "behind" not in how else 10


TAILS = (
    "half a record behind the last",
    "garbage behind the last",
    "the last is cut in half",
    "zeros in the last",
)


@pytest.mark.parametrize("how", TAILS)
def test_a_torn_tail(tmp_path: Path, how: str) -> None:
    """Whole records are found, a torn one is none; what comes afterwards is found as well."""
    with receiving(tmp_path) as receiver:
        receiver.send_all(series(1))
        receiver.send_all(series(2))
        receiver.wait_indexed(10)
        torn = last(receiver).sop_instance_uid
        receiver.node.kill_all()
        left = spoil(receiver, how)
        restart_without_ledger(receiver)
        receiver.wait_indexed(left)
        told = receiver.ledger.events("damaged file")
        expected = {f"segment {segment_name(receiver)}, offset {place_of_torn(told)}"} if told else set()
        assert {subject for subject, _ in told} == expected
        assert bool(told) == (how != "garbage behind the last")
        receiver.send_all(series(3))
        receiver.wait_indexed(left + 5)
        restart_without_ledger(receiver)
        receiver.wait_indexed(left + 5)
        lost = [finding for finding in receiver.findings() if finding.kind == "acknowledged and lost"]
        assert [finding.subject for finding in lost] == ([torn] if left == 9 else [])


def segment_name(receiver: Receiver) -> str:
    return sorted((receiver.node.root / "segments").glob("*.seg"))[0].stem


def place_of_torn(told: list[tuple[str, str]]) -> str:
    return told[0][0].rpartition(" ")[2]


def test_a_flipped_bit_is_named_and_the_others_are_served(tmp_path: Path) -> None:
    """By reading, and by rebuilding the ledger."""
    with receiving(tmp_path) as receiver:
        receiver.send_all(series(1))
        receiver.send_all(series(2))
        receiver.wait_indexed(10)
        rows = sorted(receiver.ledger.rows(), key=lambda row: place(row)[0])
        victim = rows[4]
        offset, length = place(victim)
        with segment(receiver).open("r+b") as content:
            content.seek(offset + length - 100)
            byte = content.read(1)[0]
            content.seek(offset + length - 100)
            content.write(bytes([byte ^ 0x10]))
        readable = [row.sop_instance_uid for row in rows if reads(receiver, row)]
        assert readable == [row.sop_instance_uid for row in rows if row != victim]
        restart_without_ledger(receiver)
        receiver.wait_indexed(9)
        ((where, why),) = receiver.ledger.events("damaged file")
        assert where == f"segment {segment_name(receiver)}, offset {offset - 512}"
        assert victim.digest in why


def reads(receiver: Receiver, row: Row) -> bool:
    """Whether the product's own reader gives the bytes; its message names the place otherwise."""
    from storage.errors import Damaged
    from storage.stores import open_store

    store = open_store(receiver.node.root, kind="segments", segment_bytes=8 << 20, spares=0)
    try:
        with store.open(row.path) as file:
            return bytes(file.read()).endswith(data_set_of(receiver.node.root, row.path))
    except Damaged as error:
        assert f"offset {place(row)[0] - 512}" in str(error) and row.digest in str(error)
        return False
    finally:
        store.close()
