"""The command `ctnode audit-tags`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from inference.report import Report
from inference.workbench.content import write_whole
from inference.workbench.options import DeviceOption, OutOption, console
from inference.workbench.tables import to_csv

if TYPE_CHECKING:
    from inference.workbench.tag_audit import Tags

EXIT_NOTHING: Final = 2

app: Final = typer.Typer()

Told = tuple[Report, "Tags"]


@app.command("audit-tags")
def audit_tags(
    out: OutOption,
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="PATH", exists=True, help="What `ctnode batch` takes; it is analysed into DIR."
        ),
    ] = None,
    ledger: Annotated[
        str, typer.Option(metavar="URL", help="Instead: what a node said, by its ledger's SQLAlchemy URL.")
    ] = "",
    idc: Annotated[
        bool, typer.Option("--idc", help="Instead: the text of the Imaging Data Commons' index (extra idc).")
    ] = False,
    device: DeviceOption = "auto",
) -> None:
    """Hold body part, contrast and orientation tags against the pixels: what is missing, vague, contradicted.

    DIR gets tags.csv and tags.html; with --idc, idc.csv and idc.html. Not for diagnosis.
    """
    from inference.workbench.tag_audit import COLUMNS, Tag, audit, row, verdict_counts
    from inference.workbench.tag_page import tag_page

    if (path is not None) + bool(ledger) + idc != 1:
        raise typer.BadParameter("one of PATH, --ledger and --idc is needed")
    out.mkdir(parents=True, exist_ok=True)
    if idc:
        _idc(out)
        return
    told = list(_of_ledger(ledger) if path is None else _of_path(path, out, device))
    audited = [audit(report, tags) for report, tags in told if report["eligible"]]
    if not told:
        console.print("no CT found")
        raise typer.Exit(EXIT_NOTHING)
    write_whole(out / "tags.csv", to_csv(COLUMNS, [row(one) for one in audited]))
    write_whole(out / "tags.html", tag_page(audited, len(told) - len(audited)))
    for tag in Tag:
        counts = ", ".join(f"{n} {verdict}" for verdict, n in verdict_counts(audited, tag).items())
        console.print(f"{tag.value}: {counts or 'nothing'}")


def _of_path(path: Path, out: Path, device: str) -> Iterator[Told]:
    """Analysed as a batch, without pictures; what an earlier run did is not done again. NIfTI has no tags."""
    from inference.workbench.batch import BatchSettings, run_batch
    from inference.workbench.batch_files import Layout, read_reports
    from inference.workbench.progress import Bar

    cores = len(os.sched_getaffinity(0))
    settings = BatchSettings(
        path=path, out=out, jobs=cores, threads=1, device=device, pictures=False, limit_s=1800.0
    )
    with Bar(Console(stderr=True)) as bar:
        run_batch(settings, bar)
    layout = Layout(root=out)
    for entry in json.loads((out / "index.json").read_text(encoding="utf-8")):
        key = entry["key"]
        if key.startswith("nifti-") or entry["failure"]:
            continue
        tags = {t["volume"]: _tags(t) for t in json.loads(layout.tags(key).read_text(encoding="utf-8"))}
        yield from ((report, tags[report["volume"]]) for report in read_reports(layout.report(key)))


def _tags(told: dict[str, Any]) -> Tags:
    from inference.workbench.tag_audit import Tags

    return Tags(
        body_part=told["BodyPartExamined"],
        contrast=told["ContrastBolusAgent"],
        manufacturer=told["Manufacturer"],
    )


def _of_ledger(url: str) -> Sequence[Told]:
    from inference.workbench.tag_audit import Tags
    from storage.analyses import newest
    from storage.ledger import Ledger

    with Ledger(url).reading() as connection:
        return [
            (
                one.report | {"eligible": one.eligible},
                Tags(
                    body_part=one.header.body_part_examined,
                    contrast=one.header.contrast_bolus_agent,
                    manufacturer=one.header.manufacturer,
                ),
            )
            for one in newest(connection)
        ]


def _idc(out: Path) -> None:
    from inference.workbench.idc_audit import idc_page, installed_index
    from inference.workbench.tag_terms import TermKind

    found = installed_index()
    write_whole(out / "idc.html", idc_page(found))
    rows = [(maker, *(own.get(k.value, 0) for k in TermKind)) for maker, own in found.makers.items()]
    write_whole(out / "idc.csv", to_csv(("manufacturer", *TermKind), rows))
    share = 100 * found.missing_outside_nlst
    console.print(
        f"index {found.index_version}: {found.series} CT series, {found.series_outside_nlst} outside NLST"
    )
    console.print(f"without Body Part Examined outside NLST: {share:.1f} %")
