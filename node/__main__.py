"""The one program, `ctnode`: the composition root, which alone may join node and inference.

The inference commands are mounted by name; torch is loaded only when one of them runs.
"""

from __future__ import annotations

import typer

from inference import commands as inference_commands
from inference.evaluation.commands import evaluate_app
from inference.evaluation.measure import Analyse
from inference.models.product import WeightsFiles
from inference.preparation import commands as preparation_commands
from inference.simulation.commands import simulate_app
from inference.spleen import commands as spleen_commands
from inference.training import commands as training_commands
from inference.workbench import commands as workbench_commands
from node import (
    commands_audit,
    commands_demo,
    commands_doctor,
    commands_hostile,
    commands_node,
    commands_peers,
    commands_replay,
    commands_scu,
    commands_store,
    commands_users,
)
from node.bench import commands as commands_bench
from node.bench import completion as bench_completion
from storage.errors import CtnodeError

app = typer.Typer(
    name="ctnode",
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # locals may hold patient data, and logs are for machines
    help="A DICOM network node that receives CT, says what it shows, and returns SR and SEG. "
    "Not for diagnosis; research software.",
)
for module in (
    commands_node,
    commands_scu,
    commands_doctor,
    commands_replay,
    inference_commands,
    preparation_commands,
    training_commands,
    workbench_commands,
    spleen_commands,
    commands_bench,
    commands_demo,
):
    app.registered_commands.extend(module.app.registered_commands)
    app.registered_groups.extend(module.app.registered_groups)

app.add_typer(
    commands_store.store_app, name="store", help="What is stored, whether it is whole, DICOM files of it."
)
app.add_typer(
    commands_peers.peers_app, name="peers", help="Who may call us and who gets results, in config.yaml."
)
app.add_typer(
    commands_audit.audit_app, name="audit", help="Who did what with which study, and whether that is whole."
)
app.add_typer(commands_users.users_app, name="users", help="Accounts of the web console.")
app.registered_commands.extend(simulate_app(commands_hostile.hostile).registered_commands)


def _held_out(device: str, files: WeightsFiles) -> Analyse:
    from inference.evaluation.analyser import held_out_analyser  # torch is loaded here

    return held_out_analyser(device, files)


app.registered_commands.extend(evaluate_app(_held_out).registered_commands)
commands_bench.bench_app.command("models")(inference_commands.bench_models)
commands_bench.bench_app.command("results")(inference_commands.bench_results)
commands_bench.bench_app.command("completion")(bench_completion.completion)


def main() -> None:
    """Run the command line; an error that was foreseen is one sentence and exit code 1."""
    try:
        app()
    except CtnodeError as error:
        typer.echo(f"ctnode: {error}", err=True)
        raise SystemExit(1) from error


if __name__ == "__main__":
    main()
