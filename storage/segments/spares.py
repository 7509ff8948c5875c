"""Spare segments, written ahead by a thread in the background.

A record that overwrites blocks which were written before costs no commit of the file system's journal.
That is why a segment is written full of zeros before its use, and used again afterwards.
"""

from __future__ import annotations

import os
import threading

from storage.logs import log
from storage.segments.disk import lock
from storage.segments.folder import Folder


class Spares:
    """Keeps as many spare segments as are wanted. One process of all does it at a time."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def look(self) -> None:
        """One may be missing."""
        if self._folder.wanted == 0:
            return
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="spare segments", daemon=True)
                self._thread.start()
        self._wake.set()

    def stop(self) -> None:
        """Write no more; what is half-written goes."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            try:
                self._fill()
            except OSError as error:  # a full disk: a segment without spare is slower, that is all
                log().warning("no spare segment", reason=error.strerror)

    def _fill(self) -> None:
        descriptor = os.open(self._folder.spare, os.O_RDONLY | os.O_DIRECTORY)
        try:
            if lock(descriptor):
                while len(self._folder.spares()) < self._folder.wanted and not self._stopping.is_set():
                    self._write()
        finally:
            os.close(descriptor)

    def _write(self) -> None:
        writing = self._folder.write_spare()
        try:
            for _step in writing:
                if self._stopping.is_set():
                    return
        finally:
            writing.close()
