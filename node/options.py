"""Options that every command has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from node import running
from node.config import Config, load
from storage.errors import ConfigError

DEFAULT_CONFIG: Final = Path("config.yaml")

ConfigOption = Annotated[
    Path, typer.Option("--config", envvar="CTNODE_CONFIG", help="The configuration file.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


def load_or_exit(path: Path) -> Config:
    """The configuration; its errors go to standard error, one a line, and the exit code is 1."""
    try:
        return load(path)
    except ConfigError as error:
        Console(stderr=True).print(str(error), soft_wrap=True, markup=False, highlight=False)
        raise typer.Exit(1) from error


def running_or_exit(path: Path) -> Config:
    """What runs, for a process that `ctnode serve` started; of one that was started by itself, the file."""
    if not running.is_told():
        return load_or_exit(path)
    return running.read()
