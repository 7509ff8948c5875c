"""All commands with all of their code: what documents are made from, and tests run."""

from __future__ import annotations

from typing import Final

import typer

from node.parts import PARTS
from node.verbs import ABOUT

app: Final = typer.Typer(name="ctnode", no_args_is_help=True, pretty_exceptions_enable=False, help=ABOUT)
for part in PARTS.values():
    commands = part()
    app.registered_commands.extend(commands.registered_commands)
    app.registered_groups.extend(commands.registered_groups)
