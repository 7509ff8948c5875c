"""The page of one volume: planes in their windows, geometry, kernel, HU histogram. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray

from inference.report import NOT_FOR_DIAGNOSIS
from inference.volume import Geometry
from inference.workbench import histogram as tissue
from inference.workbench.histogram import Histogram
from inference.workbench.kernel_evidence import KernelEvidence
from inference.workbench.mpr import GRID_MM
from inference.workbench.page import Column, page_of, section, table
from inference.workbench.png import data_uri
from inference.workbench.windows import PRESETS, Preset

TISSUE_COLUMNS: Final = (Column("range"), Column("% of voxels", number=True))


@dataclass(frozen=True, kw_only=True)
class View:
    """What is shown."""

    title: str
    geometry: Geometry
    notes: tuple[str, ...]  # what was repaired, what cannot be told
    pictures: Mapping[tuple[str, Preset], NDArray[np.uint8]]  # plane and window -> grey, (rows, columns)
    histogram: Histogram
    kernel: KernelEvidence


def view_page(view: View) -> str:
    """The page."""
    notes = "".join(f"<li>{escape(note)}</li>" for note in view.notes)
    shares = [[name, f"{100 * share:.2f}"] for name, share in view.histogram.shares.items()]
    return page_of(
        view.title,
        [
            f"<p>{escape(_geometry(view.geometry))} {NOT_FOR_DIAGNOSIS}.</p><ul>{notes}</ul>",
            f"<p>{escape(view.kernel.words())}</p>",
            *(
                section(_heading(preset), _plots(view, preset))
                for preset in dict.fromkeys(p for _, p in view.pictures)
            ),
            section("HU histogram", tissue.picture(view.histogram)),
            section("Tissue", table("tissue", TISSUE_COLUMNS, shares)),
        ],
    )


def _geometry(g: Geometry) -> str:
    rows_mm, columns_mm = g.pixel_spacing_mm
    return (
        f"{len(g.slices)} slices of {g.rows} x {g.columns} pixels, {rows_mm:g} x {columns_mm:g} mm, "
        f"{g.spacing_mm:g} mm apart{'' if g.regular else ' on average'}, tilt {g.tilt_deg:.1f} degrees. "
        f"Pictures have pixels of {GRID_MM:g} mm; their left is the patient's right (axial, coronal) "
        "or front (sagittal)."
    )


def _heading(preset: Preset) -> str:
    window = PRESETS[preset]
    return f"Window {preset}: centre {window.centre_hu:g}, width {window.width_hu:g} HU"


def _plots(view: View, preset: Preset) -> str:
    shown = [(name, grey) for (name, own), grey in view.pictures.items() if own is preset]
    figures = "".join(
        f"<figure><img src='{data_uri(grey)}' alt='{escape(name)}, {escape(preset)} window' "
        f"width='{grey.shape[1]}' height='{grey.shape[0]}'><figcaption>{escape(name)}</figcaption></figure>"
        for name, grey in shown
    )
    return f"<div class='plots'>{figures}</div>"
