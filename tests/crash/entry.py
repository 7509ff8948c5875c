"""`ctnode` with what a test may set through its environment: time between restarts, pace, planted faults.

The product is the same but for constants. Every process of the node goes through here, for `sys.executable`
is a script that does.
"""

from __future__ import annotations

import importlib
import os
import runpy
import stat
import sys
from pathlib import Path
from typing import Final

ENTRY: Final = "CTNODE_TEST_ENTRY"
"""Set to the interpreter where a script stands in for it."""
RESTART_MAX_S: Final = "CTNODE_TEST_RESTART_MAX_S"
"""Longest wait of the supervisor before it starts a process again. Half a second keeps 500 kills short: the
product waits up to 30 s for a process that dies again and again, which is what a harness makes of it."""
RETENTION_S: Final = "CTNODE_TEST_RETENTION_S"
"""How often is aged out; the product looks once an hour."""
PLANTED: Final = "CTNODE_TEST_PLANTED"
"""A fault of `tests.crash.planted`: the harness must tell."""


def main() -> None:
    """`python -m tests.crash.entry serve ...`, and `-m MODULE ...` for the processes that it starts."""
    sys.path.insert(0, str(Path(__file__).parents[2]))
    arguments = sys.argv[1:]
    if arguments[0] == "-m":
        module, sys.argv = arguments[1], [arguments[1], *arguments[2:]]
    else:
        module, sys.argv = "node", ["ctnode", *arguments]
        _be_the_interpreter()
    _set_constants()
    if fault := os.environ.get(PLANTED):
        importlib.import_module("tests.crash.planted").plant(fault)
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _set_constants() -> None:
    if most_s := os.environ.get(RESTART_MAX_S):
        supervisor = importlib.import_module("node.supervisor")
        supervisor.RESTART_MAX_S = float(most_s)  # type: ignore[attr-defined]
    if pace_s := os.environ.get(RETENTION_S):
        dispatcher = importlib.import_module("node.dispatcher")
        dispatcher.RETENTION_S = float(pace_s)  # type: ignore[attr-defined]


def _be_the_interpreter() -> None:
    """Children are started as `sys.executable -m MODULE`: this script stands in for the interpreter."""
    folder = Path(sys.argv[sys.argv.index("--config") + 1]).parent
    script = folder / "python"
    repository, interpreter = Path(__file__).parents[2], sys.executable
    script.write_text(
        f'#!/bin/sh\nPYTHONPATH="{repository}:$PYTHONPATH" exec "{interpreter}" -m tests.crash.entry "$@"\n'
    )
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    sys.executable = str(script)


if __name__ == "__main__":
    main()
