"""`ctnode serve`: prepare the storage, listen, and start the processes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

from node import listening
from node.config import Config
from node.destinations import kinds_wanted
from node.listening import Bound
from node.supervisor import Child, Supervisor
from storage import events, logs, workflows
from storage.ledger import Ledger

LEDGER_URL: Final = "CTNODE_LEDGER_URL"
"""How the worker is told the database's URL: not as an argument, which others could read."""


def serve(config: Config, config_path: Path, *, receivers_only: bool = False) -> int:
    """The supervisor: prepare the storage, listen, then keep receivers, dispatcher and worker running.

    Args:
        config: the configuration.
        config_path: its file, which the processes read again.
        receivers_only: nothing is completed, analysed or delivered: for `ctnode bench receive`.

    Raises:
        ConfigError: a port cannot be had.
    """
    logs.configure("supervisor")
    config.storage.root.absolute().mkdir(parents=True, exist_ok=True)
    bound = listening.bind(config)
    ledger = Ledger(config.storage.database_url)
    ledger.migrate()
    workflows.prepare(ledger)
    with ledger.writing() as connection:
        events.tell(connection, listening.event(config, time.time()))
    ledger.close()
    os.environ[LEDGER_URL] = config.storage.database_url
    receivers = _receivers(config, config_path, bound)
    return Supervisor(
        children=receivers if receivers_only else (*receivers, *_others(config, config_path)),
        before_stopping=lambda: listening.close(bound),
    ).run()


def _receivers(config: Config, config_path: Path, bound: tuple[Bound, ...]) -> tuple[Child, ...]:
    command = (sys.executable, "-m", "node.receiving", "--config", str(config_path))
    return tuple(
        Child(
            role=f"receiver {number}",
            command=(*command, "--number", str(number)),
            environment=listening.told(bound),
            descriptors=tuple(each.socket.fileno() for each in bound),
        )
        for number in range(config.node.receiver_count)
    )


def _others(config: Config, config_path: Path) -> tuple[Child, ...]:
    root = str(config.storage.root.absolute())
    dispatcher = (sys.executable, "-m", "node.dispatching", "--config", str(config_path))
    worker = (sys.executable, "-m", "inference.worker", "--root", root, "--device", config.inference.device)
    kinds = ("--kinds", ",".join(sorted(kinds_wanted(config))))
    return (
        Child(role="dispatcher", command=dispatcher, stage=1),
        Child(role="worker", command=(*worker, "--station", config.node.ae_title, *kinds), stage=2),
        *_console(config, config_path),
    )


def _console(config: Config, config_path: Path) -> tuple[Child, ...]:
    """None where it is not wanted; nothing else waits for it, or stops with it."""
    if not config.console.enabled:
        return ()
    command = (sys.executable, "-m", "node.console", "--config", str(config_path))
    return (Child(role="console", command=command),)
