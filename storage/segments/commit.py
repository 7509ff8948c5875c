"""Group commit: one flush for all records that were written before it began.

A flush takes as long for one record as for twenty. While one thread waits for it, others write; the next
flush covers them all. The first promise is kept here: nobody returns from `sync` before a flush that began
after it was called has ended well. Where a write itself can be told to come back from stable storage
(`storage.segments.file_system`), the kernel does the same, and threads need not wait for each other.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable

from storage.blobs import unavailable


class GroupCommit:
    """The flushes of one file. For several threads."""

    def __init__(self, flush: Callable[[], None]) -> None:
        self._flush = flush  # raises OSError
        self._turn = threading.Condition()
        self._begun = 0  # number of the last flush that began
        self._ended = 0  # number of the last flush that ended
        self._failed: OSError | None = None

    @property
    def failed(self) -> bool:
        """Whether a flush failed: what was not flushed before may be lost, and no later flush says so."""
        return self._failed is not None

    def sync(self) -> None:
        """What the caller has written is on stable storage when this returns.

        Raises:
            Unavailable: this flush failed, or one before it.
        """
        number = self._lead_or_follow()
        if number is not None:
            self._run(number)
        if self._failed is not None:
            raise unavailable(self._failed) from self._failed

    def _lead_or_follow(self) -> int | None:
        """The number of the flush that the caller has to run; None when another thread has run it."""
        with self._turn:
            mine = self._begun + 1  # the one that runs now may have begun before the caller's write
            while self._failed is None and self._ended < mine:
                if self._begun == self._ended:
                    self._begun += 1
                    return self._begun
                self._turn.wait()
            return None

    def _run(self, number: int) -> None:
        failed: OSError | None = OSError(errno.EINTR, "the flush was interrupted")
        try:
            self._flush()
            failed = None
        except OSError as error:
            failed = error
        finally:
            with self._turn:
                self._failed = self._failed or failed
                self._ended = number
                self._turn.notify_all()
