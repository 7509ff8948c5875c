"""The commands `ctnode crop` and `ctnode compare`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from inference.findings import Region
from inference.report import NOT_FOR_DIAGNOSIS
from inference.workbench import compare as comparing
from inference.workbench.content import write_whole
from inference.workbench.crop import Form, possible_forms, write_crop
from inference.workbench.limits import Limits, between, of_region
from inference.workbench.options import DeviceOption, OutOption, SeriesOption, SourceArgument, console, tell
from inference.workbench.structures import Structures, read_structures
from inference.workbench.tables import to_csv
from storage.errors import Refused

if TYPE_CHECKING:
    from inference.workbench.at_work import AtWork

EXIT_REFUSED: Final = 1

app: Final = typer.Typer()

StructureFile = Annotated[
    Path, typer.Option("--with", exists=True, dir_okay=False, metavar="FILE", help="An RTSTRUCT or a SEG.")
]


@app.command()
def crop(
    path: SourceArgument,
    out: OutOption,
    region: Annotated[Region | None, typer.Option(help="What the volume holds of this region.")] = None,
    start: Annotated[str, typer.Option("--from", metavar="VERTEBRA", help="C1 to S1: its centre.")] = "",
    end: Annotated[
        str, typer.Option("--to", metavar="VERTEBRA", help="The other end; --from alone is one.")
    ] = "",
    within: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            metavar="FILE",
            help="From the lowest to the highest point of an RTSTRUCT or SEG.",
        ),
    ] = None,
    structure: Annotated[str, typer.Option(help="With --within: its name; all of them if not given.")] = "",
    margin_mm: Annotated[float, typer.Option(help="So much more at each end.")] = 0.0,
    form: Annotated[
        list[Form] | None, typer.Option(help="May be given again; if not given, all that can hold the range.")
    ] = None,
    series: SeriesOption = "",
    device: DeviceOption = "auto",
) -> None:
    """Cut volumes to a region, to a range of vertebrae, or to a structure. Not for diagnosis.

    DIR gets a folder for each volume: the instances that are in the range, byte for byte; volume.nii.gz with
    the true affine; and crop.json. Of vertebrae, T12 and L3 are calibrated; the record says so of others.
    """
    from inference.workbench.at_work import volumes_at_work

    if sum((region is not None, bool(start or end), within is not None)) != 1:
        raise typer.BadParameter("one of --region, --from and --to, --within is needed")
    structures = None if within is None else read_structures(within)
    made = refused = 0
    with volumes_at_work(path, series, device, tell) as volumes:
        for at_work in volumes:
            try:
                limits = _limits(at_work, region, start, end, structures, structure).widened(margin_mm)
                forms = form or possible_forms(at_work.read, at_work.unit)
                record = write_crop(at_work.read, at_work.unit, limits, forms, out / at_work.name)
            except Refused as error:
                refused += 1
                tell(f"{at_work.name}: {error}")
                continue
            made += 1
            slices = f"slices {record['first_slice']} to {record['last_slice']} of {record['of_slices']}"
            console.print(f"{at_work.name}: {limits.what}: {slices}, {len(record['files'])} files")
            for remark in limits.remarks:
                tell(f"{at_work.name}: {remark}")
    if not made:
        raise typer.Exit(EXIT_REFUSED)


def _limits(
    at_work: AtWork,
    region: Region | None,
    start: str,
    end: str,
    structures: Structures | None,
    structure: str,
) -> Limits:
    if structures is not None:
        return _reach(at_work, structures, structure)
    findings = at_work.findings()
    if region is not None:
        return of_region(findings, region)
    found = at_work.landmarks(findings)
    return between(found.found(), start or end, end or start, found.reason)


def _reach(at_work: AtWork, structures: Structures, name: str) -> Limits:
    own = structures.within(at_work.read.header.frame_of_reference_uid)
    chosen = [s for s in own if name in ("", s.name)]
    if not chosen:
        raise Refused(f"structure {name!r} is not in the file; in it are {', '.join(s.name for s in own)}")
    return Limits(
        low_mm=min(s.low_mm for s in chosen),
        high_mm=max(s.high_mm for s in chosen),
        what=f"structure {name or 'any'}",
    )


@app.command()
def compare(
    path: SourceArgument,
    structure_file: StructureFile,
    out: OutOption,
    pair: Annotated[
        list[str] | None,
        typer.Option(
            metavar="STRUCTURE=REGION",
            help="What a structure is held against: a region or a vertebra. If not given, by equal names.",
        ),
    ] = None,
    series: SeriesOption = "",
    device: DeviceOption = "auto",
) -> None:
    """Hold predicted extents against those of an RTSTRUCT or SEG: start and end error, mm. Not for diagnosis.

    DIR gets compare.csv, compare.json and compare.svg for each volume in the structures' frame of reference.
    """
    from inference.workbench.at_work import volumes_at_work

    structures = read_structures(structure_file)
    pairs = comparing.pairs_of(structures.structures, pair or [])
    if not pairs:
        here = ", ".join(s.name for s in structures.structures)
        raise Refused(
            f"no structure is called as a region or a vertebra; give --pair; in the file are {here}"
        )
    shown = 0
    with volumes_at_work(path, series, device, tell) as volumes:
        for at_work, compared in _compared(volumes, structures, pairs):
            shown += len(compared)
            _write(compared, out / at_work.name, at_work.name)
    if not shown:
        raise typer.Exit(EXIT_REFUSED)


def _compared(
    volumes: Iterator[AtWork], structures: Structures, pairs: Mapping[str, str]
) -> Iterator[tuple[AtWork, tuple[comparing.Compared, ...]]]:
    for at_work in volumes:
        try:
            own = structures.within(at_work.read.header.frame_of_reference_uid)
            findings = at_work.findings()
        except Refused as error:
            tell(f"{at_work.name}: {error}")
            continue
        places = at_work.landmarks(findings).found()
        compared = comparing.compare(own, pairs, findings, places)
        if compared:
            yield at_work, compared
        else:
            tell(f"{at_work.name}: nothing of {', '.join(sorted(set(pairs.values())))} is found in it")


def _write(compared: tuple[comparing.Compared, ...], folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [comparing.row(one) for one in compared]
    write_whole(folder / "compare.csv", to_csv(comparing.COLUMNS, rows))
    content = {"statement": NOT_FOR_DIAGNOSIS, "compared": [asdict(one) for one in compared]}
    write_whole(folder / "compare.json", json.dumps(content, indent=1, allow_nan=False) + "\n")
    write_whole(folder / "compare.svg", comparing.plot(compared, f"Predicted and true extents, {name}"))
    table = Table(title=name, caption=NOT_FOR_DIAGNOSIS)
    for heading in comparing.COLUMNS:
        table.add_column(heading.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*map(str, row))
    Console().print(table)
