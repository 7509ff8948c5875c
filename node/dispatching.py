"""The dispatcher's process: completes series and delivers results, until told to stop."""

from __future__ import annotations

import typer

from node.config import Config
from node.dispatcher import Dispatcher
from node.opening import storage_of, store_of
from node.options import DEFAULT_CONFIG, ConfigOption, running_or_exit
from storage import logs
from storage.process import until_told_to_stop


def run_dispatcher(config: Config) -> None:
    """From start to stop."""
    logs.configure("dispatcher")
    stopping = until_told_to_stop()
    blobs, ledger = storage_of(config)
    Dispatcher(config, blobs, ledger, store=store_of(config)).run(stopping)


def main(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """The completing and delivering process; `ctnode serve` starts it."""
    run_dispatcher(running_or_exit(config))


if __name__ == "__main__":
    typer.run(main)
