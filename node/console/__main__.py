"""The console's process; `ctnode serve` starts it, and again when it dies. Nothing else waits for it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import typer

from node import running
from node.config import Config
from node.config_file import FileEditor
from node.console.first_start import VALID_S
from node.console.server import run
from node.console.state import Console
from node.opening import storage_of, store_of
from node.options import DEFAULT_CONFIG, ConfigOption, running_or_exit
from storage import accounts, logs
from storage.errors import LedgerDown
from storage.logs import log
from storage.process import until_told_to_stop, when_told_to_look

ANYWHERE: Final = ("0.0.0.0", "::")
LESS_URGENT: Final = 5
"""Of nice(2): who looks at a page waits for who sends images."""


def run_console(config: Config, path: Path) -> int:
    """From start to stop; the exit code. `path`: of the file that its configuration is edited in."""
    logs.configure("console")
    os.nice(LESS_URGENT)
    stopping = until_told_to_stop()
    blobs, ledger = storage_of(config)
    console = Console(
        config=config,
        ledger=ledger,
        store=store_of(config),
        blobs=blobs,
        editor=FileEditor(path=path.absolute()),
    )
    _forget_sessions(console)
    with ledger.reading() as connection:
        is_first = not accounts.are_there_any(connection)
    if is_first:
        _show_link(console)
    log().info("console listens", address=config.console.host, port=config.node.console_port)
    if running.is_told():
        when_told_to_look(lambda: take_over(console, running.read()))
    code = run(console, stopping)
    console.close()
    return code


def _forget_sessions(console: Console) -> None:
    """A database that takes no writes, as on a full disk, is one that people want to look at."""
    try:
        with console.ledger.writing() as connection:
            accounts.forget_sessions(connection, console.clock())
    except LedgerDown as error:
        log().warning("sessions not tidied", reason=str(error))


def take_over(console: Console, config: Config) -> None:
    """Another configuration, for the pages that are asked for from now on."""
    console.config = config
    log().info("configuration taken over", count=len(config.peers))


def _show_link(console: Console) -> None:
    """On the terminal and in the log: who reads them runs the machine."""
    link = f"{origin(console.config)}/first?code={console.first_start.offer(console.clock())}"
    log().warning("console has no administrator", reason=f"open {link}", seconds=VALID_S)


def origin(config: Config) -> str:
    """Where a browser on this machine, or behind the proxy, finds the console."""
    section = config.console
    host = "localhost" if section.host in ANYWHERE else section.host
    bracketed = f"[{host}]" if ":" in host else host
    return f"{'https' if section.is_tls else 'http'}://{bracketed}:{config.node.console_port}"


def main(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """The console; `ctnode serve` starts it."""
    sys.exit(run_console(running_or_exit(config), config))


if __name__ == "__main__":
    typer.run(main)
