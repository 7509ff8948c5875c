"""Death at a chosen file operation: what no signal sent from outside can hit."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Final

OPERATIONS: Final = ("open", "os.rename", "os.remove")
VARIABLE: Final = "CTNODE_TEST_KILL_AT"


def end_at(folder: Path) -> None:
    """Kill the process group at this process's n-th operation on a file of the folder; n is VARIABLE."""
    left = int(os.environ.get(VARIABLE, "0"))
    prefix = os.fspath(folder)

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        if event in OPERATIONS and _is_path(arguments[0]) and os.fspath(arguments[0]).startswith(prefix):
            left -= 1
            if left == 0:
                os.killpg(0, signal.SIGKILL)

    if left:
        sys.addaudithook(count)


def _is_path(value: object) -> bool:
    return isinstance(value, str | os.PathLike)
