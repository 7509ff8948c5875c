"""Options and arguments that the workbench's commands have in common."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

console: Final = Console(stderr=True, markup=False, highlight=False, soft_wrap=True)

SourceArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PATH",
        exists=True,
        help="A folder searched to any depth, a DICOM or NIfTI file, a DICOMDIR, or a zip archive.",
    ),
]
OutOption = Annotated[
    Path,
    typer.Option("--out", file_okay=False, metavar="DIR", help="Where to write; made if it is not there."),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, or cuda:N.")]
SeriesOption = Annotated[
    str, typer.Option(metavar="UID", help="This series alone, by its Series Instance UID.")
]


def tell(words: str) -> None:
    """A line on standard error: what was passed over, and why."""
    console.print(words)
