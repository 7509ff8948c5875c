"""`ctnode spleen`: train, segment, evaluate, and pairs to train from. An experiment, no part of the node.

Exit codes: 0 done; 1 refused, or an object was held back by its checks; 2 no CT was found.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from inference.report import NOT_FOR_DIAGNOSIS
from inference.workbench.options import OutOption, SeriesOption, SourceArgument, console, tell
from storage.errors import Refused

if TYPE_CHECKING:
    from inference.spleen.labelled import Case
    from inference.spleen.weights import SpleenWeights

EXIT_HELD: Final = 1
EXIT_NOTHING: Final = 2
AXES: Final = ("axial", "coronal", "sagittal")

app: Final = typer.Typer(no_args_is_help=True)
spleen_app: Final = typer.Typer(no_args_is_help=True)
app.add_typer(
    spleen_app, name="spleen", help="Experimental: train, run and measure a segmentation of the spleen."
)

FolderArgument = Annotated[
    Path,
    typer.Argument(
        metavar="DIR",
        exists=True,
        file_okay=False,
        help="With dataset.json, as Task09 of the Medical Segmentation Decathlon, or with NAME.nii.gz beside "
        "NAME_label.nii.gz (or _seg, _mask).",
    ),
]
MaskArgument = Annotated[Path, typer.Argument(exists=True, help="A NIfTI label map, or a folder of them.")]


@spleen_app.command("train")
def train_network(
    folder: FolderArgument,
    out: Annotated[Path, typer.Option("--out", dir_okay=False, metavar="FILE", help="A .safetensors file.")],
    axis: Annotated[str, typer.Option(help="Cut volumes into axial, coronal or sagittal slices.")] = "axial",
    epochs: Annotated[int, typer.Option(min=1, help="How often every slice with spleen is shown.")] = 40,
    channels: Annotated[int, typer.Option(min=1, max=64, help="Of the network's first level.")] = 16,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same weights.")] = 0,
    hold_out: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Not learnt from, but measured on; may be given again."),
    ] = None,
) -> None:
    """Train a 2-D U-Net that finds the spleen in slices. Not for diagnosis.

    FILE gets the weights, and FILE.json the loss of each epoch and, for each volume that was held out, Dice,
    Jaccard, sensitivity, specificity, Hausdorff 95 and the difference in volume.
    """
    from inference.spleen.batches import slices_of
    from inference.spleen.labelled import find_cases, read_case
    from inference.spleen.slicing import SliceAxis
    from inference.spleen.training import Settings, train
    from inference.spleen.weights import Recipe, SpleenWeights, packed
    from inference.workbench.content import write_whole

    if axis not in AXES:
        raise typer.BadParameter(f"--axis is {axis}; it must be one of {', '.join(AXES)}")
    learnt, held = _parted(find_cases(folder), hold_out or [])
    volumes = [slices_of(read_case(case), SliceAxis(axis)) for case in learnt]
    console.print(f"{len(learnt)} volumes to learn from, {len(held)} held out")
    trained = train(
        volumes,
        Settings(epochs=epochs, channels=channels, seed=seed),
        lambda epoch, loss: console.print(f"epoch {epoch} of {epochs}: loss {loss:.4f}"),
    )
    recipe = Recipe(
        axis=SliceAxis(axis),
        channels=channels,
        cases=tuple(case.name for case in learnt),
        held_out=tuple(case.name for case in held),
        epochs=epochs,
        seed=seed,
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_whole(out, packed(trained.network, recipe))
    weights = SpleenWeights.load(out)
    record = _record(weights, trained.losses, _measured(weights, held))
    write_whole(out.with_name(f"{out.name}.json"), json.dumps(record, indent=1, allow_nan=False) + "\n")


def _parted(cases: tuple[Case, ...], names: list[str]) -> tuple[list[Case], list[Case]]:
    """Those to learn from, and those that are held out."""
    unknown = sorted(set(names) - {case.name for case in cases})
    if unknown:
        raise Refused(
            f"--hold-out {unknown[0]}: no such volume; there are {', '.join(c.name for c in cases)}"
        )
    held = [case for case in cases if case.name in names]
    learnt = [case for case in cases if case.name not in names]
    if not learnt:
        raise Refused("every volume is held out: there is nothing to learn from")
    return learnt, held


def _measured(weights: SpleenWeights, held: list[Case]) -> dict[str, dict[str, Any]]:
    """What the weights, as they are on disk, make of the volumes that were held out."""
    from inference.spleen.labelled import read_case
    from inference.spleen.measure import COLUMNS, agreement_with, row

    found = {case.name: agreement_with(read_case(case), weights) for case in held}
    if found:
        _show(COLUMNS, [row(name, each) for name, each in found.items()])
    return {name: asdict(each) for name, each in found.items()}


def _record(
    weights: SpleenWeights, losses: tuple[float, ...], measured: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    from inference.spleen.finding import EXPERIMENTAL

    return {
        "statement": NOT_FOR_DIAGNOSIS,
        "experimental": EXPERIMENTAL,
        "weights_sha256": weights.sha256,
        **asdict(weights.recipe),
        "losses": [round(loss, 6) for loss in losses],
        "measured": measured,
    }


@spleen_app.command()
def segment(
    path: SourceArgument,
    weights_file: Annotated[
        Path,
        typer.Option(
            "--weights", exists=True, dir_okay=False, metavar="FILE", help="Of ctnode spleen train."
        ),
    ],
    out: OutOption,
    series: SeriesOption = "",
) -> None:
    """Find the spleen in volumes and measure it in mm³. Experimental; not for diagnosis.

    DIR gets a folder for each volume: spleen.nii.gz with the true affine, spleen.json, and of DICOM a SEG and
    a Comprehensive 3D SR with the volume (TID 1411). One that fails its checks is named .dcm.held.
    """
    from inference.spleen.finding import EXPERIMENTAL
    from inference.spleen.segment import segmented
    from inference.spleen.weights import SpleenWeights
    from inference.workbench.units import gathered, only

    weights = SpleenWeights.load(weights_file)
    console.print(f"{EXPERIMENTAL}. {NOT_FOR_DIAGNOSIS}")
    made = held = 0
    with gathered(path) as found:
        for unit in only(found, series):
            for each in segmented(unit, weights, out, tell):
                made += 1
                held += len(each.held)
                told = f"{each.record['volume_mm3']} mm³" if each.record["found"] else each.record["reason"]
                console.print(f"{each.name}: {told}")
                for reason in each.held:
                    tell(f"{each.name}: held back: {reason}")
    if not made:
        raise typer.Exit(EXIT_NOTHING)
    if held:
        raise typer.Exit(EXIT_HELD)


@spleen_app.command()
def evaluate(
    predicted: MaskArgument,
    truth: MaskArgument,
    out: Annotated[
        Path | None, typer.Option("--out", dir_okay=False, metavar="FILE", help="The table as CSV.")
    ] = None,
    label: Annotated[int, typer.Option(min=1, help="The value that is compared, in both.")] = 1,
) -> None:
    """Hold masks against true ones: Dice, Jaccard, sensitivity, specificity, Hausdorff 95, volume.

    Two files, or two folders with files of equal names. They must have the same voxels; their order may
    differ. A figure that is not defined, as a mask is empty, is left empty and out of the mean.
    """
    from inference.spleen.measure import COLUMNS, agreement_of, pairs_of, row, summary
    from inference.workbench.content import write_whole
    from inference.workbench.tables import to_csv

    found = {n: agreement_of(n, *both, label) for n, both in pairs_of(predicted, truth).items()}
    rows = [row(name, each) for name, each in found.items()]
    if len(found) > 1:
        rows.append(summary(list(found.values())))
    _show(COLUMNS, rows)
    if out is not None:
        write_whole(out, to_csv(COLUMNS, rows))


@spleen_app.command()
def pairs(
    data: Annotated[
        Path, typer.Option("--data", exists=True, file_okay=False, help="Holds labelled/ with label maps.")
    ],
    out: OutOption,
    copies: Annotated[int, typer.Option(min=0, help="How often each label map is painted as CT.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The same seed paints the same volumes.")] = 1,
) -> None:
    """Write labelled pairs to train from: the CT of labelled/, and its label maps painted as CT."""
    from inference.spleen.painted import write_pairs

    for name in write_pairs(data, out, copies, seed):
        typer.echo(name)


def _show(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    table = Table(caption=NOT_FOR_DIAGNOSIS)
    for heading in columns:
        table.add_column(heading.replace("_", " "), overflow="fold")
    for each in rows:
        table.add_row(*each)
    Console().print(table)
