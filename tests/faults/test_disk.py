"""A disk that is full, read-only, or without power: nothing acknowledged is lost, and it goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.scu import Broken
from tests.faults.disks import MEGABYTE, ext4
from tests.faults.receiving import SUCCESS, Receiver, receiving, series
from tests.waiting import eventually

OUT_OF_RESOURCES = 0xA700
CONGESTED = (2, 3, 1)  # rejected-transient, presentation related, temporary-congestion (PS3.8 Table 9-21)
STORES = pytest.mark.parametrize("store", ["segments", "files"])


@STORES
def test_below_the_reserve_senders_wait_and_go_on(tmp_path: Path, store: str) -> None:
    storage = f"store: {store}, reserve_mb: 40, segment_mb: 8, spare_segments: 1"
    with ext4(tmp_path / "data", 160) as disk, receiving(tmp_path, storage) as receiver:
        first, second = series(1), series(2)
        running = receiver.associate()
        assert [receiver.send(running, each) for each in first] == [SUCCESS] * 5
        ballast = disk.fill(leave_bytes=20 * MEGABYTE)
        eventually(lambda: receiver.send(running, second[0]) == OUT_OF_RESOURCES)
        eventually(lambda: receiver.rejection() == CONGESTED)
        ballast.unlink()
        eventually(lambda: receiver.send(running, second[0]) == SUCCESS)
        assert [receiver.send(running, each) for each in second[1:]] == [SUCCESS] * 4
        running.release()
        eventually(lambda: receiver.rejection() is None)
        receiver.wait_indexed(10)
        assert receiver.findings() == []


@STORES
def test_a_disk_that_fills_up_to_the_last_block(tmp_path: Path, store: str) -> None:
    """No reserve: the file system itself refuses, the ledger's commits as well."""
    storage = f"store: {store}, reserve_mb: 0, segment_mb: 8, spare_segments: 1"
    with ext4(tmp_path / "data", 80) as disk, receiving(tmp_path, storage) as receiver:
        receiver.send_all(series(1))
        ballast = disk.fill()
        statuses = _send_until_refused(receiver)
        assert set(statuses) <= {SUCCESS, OUT_OF_RESOURCES} and OUT_OF_RESOURCES in statuses
        ballast.unlink()
        last = series(3)
        eventually(lambda: receiver.rejection() is None)
        association = receiver.associate()
        eventually(lambda: receiver.send(association, last[0]) == SUCCESS)
        assert [receiver.send(association, each) for each in last] == [SUCCESS] * 5
        association.release()
        assert receiver.findings() == []


def _send_until_refused(receiver: Receiver) -> list[int]:
    """Large slices until three in a row are refused."""
    statuses: list[int] = []
    association = receiver.associate()
    for each in series(2, slices=60, size=512):
        statuses.append(receiver.send(association, each))
        if statuses[-3:] == [OUT_OF_RESOURCES] * 3:
            break
    association.release()
    return statuses


@STORES
def test_a_file_system_that_turns_read_only(tmp_path: Path, store: str) -> None:
    """As the kernel does after an error: refused while it lasts; mounted again, everything is there."""
    storage = f"store: {store}, reserve_mb: 0, segment_mb: 8, spare_segments: 1"
    with ext4(tmp_path / "data", 80) as disk, receiving(tmp_path, storage) as receiver:
        first, second = series(1), series(2)
        receiver.send_all(first)
        receiver.wait_indexed(5)
        running = receiver.associate()
        assert receiver.send(running, second[0]) == SUCCESS
        disk.read_only()
        assert [receiver.send(running, each) for each in second[1:]] == [OUT_OF_RESOURCES] * 4
        running.abort()
        receiver.node.kill_all()
        disk.mend()
        receiver.start()
        receiver.send_all(second[1:])
        receiver.wait_indexed(10)
        assert receiver.findings() == []


@STORES
def test_power_that_is_cut(tmp_path: Path, store: str) -> None:
    """What the kernel still held is lost; what was acknowledged is not, to the last instance."""
    storage = f"store: {store}, reserve_mb: 0, segment_mb: 8, spare_segments: 1"
    with ext4(tmp_path / "data", 160) as disk, receiving(tmp_path, storage) as receiver:
        association = receiver.associate()
        for number in range(1, 9):
            assert [receiver.send(association, each) for each in series(number)] == [SUCCESS] * 5
        assert receiver.send(association, series(9, size=512)[0]) == SUCCESS
        disk.cut_power()
        with pytest.raises((Broken, AssertionError)):
            assert receiver.send(association, series(10)[0]) == SUCCESS
        receiver.node.kill_all()
        disk.unmount()
        disk.mount()
        receiver.start()
        receiver.wait_indexed(41)
        assert receiver.findings() == []


@STORES
def test_the_cut_tells_a_receiver_that_does_not_flush(tmp_path: Path, store: str) -> None:
    """The same with a planted fault: without it, the test above proves nothing.

    More than once: where the ledger's flush comes behind the last instance, the file system flushes that too.
    """
    storage = f"store: {store}, reserve_mb: 0, segment_mb: 8, spare_segments: 1"
    assert any(_loses(tmp_path / str(attempt), storage) for attempt in range(6))


def _loses(folder: Path, storage: str) -> bool:
    """Whether a receiver that does not flush has lost something when the power is cut behind a response."""
    folder.mkdir()
    with ext4(folder / "data", 160) as disk, receiving(folder, storage, "no flush") as receiver:
        receiver.send_all(series(1))
        disk.cut_power()
        receiver.node.kill_all()
        disk.unmount()
        disk.mount()
        receiver.start()
        lost = {"acknowledged and lost", "row without bytes", "other bytes"}
        return bool(lost & {finding.kind for finding in receiver.findings()})
