"""`ctnode serve`: prepare the storage, listen, and start the processes."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from node import listening, running
from node.config import Config
from node.destinations import kinds_wanted
from node.listening import Bound
from node.reloading import Reloading
from node.running import LEDGER_URL, RUNNING
from node.supervisor import Child, Supervisor, Takes
from storage import events, heartbeats, logs, workflows
from storage.errors import LedgerDown
from storage.ledger import Ledger
from storage.logs import log
from storage.records import Event


def serve(config: Config, config_path: Path, *, receivers_only: bool = False) -> int:
    """The supervisor: prepare the storage, listen, then keep receivers, dispatcher and worker running.

    Args:
        config: the configuration.
        config_path: its file, which is looked at again when it changes.
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
        heartbeats.forget_receivers(connection)
        events.tell(connection, listening.event(config, time.time()))
    ledger.close()
    os.environ[LEDGER_URL] = config.storage.database_url
    file = str(running.write(config))
    receivers = _receivers(config, config_path, bound)
    children = receivers if receivers_only else (*receivers, *_others(config, config_path))
    for child in children:
        child.environment = {**child.environment, RUNNING: file}
    supervisor = Supervisor(children=children, before_stopping=lambda: listening.close(bound))

    def hand_over(changed: Config) -> None:
        now = (*_receivers(changed, config_path, bound), *_others(changed, config_path))
        supervisor.hand_over({child.role: child.command for child in now})

    reloading = Reloading(config_path, config, hand_over=hand_over)
    supervisor.each_round, supervisor.told_to_look = reloading.look, reloading.ask
    code = supervisor.run()
    _tell_stopped(config)
    return code


def _tell_stopped(config: Config) -> None:
    """The next start finds it, and audits it. A database that is away keeps nobody from stopping."""
    ledger = Ledger(config.storage.database_url)
    about = Event(at=time.time(), kind="node stopped", subject=config.node.ae_title, detail="")
    try:
        with ledger.writing() as connection:
            events.tell(connection, about)
    except LedgerDown as error:
        log().error("waiting", reason=str(error))
    finally:
        ledger.close()


def _receivers(config: Config, config_path: Path, bound: tuple[Bound, ...]) -> tuple[Child, ...]:
    command = (sys.executable, "-m", "node.receiving", "--config", str(config_path))
    return tuple(
        Child(
            role=f"receiver {number}",
            command=(*command, "--number", str(number)),
            environment=listening.told(bound),
            descriptors=tuple(each.socket.fileno() for each in bound),
            takes=Takes.BY_ITSELF,
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
        Child(
            role="worker",
            command=(*worker, "--station", config.node.ae_title, *kinds),
            stage=2,
            takes=Takes.BY_ITS_COMMAND,
        ),
        *_console(config, config_path),
    )


def _console(config: Config, config_path: Path) -> tuple[Child, ...]:
    """None where it is not wanted; nothing else waits for it, or stops with it."""
    if not config.console.enabled:
        return ()
    command = (sys.executable, "-m", "node.console", "--config", str(config_path))
    return (Child(role="console", command=command, takes=Takes.BY_ITSELF),)
