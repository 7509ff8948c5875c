"""Commands of the running node: serve, status, queue, show; and the roles that the supervisor starts.

What runs the node is imported by the commands that run it: whoever asks how it stands need not wait for that.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Annotated, Final

import pydicom
import typer
from pydicom.errors import InvalidDicomError
from rich.console import Console

from node import queue, revival, standing, tables
from node.config import Config
from node.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_or_exit
from node.sr_text import sr_text
from node.standing_table import standing_table
from storage import deliveries
from storage.errors import ConfigError, Unreadable
from storage.ledger import Ledger
from storage.records import Delivery
from storage.workflows import Jobs

app: Final = typer.Typer(no_args_is_help=True)
queue_app: Final = typer.Typer(no_args_is_help=True)
app.add_typer(queue_app, name="queue", help="Results that wait, dead letters, held series.")
console: Final = Console(markup=False, highlight=False)  # what others wrote is no markup


@app.command()
def serve(
    config: ConfigOption = DEFAULT_CONFIG,
    receivers_only: Annotated[bool, typer.Option(hidden=True, help="For `ctnode bench receive`.")] = False,
) -> None:
    """Run the node: receive, assemble, analyse, deliver. Stop it with Ctrl-C or SIGTERM."""
    from node import processes

    raise typer.Exit(processes.serve(load_or_exit(config), config, receivers_only=receivers_only))


@app.command(hidden=True)
def receiver(
    config: ConfigOption = DEFAULT_CONFIG,
    number: Annotated[int, typer.Option(min=0, help="Of the receiving processes, from 0.")] = 0,
) -> None:
    """A receiving process; `serve` starts them."""
    from node import receiving

    receiving.run_receiver(load_or_exit(config), number)


@app.command(hidden=True)
def dispatcher(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """The completing and delivering process; `serve` starts it."""
    from node import dispatching

    dispatching.run_dispatcher(load_or_exit(config))


@app.command()
def status(
    series: Annotated[str, typer.Argument(help="Series Instance UID; without it, the whole node.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """What was received, what waits for what, and whether results arrived."""
    loaded = load_or_exit(config)
    with _ledger(loaded).reading() as connection:
        if not series:
            node = standing.standing(connection)
            _show(standing.standing_json(node) if as_json else standing_table(node, time.time()))
            return
        one = standing.series_standing(connection, series, loaded.assembly, time.time())
    if one is None:
        console.print(f"series {series} is not known here", style="red")
        raise typer.Exit(1)
    _show(standing.series_json(one) if as_json else tables.series_table(one))


@queue_app.command("list")
def queue_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """What has not arrived yet: results that wait, and dead letters and held series that need a person."""
    with _ledger(load_or_exit(config)).reading() as connection:
        found = queue.queue(connection)
    _show(queue.queue_json(found) if as_json else queue.queue_view(found, time.time()))


@queue_app.command("retry")
def queue_retry(
    what: Annotated[
        str,
        typer.Argument(help="A delivery's number, a destination's name, a Series Instance UID, or 'dead'."),
    ],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Try again now: one delivery, all of a destination, all dead letters, or the analysis of a series."""
    ledger = _ledger(load_or_exit(config))
    jobs = Jobs(ledger)
    now = time.time()
    with ledger.writing() as connection:
        rows = [row for row in deliveries.unsettled(connection) if _is_meant(row, what)]
        revision = None if rows else revival.retry_series(connection, jobs, what, now)
        revival.retry_deliveries(connection, jobs, rows, now)
    jobs.close()
    if not rows and revision is None:
        console.print(f"nothing to retry under {what!r}", style="red")
        raise typer.Exit(1)
    console.print(
        f"{len(rows)} deliveries are tried again"
        if rows
        else f"the series is analysed again as revision {revision}"
    )


@queue_app.command("release")
def queue_release(
    series: Annotated[str, typer.Argument(help="Series Instance UID; `ctnode queue list` shows it.")],
    config: ConfigOption = DEFAULT_CONFIG,
) -> None:
    """Let a held series go, with all that its contradiction of identity holds: a person has looked."""
    ledger = _ledger(load_or_exit(config))
    jobs = Jobs(ledger)
    with ledger.writing() as connection:
        released = revival.release_series(connection, jobs, series, time.time())
    jobs.close()
    if released is None:
        console.print(f"nothing is held under {series!r}", style="red")
        raise typer.Exit(1)
    console.print(f"{released[0]} series are analysed, {released[1]} deliveries go on")


@app.command()
def show(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Its file.")],
) -> None:
    """Print a structured report (SR) as text."""
    try:
        report = pydicom.dcmread(file)
    except InvalidDicomError as error:
        raise Unreadable(f"{file} is no DICOM file") from error
    if "ContentSequence" not in report:
        raise Unreadable(f"{file} is no structured report, but {report.SOPClassUID.name}")
    console.print(sr_text(report), soft_wrap=True)


def _is_meant(row: Delivery, what: str) -> bool:
    return what in (str(row.id), row.destination, str(row.state), row.result.sop_instance_uid)


def _ledger(config: Config) -> Ledger:
    """The ledger of a node that has run; a question must not create one."""
    if config.storage.database is None and not config.storage.root.is_dir():
        raise ConfigError(f"no node has run here yet: {config.storage.root} does not exist")
    ledger = Ledger(config.storage.database_url)
    ledger.migrate()
    return ledger


def _show(what: object) -> None:
    if isinstance(what, dict | list):
        console.print_json(json.dumps(what))
    else:
        console.print(what)
