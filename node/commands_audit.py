"""Commands of the audit trail: whether it is whole, and what it says."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Final
from xml.etree import ElementTree

import typer
from rich.console import Console

from node.audit.chain import Broken
from node.audit.parts import audit_file, parts
from node.audit.verifying import size_bytes, verify
from node.config import Config
from node.options import DEFAULT_CONFIG, ConfigOption, JsonOption, load_or_exit
from storage import audits
from storage.audits import Trail
from storage.bars import bar
from storage.errors import ConfigError, Unreadable
from storage.ledger import Ledger

audit_app: Final = typer.Typer(no_args_is_help=True)
console: Final = Console(markup=False, highlight=False)

FileOption = Annotated[
    Path | None, typer.Option("--file", help="The audit file; by default those of the configuration.")
]


@audit_app.command("verify")
def audit_verify(
    config: ConfigOption = DEFAULT_CONFIG, file: FileOption = None, as_json: JsonOption = False
) -> None:
    """Check that no line of the audit trail was changed, removed or added. Exit code 1: something was.

    With --file, a copy is checked by itself: lines that are missing at its end cannot be seen then.
    """
    loaded = load_or_exit(config) if file is None else None
    path = file or audit_file(loaded or Config())
    trail = None if loaded is None else _trail(loaded)
    broken, count = "", 0
    try:
        total = size_bytes(path, alone=trail is None)
        with bar("checking", total=total, silent=as_json) as advance:
            count = verify(path, trail, on_bytes=advance)
    except (Broken, OSError) as error:
        broken = str(error)
    if as_json:
        console.print_json(json.dumps({"whole": not broken, "lines": count, "broken": broken.splitlines()}))
    elif broken:
        for line in broken.splitlines():
            console.print(f"BROKEN: {line}", style="red", soft_wrap=True)
    else:
        console.print(f"OK: {count} lines", soft_wrap=True)
    raise typer.Exit(1 if broken else 0)


def _trail(config: Config) -> Trail:
    """Of a node that has run; a question must not create one."""
    if config.storage.database is None and not config.storage.root.is_dir():
        raise ConfigError(f"no node has run here yet: {config.storage.root} does not exist")
    ledger = Ledger(config.storage.database_url)
    ledger.migrate()
    try:
        with ledger.reading() as connection:
            return audits.trail(connection)
    finally:
        ledger.close()


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
        found = _newest([path] if file is not None else [part.path for part in parts(path)], last)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror or error}") from error
    if not found and not path.exists():
        raise Unreadable(f"{path}: there is no such file")
    shown = [_shown(message) for message in found]
    if as_json:
        console.print_json(json.dumps(shown))
        return
    for each in shown:
        words = [" > ".join(word) if isinstance(word, list) else word for word in each.values()]
        console.print("  ".join(word for word in words if word), soft_wrap=True)


def _newest(files: list[Path], last: int) -> list[str]:
    """The last messages, the oldest of them first; no more files are opened than it takes."""
    found: list[str] = []
    for file in reversed(files):
        with file.open("rb") as lines:
            own = deque((message for line in lines for message in _messages(line)), maxlen=last - len(found))
        found = [*own, *found]
        if len(found) == last:
            break
    return found


def _messages(line: bytes) -> Iterator[str]:
    """Of one line; of one that is no line, none: `verify` names it."""
    try:
        yield from json.loads(line)["messages"]
    except (ValueError, KeyError, TypeError):
        return


SUBJECT: Final = "ParticipantObjectIdentification"
OUTCOMES: Final = {"0": "", "4": "failed", "8": "failed badly", "12": "failed badly"}


def _shown(message: str) -> dict[str, str | list[str]]:
    try:
        root = ElementTree.fromstring(message)
    except ElementTree.ParseError:
        return {
            "at": "",
            "what": "no audit message: see `ctnode audit verify`",
            "outcome": "",
            "who": [],
            "about": [],
        }
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
