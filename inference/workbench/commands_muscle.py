"""The command `ctnode muscle`."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from inference.report import NOT_FOR_DIAGNOSIS
from inference.workbench.options import DeviceOption, OutOption, SeriesOption, SourceArgument, console, tell
from storage.errors import CtnodeError

if TYPE_CHECKING:
    from inference.workbench.at_work import AtWork
    from inference.workbench.muscle.records import MuscleFinding

EXIT_NOTHING: Final = 2

app: Final = typer.Typer()


@app.command()
def muscle(
    path: SourceArgument, out: OutOption, series: SeriesOption = "", device: DeviceOption = "auto"
) -> None:
    """Skeletal muscle in the slice of L3: area, attenuation, index. Experimental; not for diagnosis.

    DIR gets muscle.csv with a line for each volume, and for each a JSON and, where it was measured, a picture
    of the pixels that were counted. What is not sure is "undetermined", with its reason.
    """
    from inference.workbench.at_work import volumes_at_work
    from inference.workbench.content import write_whole
    from inference.workbench.tables import to_csv

    out.mkdir(parents=True, exist_ok=True)
    rows: list[tuple[object, ...]] = []
    with volumes_at_work(path, series, device, tell) as volumes:
        for each in volumes:
            try:
                finding = _measured(each, out)
            except CtnodeError as error:
                tell(f"{each.unit.key} volume {each.read.volume.number}: {error}")
                continue
            rows.append(_row(each, finding))
            told = finding.reason or f"{finding.area_cm2:.1f} cm², {finding.mean_hu:.1f} HU"
            console.print(f"{each.unit.key} volume {each.read.volume.number}: {finding.state}, {told}")
    if not rows:
        raise typer.Exit(EXIT_NOTHING)
    write_whole(out / "muscle.csv", to_csv(_columns(), rows))


def _measured(each: AtWork, out: Path) -> MuscleFinding:
    """Measure one volume and write its files."""
    from inference.workbench.batch_files import strict
    from inference.workbench.content import write_whole
    from inference.workbench.muscle.height import height_m
    from inference.workbench.muscle.measure import measure, with_height
    from inference.workbench.muscle.picture import picture

    read = each.read
    made = measure(read.volume, each.findings(), read.header)
    finding = with_height(made.finding, *height_m(each.unit.files[0]))
    if made.counted is not None:
        title = f"L3 of series {each.unit.key}, volume {read.volume.number}"
        write_whole(out / f"{each.name}.muscle.svg", picture(made.counted, finding, title))
    said: dict[str, Any] = {"series_instance_uid": each.unit.key, "volume": read.volume.number}
    write_whole(
        out / f"{each.name}.muscle.json", strict(said | asdict(finding) | {"notice": NOT_FOR_DIAGNOSIS})
    )
    return finding


def _columns() -> tuple[str, ...]:
    from inference.workbench.muscle.records import MuscleFinding

    return ("series_instance_uid", "volume", *(f.name for f in fields(MuscleFinding)), "notice")


def _row(each: AtWork, finding: MuscleFinding) -> tuple[object, ...]:
    values = [_cell(value) for value in asdict(finding).values()]
    return (each.unit.key, each.read.volume.number, *values, NOT_FOR_DIAGNOSIS)


def _cell(value: Any) -> object:
    if isinstance(value, tuple):
        return "; ".join(str(part) for part in value)
    return "" if value is None else value
