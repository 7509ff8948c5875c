"""Commands of the audit trail: whether it is whole, and what it says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Final
from xml.etree import ElementTree

import typer
from rich.console import Console

from node.audit.chain import Broken
from node.audit.file import audit_file, verify
from node.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_or_exit
from storage import audits
from storage.errors import Unreadable
from storage.ledger import Ledger

audit_app: Final = typer.Typer(no_args_is_help=True)
console: Final = Console(markup=False, highlight=False)

FileOption = Annotated[
    Path | None, typer.Option("--file", help="The audit file; by default that of the configuration.")
]


@audit_app.command("verify")
def audit_verify(config: ConfigOption = DEFAULT_CONFIG, file: FileOption = None) -> None:
    """Check that no line of the audit trail was changed, removed or added. Exit code 1: something was.

    With --file, a copy is checked by itself: lines that are missing at its end cannot be seen then.
    """
    trail = None
    if file is None:
        loaded = load_or_exit(config)
        file = audit_file(loaded)
        ledger = Ledger(loaded.storage.database_url)
        ledger.migrate()
        with ledger.reading() as connection:
            trail = audits.trail(connection)
        ledger.close()
    try:
        count = verify(file, trail)
    except Broken as error:
        console.print(f"BROKEN: {error}", style="red", soft_wrap=True)
        raise typer.Exit(1) from error
    console.print(f"OK: {count} lines", soft_wrap=True)


@audit_app.command("show")
def audit_show(
    config: ConfigOption = DEFAULT_CONFIG,
    file: FileOption = None,
    last: Annotated[int, typer.Option(min=1, help="How many messages, from the end.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """Show the newest messages of the audit trail: when, what, who, with which study."""
    path = file or audit_file(load_or_exit(config))
    try:
        with path.open("rb") as lines:
            found = [message for line in lines for message in _messages(line)][-last:]
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error
    shown = [_shown(message) for message in found]
    if as_json:
        console.print_json(json.dumps(shown))
        return
    for each in shown:
        words = [" > ".join(word) if isinstance(word, list) else word for word in each.values()]
        console.print("  ".join(word for word in words if word), soft_wrap=True)


def _messages(line: bytes) -> Iterator[str]:
    """Of one line; of one that is no line, none: `verify` names it."""
    try:
        yield from json.loads(line)["messages"]
    except (ValueError, KeyError, TypeError):
        return


SUBJECT: Final = "ParticipantObjectIdentification"
OUTCOMES: Final = {"0": "", "4": "failed", "8": "failed badly", "12": "failed badly"}


def _shown(message: str) -> dict[str, str | list[str]]:
    root = ElementTree.fromstring(message)
    event = root.find("EventIdentification")
    if event is None:
        raise Unreadable("a message without EventIdentification")
    codes = [each.get("originalText", "") for each in islice(event, 2) if each.get("originalText")]
    return {
        "at": event.get("EventDateTime", ""),
        "what": ", ".join(codes),
        "outcome": OUTCOMES.get(event.get("EventOutcomeIndicator", ""), ""),
        "who": [each.get("UserID", "") for each in root.findall("ActiveParticipant")],
        "about": [each.get("ParticipantObjectID", "") for each in root.findall(SUBJECT)],
    }
