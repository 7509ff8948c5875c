"""`ctnode replay`: when each rule would have completed a recorded series, and which one did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Column, Table

from node import recording
from node.config import Config
from node.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_or_exit
from node.recorder import recorded
from node.replay import FIXED_TIMERS_S, Replayed, replay
from node.rules import Rule
from storage.errors import Refused, Unreadable
from storage.ledger import Ledger

app: Final = typer.Typer()
console: Final = Console(markup=False, highlight=False)


@app.command("replay")
def replay_file(
    file: Annotated[Path, typer.Argument(help="A recording: one event a line, as JSON.", dir_okay=False)],
    record: Annotated[
        str, typer.Option("--record", help="Series Instance UID: write the file from the ledger first.")
    ] = "",
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Show when each rule would have completed a recorded series, and which one did, beside fixed timers.

    The recording that --record writes holds no UID, no date and no patient data; it names calling AE titles.
    """
    settings = load_or_exit(config) if record or config.exists() else Config()
    if record:
        _write(file, Ledger(settings.storage.database_url), record)
    if not file.is_file():
        raise Unreadable(f"there is no recording {file}")
    with file.open(encoding="utf-8") as lines:
        happenings = recording.read(lines)
    found = replay(happenings, settings.assembly.bounds, settings.assembly.cap_s)
    if as_json:
        console.print_json(json.dumps([as_object(each) for each in found]))
        return
    for each in found:
        console.print(_table(each))


def _write(file: Path, ledger: Ledger, series_instance_uid: str) -> None:
    with ledger.reading() as connection:
        happenings = recorded(connection, series_instance_uid)
    if not happenings:
        raise Refused(f"series {series_instance_uid} is not known here")
    file.write_text("".join(f"{recording.to_line(each)}\n" for each in happenings), encoding="utf-8")


def as_object(each: Replayed) -> dict[str, Any]:
    """One series for machines; times in seconds, of the recording."""
    return {
        "series": each.series,
        "instances": each.instances,
        "first_at": each.first_at,
        "last_at": each.last_at,
        "completions": [vars(completion) for completion in each.completions],
        "alone": {rule: each.alone.get(rule) for rule in Rule},
        "timers": [{"timer_s": timer_s, "at": list(times)} for timer_s, times in each.timers.items()],
    }


def _table(each: Replayed) -> Table:
    title = f"{each.series}: {each.instances} instances from {each.first_at:.2f} to {each.last_at:.2f} s"
    table = Table("what", "at, s", "after the last, s", Column("evidence", overflow="fold"), title=title)
    for revision, done in enumerate(each.completions, start=1):
        what = f"revision {revision}: {done.rule.value}"
        table.add_row(what, f"{done.at:.2f}", _after(done.at, each), done.evidence)
    for rule in Rule:
        at = each.alone.get(rule)
        if at is None:
            table.add_row(f"{rule.value} alone", "never", "", "")
        else:
            table.add_row(f"{rule.value} alone", f"{at:.2f}", _after(at, each), "")
    for timer_s in FIXED_TIMERS_S:
        times = each.timers[timer_s]
        again = f"{len(times)} times: the first before the last instance" if len(times) > 1 else ""
        table.add_row(f"fixed timer of {timer_s:g} s", f"{times[0]:.2f}", _after(times[0], each), again)
    return table


def _after(at: float, each: Replayed) -> str:
    return f"{at - each.last_at:+.2f}"
