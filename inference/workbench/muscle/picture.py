"""The slice with exactly the pixels that were counted, as one SVG picture. Pure.

The three parts are told by the direction of their hatch and in words: colour carries nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from inference.report import NOT_FOR_DIAGNOSIS
from inference.workbench import svg
from inference.workbench.muscle.measure import Counted
from inference.workbench.muscle.records import MuscleFinding
from inference.workbench.muscle.standard import Mask
from inference.workbench.png import data_uri
from inference.workbench.windows import PRESETS, Preset, windowed

TOP: Final = 76.0
FOOT: Final = f"The patient's right is on the left. Experimental. {NOT_FOR_DIAGNOSIS}"
GAP: Final = 14.0
LINE: Final = 16.0

HATCH: Final = {"wall": "M0,5 l5,-5", "psoas": "M0,2.5 h5", "back": "M0,0 l5,5"}
INKS: Final = {"wall": "#ffd24d", "psoas": "#7fe0ff", "back": "#ff9d8a"}
NAMES: Final = {"wall": "abdominal wall", "psoas": "beside the vertebra", "back": "behind the vertebra"}


def picture(counted: Counted, finding: MuscleFinding, title: str) -> str:
    """The slice beside itself with the counted pixels; 1 px is 1 mm."""
    rows, columns = counted.hu.shape
    width, height = columns * counted.way.x_mm, rows * counted.way.y_mm
    grey = data_uri(windowed(counted.hu, PRESETS[Preset.SOFT]))
    right = width + GAP
    parts = [
        _patterns(),
        svg.text(4, 16, title, extra="font-weight='bold'"),
        *(svg.text(4, 16 + LINE * n, words) for n, words in enumerate(_words(finding), start=1)),
        svg.image(0, TOP, width, height, grey),
        svg.image(right, TOP, width, height, grey),
        *(_layer(name, part, counted, right) for name, part in counted.parts.items()),
        *_legend(finding, TOP + height + LINE),
        svg.text(
            4,
            TOP + height + 3 * LINE,
            FOOT,
        ),
    ]
    return svg.drawing(2 * width + GAP, TOP + height + 4 * LINE, title, parts)


def _words(finding: MuscleFinding) -> list[str]:
    index = finding.index_cm2_per_m2
    by_height = "index not known" if index is None else f"index {index:.1f} cm²/m² at {finding.height_m:g} m"
    thickness = finding.slice_thickness_mm
    thick = "not stated" if thickness is None else f"{thickness:g} mm"
    return [
        f"skeletal muscle {finding.area_cm2:.1f} cm², mean {finding.mean_hu:.1f} HU, {by_height}",
        f"slice {finding.slice_index} at z {finding.z_mm:.1f} mm; slice thickness {thick}, spacing "
        f"{finding.spacing_mm:g} mm, {finding.averaged_slices} averaged",
        f"L3 with confidence {finding.l3_confidence:.2f}; counted: -29 to 150 HU in the hatched pixels",
    ]


def _patterns() -> str:
    made = "".join(
        f"<pattern id='muscle-{name}' width='5' height='5' patternUnits='userSpaceOnUse'>"
        f"<rect width='5' height='5' fill='{INKS[name]}' fill-opacity='0.3'/>"
        f"<path d='{way}' stroke='{INKS[name]}' stroke-width='0.9'/></pattern>"
        for name, way in HATCH.items()
    )
    return f"<defs>{made}</defs>"


def _layer(name: str, part: Mask, counted: Counted, left: float) -> str:
    """The pixels of one part: each run of a row is a rectangle, in units of pixels."""
    scale = f"translate({left:g} {TOP:g}) scale({counted.way.x_mm:.6g} {counted.way.y_mm:.6g})"
    clip = f"<clipPath id='clip-{name}'><path transform='{scale}' d='{runs(part)}'/></clipPath>"
    rows, columns = part.shape
    size = f"width='{columns * counted.way.x_mm:.1f}' height='{rows * counted.way.y_mm:.1f}'"
    fill = f"fill='url(#muscle-{name})' clip-path='url(#clip-{name})'"
    return f"{clip}<rect x='{left:g}' y='{TOP:g}' {size} {fill}/>"


def runs(part: Mask) -> str:
    """A path around every run of pixels in every row."""
    padded = np.pad(part, ((0, 0), (1, 1))).astype(np.int8)
    change = np.diff(padded, axis=1)
    made = []
    for row in np.flatnonzero(part.any(1)):
        starts, ends = np.flatnonzero(change[row] == 1), np.flatnonzero(change[row] == -1)
        made += [f"M{a} {row}h{b - a}v1h{a - b}z" for a, b in zip(starts, ends, strict=True)]
    return "".join(made)


def _legend(finding: MuscleFinding, y: float) -> list[str]:
    areas = {"wall": finding.wall_cm2, "psoas": finding.psoas_cm2, "back": finding.back_cm2}
    made = []
    for n, (name, area) in enumerate(areas.items()):
        x = 4 + n * 190
        made.append(svg.rectangle(x, y - 10, 14, 12, fill="#444444"))
        made.append(svg.rectangle(x, y - 10, 14, 12, fill=f"url(#muscle-{name})"))
        made.append(svg.text(x + 20, y, f"{NAMES[name]} {area:.1f} cm²"))
    return made
