"""The overlay of one volume: projections with region bands, levels, and the score curve, as one SVG picture.

What it says is said in words and places: colour carries nothing.
"""

from __future__ import annotations

from typing import Final

from inference.findings import Findings, LevelFinding, Presence, RegionExtent
from inference.report import NOT_FOR_DIAGNOSIS
from inference.workbench import svg
from inference.workbench.png import data_uri
from inference.workbench.projections import GRID_MM, Projections, grey

TOP: Final = 46.0
"""Above the pictures, px; 1 px is 1 mm."""

LEFT: Final = 60.0
"""For the scale of z."""

BAND: Final = 66.0
"""Width of one region's band."""

CURVE: Final = 220.0
"""Width of the score curve."""

GAP: Final = 14.0

TICK_MM: Final = 50.0

SCORES: Final = (-25.0, 125.0)
"""Of the curve's frame."""


def overlay(projections: Projections, findings: Findings, title: str) -> str:
    """The picture."""
    rows = projections.frontal_hu.shape[0]
    height = rows * GRID_MM
    frontal, sagittal = (v.shape[1] * GRID_MM for v in (projections.frontal_hu, projections.sagittal_hu))
    at_sagittal = LEFT + frontal + GAP
    at_bands = at_sagittal + sagittal + GAP
    at_curve = at_bands + len(findings.body_part.regions) * BAND + GAP
    frame = _Frame(top_mm=projections.top_mm, height=height)
    parts = [
        svg.hatches("region"),
        svg.text(LEFT, 16, title, extra="font-weight='bold'"),
        svg.text(LEFT, 34, _summary(findings)),
        *frame.scale(),
        svg.image(LEFT, TOP, frontal, height, data_uri(grey(projections.frontal_hu))),
        svg.image(at_sagittal, TOP, sagittal, height, data_uri(grey(projections.sagittal_hu))),
        *(_band(n, r, frame, at_bands) for n, r in enumerate(findings.body_part.regions)),
        *_curve(findings, frame, at_curve),
        *_level("T12", findings.t12, frame, at_curve + CURVE),
        *_level("L3", findings.l3, frame, at_curve + CURVE),
        svg.text(LEFT, TOP + height + 30, f"frontal and sagittal projection of bone. {NOT_FOR_DIAGNOSIS}"),
    ]
    return svg.drawing(at_curve + CURVE + 150, TOP + height + 40, title, parts)


class _Frame:
    """Where a height of the patient is drawn."""

    def __init__(self, *, top_mm: float, height: float) -> None:
        self.top_mm = top_mm
        self.height = height

    def y(self, z_mm: float) -> float:
        """Of a height; what lies beyond the picture is drawn at its edge."""
        return TOP + min(max((self.top_mm - z_mm) / GRID_MM, 0.0), self.height)

    def scale(self) -> list[str]:
        """z in mm, beside the pictures."""
        first = int(self.top_mm // TICK_MM) * TICK_MM
        count = int((first - (self.top_mm - self.height * GRID_MM)) // TICK_MM) + 1
        ticks = [svg.text(4, TOP - 6, "z, mm")]
        for n in range(max(count, 0)):
            z = first - n * TICK_MM
            ticks.append(svg.line(LEFT - 8, self.y(z), LEFT, self.y(z)))
            ticks.append(svg.text(LEFT - 12, self.y(z) + 4, f"{z:.0f}", anchor="end"))
        return ticks


def _summary(findings: Findings) -> str:
    part, contrast = findings.body_part, findings.contrast
    return (
        f"{part.value} ({part.confidence:.2f}), {findings.axis.value}, "
        f"intravenous contrast: {contrast.value} ({contrast.confidence:.2f})"
    )


def _band(n: int, region: RegionExtent, frame: _Frame, left: float) -> str:
    x = left + n * BAND
    ends = sorted((frame.y(region.start_mm), frame.y(region.end_mm)))
    middle = sum(ends) / 2
    box = svg.rectangle(x, ends[0], BAND - 6, ends[1] - ends[0], fill=svg.hatch("region", n))
    ground = svg.rectangle(x + 4, middle - 9, BAND - 14, 14, fill="#ffffff", stroke="none")
    return box + ground + svg.text(x + BAND / 2 - 3, middle + 2, region.region.value, anchor="middle")


def _curve(findings: Findings, frame: _Frame, left: float) -> list[str]:
    low, high = SCORES
    parts = [svg.rectangle(left, TOP, CURVE, frame.height, stroke=svg.PALE)]

    def x(score: float) -> float:
        return left + CURVE * (min(max(score, low), high) - low) / (high - low)

    for score in (0, 50, 100):
        parts.append(svg.line(x(score), TOP, x(score), TOP + frame.height, stroke=svg.PALE, dash="2 3"))
        parts.append(svg.text(x(score), TOP + frame.height + 14, str(score), anchor="middle"))
    parts.append(svg.text(left + CURVE / 2, TOP - 6, "slice score", anchor="middle"))
    scores = sorted(findings.slice_scores, key=lambda s: s.z_mm)
    if len(scores) > 1:
        up = [(x(s.score + (s.sd or 0)), frame.y(s.z_mm)) for s in scores]
        down = [(x(s.score - (s.sd or 0)), frame.y(s.z_mm)) for s in reversed(scores)]
        parts.append(svg.path([*up, *down], stroke="none", fill="#dfe7ef"))
        parts.append(svg.path([(x(s.score), frame.y(s.z_mm)) for s in scores]))
    else:
        parts.append(svg.text(left + CURVE / 2, TOP + 20, "no scores of slices", anchor="middle"))
    return parts


def _level(name: str, level: LevelFinding, frame: _Frame, right: float) -> list[str]:
    if level.presence is not Presence.FOUND or level.z_mm is None:
        at = TOP + frame.height + (14 if name == "T12" else 28)
        return [svg.text(right + 6, at, f"{name}: {level.presence}")]
    y = frame.y(level.z_mm)
    where = "" if level.slice_index is None else f", slice {level.slice_index}"
    return [
        svg.line(LEFT, y, right, y, stroke=svg.MARK, dash="7 3" if name == "T12" else "2 2", width=1.5),
        svg.text(right + 6, y + 4, f"{name} {level.z_mm:.0f} mm{where}"),
        svg.text(right + 6, y + 17, f"confidence {level.confidence:.2f}"),
    ]
