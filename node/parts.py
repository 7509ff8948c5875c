"""Where the commands of `ctnode` are: the one place that joins node and inference.

A part is imported when it is asked for: a verb waits for its own code, and not for that of all the others.
Torch is loaded only when a command that needs it runs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Final

import typer

if TYPE_CHECKING:
    from inference.evaluation.measure import Analyse
    from inference.models.product import WeightsFiles


def _node() -> typer.Typer:
    from node import commands_node

    return commands_node.app


def _scu() -> typer.Typer:
    from node import commands_scu

    return commands_scu.app


def _doctor() -> typer.Typer:
    from node import commands_doctor

    return commands_doctor.app


def _replay() -> typer.Typer:
    from node import commands_replay

    return commands_replay.app


def _analysis() -> typer.Typer:
    from inference import commands

    return commands.app


def _preparation() -> typer.Typer:
    from inference.preparation import commands

    return commands.app


def _training() -> typer.Typer:
    from inference.training import commands

    return commands.app


def _workbench() -> typer.Typer:
    from inference.workbench import commands

    return commands.app


def _spleen() -> typer.Typer:
    from inference.spleen import commands

    return commands.app


@cache
def _bench() -> typer.Typer:
    from inference import commands as analysis
    from node.bench import commands, completion

    commands.bench_app.command("models")(analysis.bench_models)
    commands.bench_app.command("results")(analysis.bench_results)
    commands.bench_app.command("completion")(completion.completion)
    return commands.app


def _demo() -> typer.Typer:
    from node import commands_demo

    return commands_demo.app


def _store() -> typer.Typer:
    from node import commands_store

    return _group(
        commands_store.store_app, "store", "What is stored, whether it is whole, DICOM files of it."
    )


def _peers() -> typer.Typer:
    from node import commands_peers

    return _group(commands_peers.peers_app, "peers", "Who may call us and who gets results, in config.yaml.")


def _audit() -> typer.Typer:
    from node import commands_audit

    return _group(
        commands_audit.audit_app, "audit", "Who did what with which study, and whether that is whole."
    )


def _users() -> typer.Typer:
    from node import commands_users

    return _group(commands_users.users_app, "users", "Accounts of the web console.")


def _simulate() -> typer.Typer:
    from inference.simulation.commands import simulate_app
    from node import commands_hostile

    return simulate_app(commands_hostile.hostile)


def _evaluate() -> typer.Typer:
    from inference.evaluation.commands import evaluate_app

    return evaluate_app(_held_out)


def _held_out(device: str, files: WeightsFiles) -> Analyse:
    from inference.evaluation.analyser import held_out_analyser  # torch is loaded here

    return held_out_analyser(device, files)


def _group(app: typer.Typer, name: str, help: str) -> typer.Typer:
    part = typer.Typer()
    part.add_typer(app, name=name, help=help)
    return part


PARTS: Final[Mapping[str, Callable[[], typer.Typer]]] = {
    "node": _node,
    "scu": _scu,
    "doctor": _doctor,
    "replay": _replay,
    "analysis": _analysis,
    "preparation": _preparation,
    "training": _training,
    "workbench": _workbench,
    "spleen": _spleen,
    "bench": _bench,
    "demo": _demo,
    "store": _store,
    "peers": _peers,
    "audit": _audit,
    "users": _users,
    "simulate": _simulate,
    "evaluate": _evaluate,
}
"""Name -> the commands and groups of commands of a part, in the order of the help."""
