"""What each process does from start to stop. The supervisor starts them; nobody else needs to."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Final

from node.config import Config
from node.dispatcher import Dispatcher
from node.intake import MEGABYTE, Intake
from node.recovery import recover
from node.scp import StorageScp
from node.supervisor import Supervisor, children
from storage import events, logs, workflows
from storage.blobs import Blobs
from storage.ledger import Ledger
from storage.logs import log
from storage.process import until_told_to_stop
from storage.records import Event

DRAIN_S: Final = 20.0
"""How long open associations may go on when the node stops."""
LEDGER_URL: Final = "CTNODE_LEDGER_URL"
"""How the worker is told the database's URL: not as an argument, which others could read."""


def serve(config: Config, config_path: Path) -> int:
    """The supervisor: prepare the storage, then keep receiver, dispatcher and worker running."""
    logs.configure("supervisor")
    root = config.storage.root.absolute()
    root.mkdir(parents=True, exist_ok=True)
    ledger = Ledger(config.storage.database_url)
    ledger.migrate()
    workflows.prepare(ledger)
    ledger.close()
    os.environ[LEDGER_URL] = config.storage.database_url
    node = (sys.executable, "-m", "node")
    worker = (sys.executable, "-m", "inference.worker", "--root", str(root))
    commands = {
        "receiver": (*node, "receiver", "--config", str(config_path)),
        "dispatcher": (*node, "dispatcher", "--config", str(config_path)),
        "worker": (*worker, "--device", config.inference.device, "--station", config.node.ae_title),
    }
    return Supervisor(children=children(commands)).run()


def run_receiver(config: Config) -> None:
    """The receiver: make rows and bytes agree, then listen until told to stop."""
    logs.configure("receiver")
    stopping = until_told_to_stop()
    blobs, ledger = _storage(config)
    recovered = recover(blobs, ledger, time.time())
    log().info(
        "recovered",
        instances=recovered.indexed,
        reason=f"{recovered.damaged} damaged files, {recovered.unfinished} unfinished files, "
        f"{recovered.associations} lost associations",
    )
    intake = Intake(blobs, ledger, reserve_bytes=config.storage.reserve_mb * MEGABYTE)
    scp = StorageScp(config, intake, ledger)
    with ledger.writing() as connection:
        about = Event(at=time.time(), kind="receiver listens", subject=config.node.ae_title, detail="")
        events.tell(connection, about)
    scp.start()
    log().info("listening", called_ae=config.node.ae_title, port=config.node.port)
    stopping.wait()
    scp.drain(DRAIN_S)


def run_dispatcher(config: Config) -> None:
    """The dispatcher, until told to stop."""
    logs.configure("dispatcher")
    stopping = until_told_to_stop()
    blobs, ledger = _storage(config)
    Dispatcher(config, blobs, ledger).run(stopping)


def _storage(config: Config) -> tuple[Blobs, Ledger]:
    blobs, ledger = Blobs(config.storage.root), Ledger(config.storage.database_url)
    ledger.migrate()
    return blobs, ledger
