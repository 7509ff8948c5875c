"""What every command is called and takes, without its code: for the help, and for TAB in a shell.

`verbs.json` is made from the commands themselves (`make docs`), and a test compares the two. To import all
commands takes two seconds, for which nobody waits at a TAB.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Final

import typer

ABOUT: Final = (
    "A DICOM network node that receives CT, says what it shows, and returns SR and SEG. "
    "Not for diagnosis; research software."
)
FILE: Final = Path(__file__).with_name("verbs.json")

Described = Mapping[str, Any]
"""Of a group: `help`, `commands`; of a command: `help`, `is_hidden`, `options`, `arguments`.

Those of the first level have `part`, which names the one of `node.parts` that has their code.
"""


def described() -> Described:
    """Every command. Raises OSError, ValueError where the file is not there or broken."""
    return dict(json.loads(FILE.read_bytes()))


def add_outlines(app: typer.Typer, group: Described) -> None:
    """Give an app the commands of a group: names, help, options and arguments; they do nothing."""
    for name, each in group["commands"].items():
        if "commands" in each:
            inner = typer.Typer(no_args_is_help=True)
            add_outlines(inner, each)
            app.add_typer(inner, name=name, help=each["help"])
        else:
            app.command(name, help=each["help"], hidden=each["is_hidden"])(_outline(each))


def _outline(command: Described) -> Callable[..., None]:
    """A function of which Typer sees the signature."""

    def nothing(**_: object) -> None:
        raise NotImplementedError("an outline of a command")

    parameters = list(_parameters(command))
    nothing.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    nothing.__annotations__ = {each.name: each.annotation for each in parameters}
    return nothing


def _parameters(command: Described) -> Iterator[Parameter]:
    for number, each in enumerate(command["options"]):
        option = typer.Option(*each["names"], help=each["help"])
        yield _parameter(f"option_{number}", each, option)
    for number, each in enumerate(command["arguments"]):
        yield _parameter(f"argument_{number}", each, typer.Argument())


def _parameter(name: str, each: Described, info: Any) -> Parameter:
    kind: Any = bool if each["is_flag"] else _kind(each["choices"])
    default: Any = False if each["is_flag"] else None
    if each["is_multiple"]:
        kind, default = list[kind], []
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def _kind(choices: list[str]) -> Any:
    return StrEnum("Choice", [(f"choice_{n}", each) for n, each in enumerate(choices)]) if choices else str
