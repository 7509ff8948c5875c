"""Commands of the store: what is stored, whether it is whole, and DICOM files of it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from node.config import Config
from node.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_or_exit
from storage import bars, events
from storage.errors import ConfigError, Damaged, Unavailable
from storage.exporting import export
from storage.inventory import Inventory, StoredInstance, inventory, kept_aside, stored_instances
from storage.ledger import Ledger
from storage.records import Event
from storage.store import Store
from storage.stores import open_store

MEBIBYTE: Final = 1 << 20
store_app: Final = typer.Typer(no_args_is_help=True)
console: Final = Console(markup=False, highlight=False)  # what others wrote is no markup


@store_app.command("list")
def store_list(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """The segments on disk and what is in them; spare ones; plain files."""
    loaded = load_or_exit(config)
    with _opened(loaded) as (store, ledger), ledger.reading() as connection:
        found = inventory(connection, store.root)
    if as_json:
        console.print_json(json.dumps(asdict(found)))
    else:
        console.print(_table(found))
        console.print(f"{found.spares} spare segments, {_mb(found.spare_bytes)} MB")
        console.print(f"{found.plain} instances in plain files, {_mb(found.plain_bytes)} MB")


@store_app.command("verify")
def store_verify(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Read everything that is stored and check its digests. Exit code 1 when something is damaged."""
    loaded = load_or_exit(config)
    with _opened(loaded) as (store, ledger):
        with ledger.reading() as connection:
            instances = [*stored_instances(connection), *kept_aside(connection)]
        looked_at = bars.tracked("checking", instances, total=len(instances), silent=as_json)
        faults = {each: reason for each in looked_at if (reason := _fault(store, each)) is not None}
    _report(len(instances), "read", faults, as_json)


@store_app.command("export")
def store_export(
    folder: Annotated[Path, typer.Argument(file_okay=False, help="Where SERIES/SOP.dcm are written.")],
    series: Annotated[str, typer.Option("--series", help="Series Instance UID; default: all.")] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write DICOM files of what is stored. Files that are there already are left: it can be stopped."""
    loaded, written = load_or_exit(config), 0
    faults: dict[StoredInstance, str] = {}
    with _opened(loaded) as (store, ledger):
        with ledger.reading() as connection:
            instances = list(stored_instances(connection, series or None))
        for each in bars.tracked("writing", instances, total=len(instances), silent=as_json):
            try:
                written += export(store, each, folder)
            except Damaged as error:
                faults[each] = str(error)
        if written:
            _tell_exported(ledger, written, series, folder)
    if not instances:
        console.print(f"no instance is stored{f' of series {series}' if series else ''}", style="red")
        raise typer.Exit(1)
    _report(written, "written", faults, as_json)


def _tell_exported(ledger: Ledger, written: int, series: str, folder: Path) -> None:
    """Who asks what left the node finds it among the events, and in the audit trail."""
    what = f"{written} instances of {f'series {series}' if series else 'all series'} to {folder.absolute()}"
    about = Event(at=time.time(), kind="exported", subject="command line", detail=what)
    with ledger.writing() as connection:
        events.tell(connection, about)


def _fault(store: Store, instance: StoredInstance) -> str | None:
    try:
        store.open(instance.locator).close()
    except (Damaged, Unavailable) as error:
        return str(error)
    return None


def _report(count: int, done: str, faults: dict[StoredInstance, str], as_json: bool) -> None:
    damaged = [
        {"instance": each.sop_instance_uid, "locator": each.locator, "reason": reason}
        for each, reason in faults.items()
    ]
    if as_json:
        console.print_json(json.dumps({done: count, "damaged": damaged}))
    else:
        console.print(f"{count} instances {done}, {len(damaged)} damaged")
        for line in damaged:
            console.print(f"{line['instance']}: {line['reason']}", style="red", soft_wrap=True)
    if damaged:
        raise typer.Exit(1)


def _table(found: Inventory) -> Table:
    table = Table("segment", "state", "MB", "instances", "of them MB", "aside")
    for segment in found.segments:
        table.add_row(
            segment.name,
            "sealed" if segment.sealed else "open",
            _mb(segment.size_bytes),
            str(segment.instances),
            _mb(segment.instance_bytes),
            str(segment.aside),
        )
    return table


def _mb(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f}"


@contextmanager
def _opened(config: Config) -> Iterator[tuple[Store, Ledger]]:
    """Of a node that has run; a question must not create one."""
    storage = config.storage
    if not storage.root.is_dir():
        raise ConfigError(f"no node has run here yet: {storage.root} does not exist")
    ledger = Ledger(storage.database_url)
    ledger.migrate()
    store = open_store(
        storage.root,
        kind=storage.store,
        segment_bytes=storage.segment_mb * MEBIBYTE,
        spares=storage.spare_segments,
    )
    try:
        yield store, ledger
    finally:
        store.close()
        ledger.close()
