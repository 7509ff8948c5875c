"""The command `ctnode simulate`."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated

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


def simulate(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to write; made if it is not there.")
    ],
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
) -> None:
    """Write a synthetic CT series into DIR, with the truth about it in DIR/simulated.json.

    The patient is a phantom drawn by this program. Not for diagnosis; research software.
    """
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
        simulated = write_series(directory, plan)
    except (ConfigError, OSError) as error:
        typer.echo(f"simulate: {error}", err=True)
        raise typer.Exit(WRONG_OPTION) from error
    typer.echo(f"{len(simulated.files)} slices in {directory}, series {simulated.series_instance_uid}")
    typer.echo(f"seed {plan.seed}; {len(simulated.landmarks)} landmarks in {directory / SIDECAR}")
