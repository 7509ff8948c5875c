"""The command `ctnode view`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from inference.workbench.options import OutOption, SeriesOption, SourceArgument, console, tell
from inference.workbench.windows import PRESETS, Preset
from storage.errors import CtnodeError

if TYPE_CHECKING:
    from inference.series import ReadVolume
    from inference.workbench.units import Unit

EXIT_NOTHING: Final = 2

app: Final = typer.Typer()


@app.command()
def view(
    path: SourceArgument,
    out: OutOption,
    window: Annotated[
        list[Preset] | None, typer.Option(help="May be given again; soft if not given.")
    ] = None,
    series: SeriesOption = "",
) -> None:
    """Draw each volume: three planes, along the spine, HU histogram, kernel and its evidence.

    DIR gets a folder for each volume: PNG of every plane and window, histogram.csv, and view.html with all.
    Not for diagnosis.
    """
    from inference.workbench.units import gathered, only

    drawn = 0
    with gathered(path) as found:
        for unit in only(found, series):
            if unit.contradiction:
                tell(f"{unit.key}: {unit.contradiction}")
                continue
            try:
                drawn += _drawn(unit, window or [Preset.SOFT], out)
            except CtnodeError as error:
                tell(f"{unit.key}: {error}")
    if not drawn:
        raise typer.Exit(EXIT_NOTHING)


def _drawn(unit: Unit, windows: list[Preset], out: Path) -> int:
    """How many volumes of a unit were drawn; others are told. Raises CtnodeError, OSError."""
    from inference.series import RefusedVolume
    from inference.workbench.batch_files import file_name
    from inference.workbench.volume_reports import read_volumes

    count = 0
    for read, notes in read_volumes(unit):
        if isinstance(read, RefusedVolume):
            tell(f"{unit.key} volume {read.number}: {read.reason}")
            continue
        folder = out / f"{file_name(unit.key)}.{read.volume.number}"
        _draw(read, notes, windows, folder)
        console.print(str(folder / "view.html"))
        count += 1
    return count


def _draw(read: ReadVolume, notes: tuple[str, ...], windows: list[Preset], folder: Path) -> None:
    from inference.workbench import histogram as tissue
    from inference.workbench.content import write_whole
    from inference.workbench.kernel_evidence import kernel_evidence
    from inference.workbench.mpr import along, grid_of, planes, spine_path
    from inference.workbench.png import png
    from inference.workbench.tables import to_csv
    from inference.workbench.view_page import View, view_page
    from inference.workbench.windows import windowed

    folder.mkdir(parents=True, exist_ok=True)
    grid, spine = grid_of(read.volume), spine_path(read.volume)
    pictures = planes(grid) | ({} if spine is None else along(grid, spine))
    grey = {
        (name, preset): windowed(hu, PRESETS[preset]) for preset in windows for name, hu in pictures.items()
    }
    for (name, preset), picture in grey.items():
        write_whole(folder / f"{name.replace(' ', '-')}-{preset}.png", png(picture))
    found = tissue.histogram(read.volume.voxels)
    write_whole(folder / "histogram.csv", to_csv(("from_hu", "below_hu", "voxels"), tissue.rows(found)))
    evidence = kernel_evidence(read.volume.voxels, read.header)
    shown = View(
        title=f"series {read.volume.series_instance_uid}, volume {read.volume.number}",
        geometry=read.volume.geometry,
        notes=(*read.warnings, *notes),
        pictures=grey,
        histogram=found,
        kernel=evidence,
    )
    write_whole(folder / "view.html", view_page(shown))
