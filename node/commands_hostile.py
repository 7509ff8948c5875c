"""`ctnode simulate --hostile`: every attack on a Storage SCP, and a table of what it did."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from node.addresses import PeerAddress, ae_title
from node.hostile.caller import Target
from node.hostile.suite import Outcome, chosen, outcomes
from storage.errors import ConfigError

HELD, FAILED = 0, 1
"""Exit codes: every attack was met as it must be; one was not."""

BYTES_PER_MB: Final = 1_000_000


def hostile(
    target: str,
    *,
    calling: str,
    only: str,
    half_open: int,
    associations: int,
    endless_mb: int,
    patience_s: float,
    as_json: bool,
) -> int:
    """Run the attacks, print what came of them and return the exit code.

    Args:
        target: AE@HOST:PORT.
        calling: an AE title that the target lets in.
        only: attacks whose name holds this; all for no words.
        half_open: connections that say nothing.
        associations: how many one after the other; also connections that are closed at once.
        endless_mb: more than the longest data set that the target takes, in 1,000,000 bytes.
        patience_s: more than its ARTIM time-out.
        as_json: instead of a table.

    Raises:
        ConfigError: an option is wrong, or the target does not serve a good peer in the first place.
    """
    attacks = chosen(only)
    if not attacks:
        raise ConfigError(f"--only: no attack's name holds {only!r}")
    called, calling_ae = _titles(target, calling)
    aim = Target(
        called=called,
        calling_ae=calling_ae,
        patience_s=patience_s,
        half_open=half_open,
        associations=associations,
        endless_bytes=endless_mb * BYTES_PER_MB,
    )
    try:
        with _progress(silent=as_json) as progress:
            task = progress.add_task("", total=len(attacks))
            found: list[Outcome] = []
            for outcome in outcomes(aim, attacks):
                found.append(outcome)
                progress.update(task, advance=1, description=outcome.attack.name)
    except ConnectionError as error:
        raise ConfigError(f"{aim.called} does not serve {aim.calling_ae}: {error}") from error
    _print(found, as_json=as_json)
    return HELD if all(outcome.ok for outcome in found) else FAILED


def _titles(target: str, calling: str) -> tuple[PeerAddress, str]:
    try:
        return PeerAddress.parse(target), ae_title(calling)
    except ValueError as error:
        raise ConfigError(f"--hostile: {error}") from error


def _progress(*, silent: bool) -> Progress:
    columns = (
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    return Progress(*columns, console=console, transient=True, disable=silent or not console.is_terminal)


def _print(found: Sequence[Outcome], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps([_line(outcome) for outcome in found], indent=1))  # noqa: T201 - for programs
        return
    table = Table("attack", "sent", "expected", "happened", "", title="Hostile peers")
    for outcome in found:
        told = _line(outcome)
        words = " - good peer: ".join(filter(None, (outcome.happened, outcome.good_peer)))
        table.add_row(
            f"{told['name']} ({told['clause']})",
            str(told["sent"]),
            str(told["expected"]),
            words,
            "ok" if outcome.ok else "NOT OK",
            style=None if outcome.ok else "red",
        )
    Console().print(table, markup=False)
    Console().print(f"{sum(outcome.ok for outcome in found)} of {len(found)} ok", highlight=False)


def _line(outcome: Outcome) -> dict[str, object]:
    """One attack for programs."""
    return {
        "name": outcome.attack.name,
        "clause": outcome.attack.clause,
        "sent": outcome.attack.sent,
        "expected": outcome.attack.expected.words,
        "happened": outcome.happened,
        "good_peer": outcome.good_peer,
        "ok": outcome.ok,
        "seconds": round(outcome.seconds, 3),
    }
