"""The command `ctnode evaluate`.

Exit codes: 0 measured, whatever the goals; 1 the data set holds no truths; 2 a wrong option.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.table import Table

from inference.evaluation.card import write_card
from inference.evaluation.csv_tables import write_csv_tables
from inference.evaluation.failures import failures, shortened
from inference.evaluation.learning import FIGURES, Point, learning_curves
from inference.evaluation.measure import Analyse, Figures, Only, evaluate
from inference.evaluation.records import check_dataset
from inference.evaluation.serial import write_figures
from inference.evaluation.tables import DERIVED, MISSED, goal_words, measured_words
from inference.models.product import PRODUCT, WeightsFiles
from storage.errors import ConfigError

CASES: Final = "cases.txt"
"""One line a case: what was said, and how far it is right."""

NO_PICTURES: Final = "no pictures: `pip install ctnode[evaluate]` brings matplotlib, which draws them"

WeightsOption = Annotated[
    Path, typer.Option(exists=True, dir_okay=False, show_default="the product's", help="Weights to measure.")
]


def evaluate_app(analyser: Callable[[str, WeightsFiles], Analyse]) -> typer.Typer:
    """The command, with what it measures.

    Args:
        analyser: given a device and weights, what analyses each case with models that have not learnt from
            its patient. Called when the command runs, so that torch is loaded then.
    """
    app = typer.Typer()

    @app.command("evaluate")
    def command(
        dataset: Annotated[
            Path,
            typer.Argument(
                exists=True,
                file_okay=False,
                help="A data set with truths: catalog.csv, series.csv, landmarks.csv, priors/, and volumes as"
                " .npz in volumes/, head_neck/, labelled/. DICOM without truths cannot be measured.",
            ),
        ],
        out: Annotated[
            Path | None,
            typer.Option(file_okay=False, metavar="DIR", help="Figures, cases, tables and pictures go here."),
        ] = None,
        only: Annotated[
            list[Only] | None, typer.Option(help="Measure this part alone; may be given again.")
        ] = None,
        card: Annotated[
            Path | None,
            typer.Option(
                exists=True, file_okay=False, metavar="DIR", help="Folder of weights to write the card of."
            ),
        ] = None,
        runs: Annotated[
            Path | None,
            typer.Option(
                exists=True, file_okay=False, metavar="DIR", help="Runs of which learning curves are made."
            ),
        ] = None,
        score: WeightsOption = PRODUCT.score,
        levels: WeightsOption = PRODUCT.levels,
        series: WeightsOption = PRODUCT.series,
        device: Annotated[str, typer.Option(help="auto, cpu, cuda, or cuda:N.")] = "auto",
    ) -> None:
        """Measure the models on DATASET, and mark every goal that is missed. Not for diagnosis."""
        if card is not None and only:
            raise typer.BadParameter("a card is of the whole data set: leave out --only", param_hint="--card")
        files = WeightsFiles(score=score, levels=levels, series=series)
        if card is not None and any(p.parent.resolve() != card.resolve() for p in (score, levels, series)):
            raise typer.BadParameter("a card is of the weights that lie beside it", param_hint="--card")
        check_dataset(dataset)
        learning = () if runs is None else learning_curves(runs)
        console = Console()
        lines: list[str] = []
        say = _both(
            lines.append, lambda line: console.print(line, markup=False, highlight=False, style="dim")
        )
        figures = evaluate(dataset, analyser(device, files), say, frozenset(only or Only))
        console.print(figures_table(figures))
        console.print(*summary(figures), sep="\n", markup=False, highlight=False)
        if out is not None:
            _write(figures, lines, dataset, out, learning, console)
        if card is not None:
            write_card(figures, card, learning)

    return app


def _both(first: Callable[[str], None], second: Callable[[str], None]) -> Callable[[str], None]:
    def say(line: str) -> None:
        first(line)
        second(line)

    return say


def figures_table(figures: Figures) -> Table:
    """Every figure that has a value or a goal; each kind of cases by itself."""
    table = Table(
        "cases", "output", "figure", "goal", "measured (95 %)", title="Not for diagnosis; research software"
    )
    kind = None
    for f in figures.figures:
        if f.value is None and f.goal is None:
            continue
        if f.kind is not kind and kind is not None:
            table.add_section()
        kind = f.kind
        words = measured_words(f).replace(f"**{MISSED}**", f"[bold red]{MISSED}[/]")
        table.add_row(f.kind.value, f.output, f.name, goal_words(f), words)
    return table


def summary(figures: Figures) -> list[str]:
    """What failed, in lines: missed goals, goals without a measurement, and wrong cases."""
    judged = [f for f in figures.figures if f.goal is not None]
    lines = [f"{len(figures.measured)} cases; {len(judged)} goals, {len(figures.missed)} missed"]
    lines += [f"{MISSED}: {f.name} ({f.kind}): {goal_words(f)} wanted" for f in figures.missed]
    lines += [f"NOT MEASURED: {f.name} ({f.kind})" for f in judged if f.value is None]
    wrong = failures(m for m in figures.measured if m.case.kind not in DERIVED)
    return lines + [f"{name} ({len(cases)}): {shortened(cases)}" for name, cases in wrong.items()]


def _write(
    figures: Figures,
    lines: list[str],
    dataset: Path,
    out: Path,
    learning: tuple[Point, ...],
    console: Console,
) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{out} cannot be made: {error.strerror}") from error
    write_figures(out / FIGURES, figures.figures)
    write_csv_tables(figures.measured, dataset, out)
    (out / CASES).write_text("\n".join(lines) + "\n", encoding="utf-8")
    if find_spec("matplotlib") is None:
        console.print(NO_PICTURES, markup=False)
        return
    from inference.evaluation.plots import draw_all  # matplotlib is an extra

    draw_all(figures.measured, out, learning)
