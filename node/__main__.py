"""The one program, `ctnode`. A command's code is imported when it runs; help and TAB need none of it."""

from __future__ import annotations

from typing import Any, Final

import typer
from typer.core import TyperGroup

from node.parts import PARTS
from node.verbs import ABOUT, add_outlines, described
from storage.errors import CtnodeError

VERBS: Final = described()


class Verbs(TyperGroup):
    """The outlines of all commands, and the commands themselves once one of them is to run."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the first word names; a shell that completes it gets its outline."""
        if not ctx.resilient_parsing:
            self._load(args[0])
        return super().resolve_command(ctx, args)

    def _load(self, verb: str) -> None:
        """Import its part; all of them for a word that is none: the error then knows them."""
        part = VERBS["commands"].get(verb, {}).get("part")
        for name in [part] if part in PARTS else PARTS:
            self.commands.update(typer.main.get_group(PARTS[name]()).commands)


app: Final = typer.Typer(
    name="ctnode",
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # locals may hold patient data, and logs are for machines
    help=ABOUT,
)
add_outlines(app, VERBS)


def main() -> None:
    """Run the command line; an error that was foreseen is one sentence and exit code 1."""
    try:
        app()
    except CtnodeError as error:
        typer.echo(f"ctnode: {error}", err=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
