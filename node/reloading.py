"""The supervisor's look at config.yaml: at a SIGHUP, and when the file has changed.

What is wrong is refused with its reasons, and everything goes on as it was. What is right is handed to the
processes; associations stay open.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from node import authors, running
from node.config import Config, load_text
from node.config_change import Change, change
from node.config_source import text_of
from storage import events
from storage.errors import ConfigError, Unavailable
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Event

LOOK_EVERY_S: Final = 2.0
SETTLED_S: Final = 0.5
"""How long the file must have stayed the same: an editor may write it in pieces."""

LEDGER_WAIT_S: Final = 5.0
"""Between two attempts to write an event."""
TELLING: Final = "configuration changed"
"""The name of the thread that writes one."""

Print = tuple[int, int, int, int]
"""What tells one state of a file from another: device, inode, time of change in ns, size."""


class Reloading:
    """Which configuration runs. For one thread, but for `ask`."""

    def __init__(
        self,
        path: Path,
        config: Config,
        *,
        hand_over: Callable[[Config], None],
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._config = config
        self._hand_over = hand_over
        self._monotonic = monotonic
        self._clock = clock
        self._asked = False
        self._print = _print(path)
        self._due_at = monotonic() + LOOK_EVERY_S
        self._seen: Print | None = None  # another state of the file, which has to settle

    def ask(self) -> None:
        """Read the file at the next round, changed or not; for a signal handler."""
        self._asked = True

    def look(self) -> None:
        """One round: read the file when it was asked for, or when it changed and stays so."""
        if self._asked:
            self._asked = False
            self._print = _print(self._path)
            self._read()
        elif self._monotonic() >= self._due_at and self._is_settled():
            self._read()

    def _is_settled(self) -> bool:
        found = _print(self._path)
        is_same, self._seen = found == self._seen, found
        if found in (self._print, None):  # None: an editor moves another file to its place
            self._due_at = self._monotonic() + LOOK_EVERY_S
            return False
        self._due_at = self._monotonic() + (LOOK_EVERY_S if is_same else SETTLED_S)
        if is_same:
            self._print = found
        return is_same

    def _read(self) -> None:
        try:
            text = text_of(self._path)
            changed = change(self._config, load_text(text, self._path))
            by = authors.author(self._config.storage.root, self._path.read_bytes())
            self._take_over(changed, by)
        except ConfigError as error:
            log().error("configuration refused", path=str(self._path), reason=str(error))
        except OSError as error:
            reason = f"it cannot be handed over: {error.strerror}"
            log().error("configuration refused", path=str(self._path), reason=reason)
        except Exception:  # noqa: BLE001 - the edge of the supervisor: no file may end the node
            log().exception("configuration not taken over", path=str(self._path))

    def _take_over(self, changed: Change, by: str) -> None:
        if changed.taken:
            running.write(changed.config)
            self._config = changed.config
            self._hand_over(changed.config)
            said = "; ".join(changed.taken)
            log().info("configuration changed", path=str(self._path), reason=f"{said} (by {by})")
            event = Event(at=self._clock(), kind="configuration changed", subject=by, detail=said)
            url = changed.config.storage.database_url
            threading.Thread(target=_tell, args=(url, event), name=TELLING, daemon=True).start()
        if changed.held:
            log().warning("restart needed", path=str(self._path), reason=", ".join(changed.held))
        if not changed.taken and not changed.held:
            log().info("configuration unchanged", path=str(self._path))


def _tell(url: str, event: Event) -> None:
    """Write an event; a database that is away is waited for, and keeps nobody else."""
    ledger = Ledger(url)
    while True:
        try:
            with ledger.writing() as connection:
                events.tell(connection, event)
        except Unavailable as error:
            log().error("waiting", reason=str(error))
            time.sleep(LEDGER_WAIT_S)
        else:
            return ledger.close()


def _print(path: Path) -> Print | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
