"""`ctnode doctor`: the administrator's one command when something does not work, and before it must."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer
from rich.console import Console

from node.doctor.examination import Wishes, examine
from node.doctor.findings import failed, findings_json
from node.doctor.view import findings_view
from node.options import DEFAULT_CONFIG, ConfigOption, JsonOption
from storage import logs

app: Final = typer.Typer(no_args_is_help=True)


@app.command()
def doctor(
    peer: Annotated[
        str, typer.Option("--peer", metavar="NAME", help="Of peers and destinations, this one alone.")
    ] = "",
    send_test: Annotated[
        bool,
        typer.Option("--send-test", help="Send a test object, named so, and ask for a commitment to it."),
    ] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds that a commitment's report is waited for.")
    ] = 20,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Check ports, TLS, disk, clock, database, device and peers, both ways; say who has to change what."""
    logs.configure("doctor")
    findings = examine(config, Wishes(only=peer, send_test=send_test, wait_s=wait))
    console = Console(markup=False, highlight=False)
    if as_json:
        console.print_json(json.dumps(findings_json(findings)))
    else:
        console.print(findings_view(findings))
    raise typer.Exit(1 if failed(findings) else 0)
