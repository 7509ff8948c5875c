"""The findings of one volume as a picture that is read at a glance. Not for diagnosis; research software.

From the scene (what is drawn, as data) to pixels: `statements` has the words, `views` the projections,
`layout` the places, `panels` and `prose` the marks, `draw` the pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.findings import Findings
from inference.results.picture.draw import PAPER, SCREEN, Theme, drawn
from inference.results.picture.fonts import width_px
from inference.results.picture.layout import WIDTH, Chart, chart_of
from inference.results.picture.levels import level_lines
from inference.results.picture.panels import (
    projections,
    region_bands,
    rows_of_names,
    score_curve,
)
from inference.results.picture.prose import FOOTER, findings_and_doubts, footing, heading
from inference.results.picture.scene import Mark, Scene
from inference.results.picture.views import Views, views_of
from inference.results.records import Provenance
from inference.results.statements import statements_of
from inference.volume import Volume

__all__ = ["PAPER", "SCREEN", "Theme", "chart_scene", "drawn", "picture", "picture_scene"]

MOST_ROWS: Final = 900
"""1024 x 900 pixels in RGB and the references to 600 slices are 3 MB."""

TEXT_ROWS: Final = 360
"""At most for findings and doubts: the projections get the rest."""

PAPER_ROWS: Final = 720
"""At most for a chart that stands alone."""

BETWEEN: Final = 14
"""Rows between chart and texts."""


def picture(
    volume: Volume, findings: Findings, provenance: Provenance, image_names: Sequence[str] = ()
) -> NDArray[np.uint8] | None:
    """Draw the findings over projections of the volume.

    Args:
        volume: that the findings are of.
        findings: of the volume.
        provenance: of the results.
        image_names: what a reader calls each slice, in slice order (`statements.image_names_of`); empty where
            that is not known.

    Returns:
        (rows, 1024, 3), RGB, at most MOST_ROWS rows, the same for the same arguments; None of a volume that
        has no thickness. No patient data is drawn.
    """
    scene = picture_scene(volume, findings, provenance, image_names)
    return None if scene is None else drawn(scene, SCREEN)


def picture_scene(
    volume: Volume, findings: Findings, provenance: Provenance, image_names: Sequence[str] = ()
) -> Scene | None:
    """What `picture` draws, with every text."""
    views = views_of(volume)
    if views is None:
        return None
    said = statements_of(volume, findings, provenance, image_names)
    top = heading(said)
    texts = findings_and_doubts(said, 0, TEXT_ROWS, width_px).rows
    rows = MOST_ROWS - top.rows - 2 * BETWEEN - texts - FOOTER
    chart = _chart(views, findings, top=top.rows, rows=rows)
    body = findings_and_doubts(said, chart.end + BETWEEN, TEXT_ROWS, width_px)
    bottom = footing(said, chart.end + 2 * BETWEEN + body.rows)
    marks = (*top.marks, *_marks(views, findings, image_names, chart), *body.marks, *bottom.marks)
    return Scene(width=WIDTH, height=chart.end + 2 * BETWEEN + body.rows + bottom.rows, marks=marks)


def chart_scene(volume: Volume, findings: Findings, image_names: Sequence[str] = ()) -> Scene | None:
    """The chart alone, for a page that has the words beside it; None of a volume that has no thickness."""
    views = views_of(volume)
    if views is None:
        return None
    chart = _chart(views, findings, top=0, rows=PAPER_ROWS)
    return Scene(width=WIDTH, height=chart.end, marks=_marks(views, findings, image_names, chart))


def _chart(views: Views, findings: Findings, *, top: int, rows: int) -> Chart:
    least, scored = rows_of_names(findings), bool(findings.slice_scores)
    return chart_of(views, top=top, rows=rows, least=least, scored=scored)


def _marks(views: Views, findings: Findings, image_names: Sequence[str], chart: Chart) -> tuple[Mark, ...]:
    return (
        *region_bands(findings, chart),
        *projections(views, findings, chart),
        *score_curve(findings.slice_scores, chart),
        *level_lines(views, findings, image_names, chart),
    )
