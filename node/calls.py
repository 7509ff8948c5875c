"""One call to a peer at a time, each in a thread of its own: a peer that is dead delays nobody else."""

from __future__ import annotations

import threading
from collections.abc import Callable

from storage.errors import LedgerDown
from storage.logs import log


class Calls:
    """The calls that are under way. The threads end with the process: what they do is begun again."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: set[str] = set()

    def begin(self, name: str, call: Callable[[], None]) -> bool:
        """Call, unless the call of that name is still under way; says whether it was begun."""
        with self._lock:
            if name in self._under_way:
                return False
            self._under_way.add(name)
        threading.Thread(target=self._run, args=(name, call), name=name, daemon=True).start()
        return True

    def _run(self, name: str, call: Callable[[], None]) -> None:
        try:
            call()
        except LedgerDown as error:
            log().error("waiting", reason=str(error))
        except Exception:  # noqa: BLE001 - the edge of a thread: nobody foresaw it
            log().exception("call failed", reason=name)
        finally:
            with self._lock:
                self._under_way.discard(name)
