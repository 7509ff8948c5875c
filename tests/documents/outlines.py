"""What `node/verbs.json` says, made from the commands."""

from __future__ import annotations

import json
from typing import Any

import typer.main
from typer.core import TyperArgument, TyperOption

from node.parts import PARTS
from node.verbs import FILE


def made() -> str:
    """The text of the file."""
    commands = {}
    for part, app in PARTS.items():
        group: Any = typer.main.get_group(app())
        commands |= {name: {"part": part} | each for name, each in _commands(group).items()}
    return json.dumps({"commands": commands}, indent=1, ensure_ascii=False) + "\n"


def write() -> None:
    """Write it."""
    FILE.write_text(made())


def _commands(group: Any) -> dict[str, Any]:
    return {name: _described(each) for name, each in group.commands.items()}


def _described(command: Any) -> dict[str, Any]:
    if hasattr(command, "commands"):
        return {"help": command.help, "commands": _commands(command)}
    context = typer.Context(command)
    options = [p for p in command.params if isinstance(p, TyperOption) and not p.hidden]
    arguments = [p for p in command.params if isinstance(p, TyperArgument)]
    return {
        "help": command.help,
        "is_hidden": command.hidden,
        "options": [{"names": _names(p), "help": p.help} | _taken(p, context) for p in options],
        "arguments": [_taken(p, context) for p in arguments],
    }


def _names(option: TyperOption) -> list[str]:
    """As they are declared: what turns it off stands behind what turns it on."""
    off = [f"/{name}" for name in option.secondary_opts]
    return [name + (off[n] if n < len(off) else "") for n, name in enumerate(option.opts)]


def _taken(parameter: Any, context: typer.Context) -> dict[str, Any]:
    offered = parameter.shell_complete(context, "")
    return {
        "is_flag": getattr(parameter, "is_flag", False),
        "is_multiple": parameter.nargs == -1 or getattr(parameter, "multiple", False),
        "choices": [each.value for each in offered if each.type == "plain"],
    }
