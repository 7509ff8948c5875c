"""Group commit: one flush for many, and nobody returns before one that began after his write."""

from __future__ import annotations

import errno
import threading

import pytest

from storage.errors import OutOfSpace, Unavailable
from storage.segments.commit import GroupCommit
from tests.waiting import eventually


class SlowFlush:
    """A flush that waits until it is let go, and keeps what was written when it began."""

    def __init__(self) -> None:
        self.written: set[int] = set()
        self.covered: list[set[int]] = []  # of each flush that began: what was written before
        self.let = threading.Semaphore(0)
        self.failure: OSError | None = None

    def __call__(self) -> None:
        self.covered.append(set(self.written))
        self.let.acquire()
        if self.failure is not None:
            raise self.failure


def _write(commit: GroupCommit, flush: SlowFlush, number: int, ended: dict[int, object]) -> threading.Thread:
    def run() -> None:
        flush.written.add(number)
        try:
            commit.sync()
            ended[number] = len(flush.covered)
        except Unavailable as error:
            ended[number] = error

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_one_flush_covers_all_that_was_written_before_it_began() -> None:
    flush, ended = SlowFlush(), dict[int, object]()
    commit = GroupCommit(flush)
    threads = [_write(commit, flush, 0, ended)]
    eventually(lambda: flush.covered)
    threads += [_write(commit, flush, number, ended) for number in range(1, 8)]
    eventually(lambda: len(flush.written) == 8 and len(commit._turn._waiters) == 7)  # type: ignore[attr-defined]
    assert ended == {}
    flush.let.release()
    eventually(lambda: len(flush.covered) == 2)
    threads[0].join(20)
    assert ended == {0: 1} or ended == {0: 2}  # the next flush may have begun before it looked
    assert flush.covered == [{0}, set(range(8))]
    flush.let.release()
    for thread in threads:
        thread.join(20)
    assert set(ended) == set(range(8))
    assert len(flush.covered) == 2


def test_a_flush_that_runs_already_does_not_count() -> None:
    """It may have begun before the write: the writer waits for the next."""
    flush, ended = SlowFlush(), dict[int, object]()
    commit = GroupCommit(flush)
    first = _write(commit, flush, 1, ended)
    eventually(lambda: flush.covered)
    second = _write(commit, flush, 2, ended)
    eventually(lambda: commit._turn._waiters)  # type: ignore[attr-defined]
    flush.let.release()
    first.join(20)
    eventually(lambda: len(flush.covered) == 2)
    assert 2 not in ended
    flush.let.release()
    second.join(20)
    assert ended[2] == 2
    assert flush.covered[1] == {1, 2}


@pytest.mark.parametrize(("number", "kind"), [(errno.EIO, Unavailable), (errno.ENOSPC, OutOfSpace)])
def test_a_failed_flush_refuses_all_that_waited_for_it_and_all_later(
    number: int, kind: type[Unavailable]
) -> None:
    flush, ended = SlowFlush(), dict[int, object]()
    commit = GroupCommit(flush)
    threads = [_write(commit, flush, 0, ended)]
    eventually(lambda: flush.covered)
    threads += [_write(commit, flush, each, ended) for each in (1, 2)]
    eventually(lambda: len(commit._turn._waiters) == 2)  # type: ignore[attr-defined]
    flush.failure = OSError(number, "no")
    flush.let.release()
    for thread in threads:
        thread.join(20)
    assert [type(ended[each]) for each in range(3)] == [kind] * 3
    assert len(flush.covered) == 1
    flush.failure = None
    with pytest.raises(kind):
        commit.sync()  # a later flush would succeed, and say nothing of what the kernel has forgotten
    assert len(flush.covered) == 1


def test_a_flush_that_is_interrupted_acknowledges_nothing() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    commit = GroupCommit(interrupted)
    with pytest.raises(KeyboardInterrupt):
        commit.sync()
    with pytest.raises(Unavailable):
        commit.sync()


def test_each_thread_alone_flushes_each_time() -> None:
    flushes: list[None] = []
    commit = GroupCommit(lambda: flushes.append(None))
    for _ in range(5):
        commit.sync()
    assert len(flushes) == 5
