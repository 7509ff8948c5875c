"""The command `ctnode simulate`: a synthetic CT series, or hostile peers."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Protocol

import typer

from inference.simulation.plan import (
    SEED_BITS,
    Arms,
    Coverage,
    Orientation,
    PixelEncoding,
    SimulationPlan,
)
from inference.simulation.series import SIDECAR
from inference.simulation.series import simulate as write_series
from storage.errors import ConfigError

WRONG_OPTION = 2  # exit status


class Hostile(Protocol):
    """What attacks a Storage SCP, prints what came of it and returns the exit code."""

    def __call__(
        self,
        target: str,
        *,
        calling: str,
        only: str,
        half_open: int,
        associations: int,
        endless_mb: int,
        patience_s: float,
        as_json: bool,
    ) -> int: ...


def simulate_app(hostile: Hostile) -> typer.Typer:
    """The command, with what attacks in its name."""
    app = typer.Typer()

    @app.command("simulate")
    def command(
        directory: Annotated[
            Path | None, typer.Argument(metavar="DIR", help="Where to write; made if it is not there.")
        ] = None,
        region: Annotated[Coverage, typer.Option(help="Part of the phantom to scan.")] = Coverage.TRUNK,
        spacing_mm: Annotated[float, typer.Option(help="Between slices, and their thickness.")] = 5.0,
        matrix: Annotated[int, typer.Option(help="Columns, and rows of an axial series.")] = 512,
        orientation: Annotated[Orientation, typer.Option(help="Plane of the slices.")] = Orientation.AXIAL,
        contrast: Annotated[bool, typer.Option(help="Intravenous contrast medium.")] = False,
        arms: Annotated[Arms, typer.Option(help="Where the arms are.")] = Arms.NONE,
        seed: Annotated[
            int | None, typer.Option(help="Same seed, same bytes; drawn afresh if not given.")
        ] = None,
        slices_shuffled: Annotated[
            bool, typer.Option("--slices-shuffled", help="Files in random order.")
        ] = False,
        transfer_syntax: Annotated[
            PixelEncoding, typer.Option(help="VR encoding; both little endian, uncompressed.")
        ] = PixelEncoding.EXPLICIT,
        patient_id: Annotated[str, typer.Option(help="Patient ID (0010,0020).")] = "SIM0001",
        target: Annotated[
            str | None,
            typer.Option(
                "--hostile",
                metavar="AE@HOST:PORT",
                help="Instead of writing: attack this Storage SCP in every way that is known, and say what it"
                " did. Never one that is in use: it gets instances of a patient HOSTILE^PEER.",
            ),
        ] = None,
        calling: Annotated[str, typer.Option(help="Hostile: an AE title that the SCP lets in.")] = "STORESCU",
        only: Annotated[str, typer.Option(help="Hostile: attacks whose name holds this.")] = "",
        half_open: Annotated[
            int, typer.Option(min=1, help="Hostile: connections at the same time that say nothing.")
        ] = 10_000,
        associations: Annotated[
            int, typer.Option(min=1, help="Hostile: quick associations, one after the other.")
        ] = 1_000,
        endless_mb: Annotated[
            int, typer.Option(min=1, help="Hostile: more than the longest data set the SCP takes.")
        ] = 8_500,
        patience_s: Annotated[
            float, typer.Option(min=1, help="Hostile: more than the SCP's ARTIM time-out.")
        ] = 45.0,
        as_json: Annotated[bool, typer.Option("--json", help="Hostile: JSON instead of a table.")] = False,
    ) -> None:
        """Write a synthetic CT series into DIR, with the truth about it in DIR/simulated.json.

        The patient is a phantom drawn by this program. Not for diagnosis; research software.
        With --hostile nothing is written: an SCP is attacked. Exit code 1: it did not do what it must.
        """
        if (directory is None) == (target is None):
            typer.echo("simulate: either DIR or --hostile is needed", err=True)
            raise typer.Exit(WRONG_OPTION)
        if target is not None:
            code = hostile(
                target,
                calling=calling,
                only=only,
                half_open=half_open,
                associations=associations,
                endless_mb=endless_mb,
                patience_s=patience_s,
                as_json=as_json,
            )
            raise typer.Exit(code)
        assert directory is not None
        try:
            plan = SimulationPlan(
                seed=secrets.randbits(SEED_BITS) if seed is None else seed,
                coverage=region,
                spacing_mm=spacing_mm,
                matrix=matrix,
                orientation=orientation,
                contrast=contrast,
                arms=arms,
                slices_shuffled=slices_shuffled,
                encoding=transfer_syntax,
                patient_id=patient_id,
            )
            _write(directory, plan)
        except (ConfigError, OSError) as error:
            typer.echo(f"simulate: {error}", err=True)
            raise typer.Exit(WRONG_OPTION) from error

    return app


def _write(directory: Path, plan: SimulationPlan) -> None:
    """Write the series and say what it is. Raises ConfigError or OSError."""
    simulated = write_series(directory, plan)
    typer.echo(f"{len(simulated.files)} slices in {directory}, series {simulated.series_instance_uid}")
    typer.echo(f"seed {plan.seed}; {len(simulated.landmarks)} landmarks in {directory / SIDECAR}")
