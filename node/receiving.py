"""A receiver's process: rows and bytes agree, then instances are taken until it is told to stop.

It imports what it needs and no more: after a crash, callers wait for it.
"""

from __future__ import annotations

import gc
import time
from typing import Annotated, Final

import typer

from node import listening, running, tls
from node.config import Config
from node.cores import stay_on_one
from node.heartbeat import Heartbeat, receiver_name
from node.intake import MEGABYTE, Intake
from node.listening import Bound, Transport
from node.opening import storage_of, store_of
from node.options import DEFAULT_CONFIG, ConfigOption, running_or_exit
from node.recovery import Recovered, recover
from node.scp import StorageScp
from node.upper_layer.lobby import Listener
from storage import events, logs
from storage.logs import log
from storage.process import until_told_to_stop, when_told_to_look

DRAIN_S: Final = 20.0
"""How long open associations may go on when the node stops."""
INDEX_S: Final = 3.0
"""How long the last rows may take then; what is not written is found by the next start."""

COLLECTED_AFTER: Final = 50_000
"""Objects that are made before those that refer to each other are looked for."""

NumberOption = Annotated[int, typer.Option(min=0, help="Of the receiving processes, from 0.")]


def run_receiver(config: Config, number: int = 0) -> None:
    """A receiver: make rows and bytes agree, then receive until told to stop.

    Raises:
        ConfigError: it was started by itself, and a port cannot be had.
    """
    logs.configure("receiver")
    if config.node.pin_receivers:
        stay_on_one(number)
    stopping = until_told_to_stop()
    blobs, ledger = storage_of(config)
    store = store_of(config)
    bound = listening.inherited()
    if bound is None:
        bound = listening.bind(config)
        with ledger.writing() as connection:
            events.tell(connection, listening.event(config, time.time()))
    recovered = recover(
        store, blobs, ledger, time.time(), receiver=number, receivers=config.node.receiver_count
    )
    _tell_recovered(recovered)
    store.prepare()
    intake = Intake(store, ledger, reserve_bytes=config.storage.reserve_mb * MEGABYTE)
    intake.start()
    _collect_seldom()
    scp = StorageScp(config, intake, ledger, listeners=_listeners(config, bound), receiver=number)
    if running.is_told():
        when_told_to_look(lambda: take_over(scp, intake, running.read()))
    if not stopping.is_set():  # it was told to while it made itself ready: nobody is let in to be sent away
        scp.start()
    heartbeat = Heartbeat(ledger, receiver_name(number))
    heartbeat.start()
    log().info("listening", called_ae=config.node.ae_title, port=config.node.port)
    stopping.wait()
    heartbeat.stop()
    scp.drain(DRAIN_S)
    intake.flush(INDEX_S)
    if intake.stop():
        store.close()


def take_over(scp: StorageScp, intake: Intake, config: Config) -> None:
    """Another configuration, for the associations that come from now on."""
    scp.take_over(config)
    intake.reserve(config.storage.reserve_mb * MEGABYTE)
    log().info("configuration taken over", count=len(config.peers))


def _collect_seldom() -> None:
    """Instances make no cycles: looking for some after every 700 objects costs a tenth of the time."""
    gc.freeze()
    gc.set_threshold(COLLECTED_AFTER)


def _tell_recovered(recovered: Recovered) -> None:
    log().info(
        "recovered",
        instances=recovered.indexed,
        reason=f"{recovered.damaged} damaged, {recovered.aside} kept aside, "
        f"{recovered.unfinished} unfinished, {recovered.associations} lost associations",
    )


def _listeners(config: Config, bound: tuple[Bound, ...]) -> tuple[Listener, ...]:
    secured = tls.server_context(config.tls) if config.tls.port is not None else None
    return tuple(
        Listener(socket=each.socket, tls=secured if each.transport is Transport.TLS else None)
        for each in bound
    )


def main(config: ConfigOption = DEFAULT_CONFIG, number: NumberOption = 0) -> None:
    """A receiving process; `ctnode serve` starts them."""
    run_receiver(running_or_exit(config), number)


if __name__ == "__main__":
    typer.run(main)
