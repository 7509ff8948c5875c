"""A scene as pixels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil, dist, floor
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from inference.results.picture.fonts import font
from inference.results.picture.scene import Area, Ink, Label, Point, Raster, Scene, Stroke

Colour = tuple[int, int, int]
Theme = Mapping[Ink, Colour]

SCREEN: Final[Theme] = {
    Ink.GROUND: (0, 0, 0),
    Ink.TEXT: (236, 236, 236),
    Ink.FAINT: (165, 165, 165),
    Ink.GRID: (62, 62, 62),
    Ink.ON_IMAGE: (236, 236, 236),
    Ink.WARNING: (255, 200, 70),
    Ink.T12: (86, 190, 255),
    Ink.L3: (255, 165, 40),
    Ink.BAND: (96, 122, 158),
    Ink.OTHER_BAND: (150, 140, 110),
    Ink.SPREAD: (70, 78, 92),
}
"""For viewers, which are dark. T12 and L3 are told apart with any kind of colour vision (blue, orange)."""

PAPER: Final[Theme] = {
    **SCREEN,
    Ink.GROUND: (255, 255, 255),
    Ink.TEXT: (20, 20, 20),
    Ink.FAINT: (95, 95, 95),
    Ink.GRID: (205, 205, 205),
    Ink.WARNING: (160, 70, 0),
    Ink.T12: (20, 130, 210),
    Ink.L3: (222, 105, 0),
    Ink.SPREAD: (215, 222, 232),
}
"""For paper, which is white."""

FINER: Final = 4
"""Slanting edges are drawn so much larger, then averaged."""

HALO_PX: Final = 2


def drawn(scene: Scene, theme: Theme) -> NDArray[np.uint8]:
    """(height, width, 3), RGB. The same scene gives the same pixels."""
    image = Image.new("RGB", (scene.width, scene.height), theme[Ink.GROUND])
    for mark in scene.marks:
        match mark:
            case Raster():
                image.paste(Image.fromarray(mark.grey).convert("RGB"), (mark.left, mark.top))
            case Label():
                _label(image, mark, theme)
            case Stroke():
                _stroke(image, mark, theme)
            case Area():
                _fill(image, [mark.points], theme[mark.ink])
    return np.asarray(image, dtype=np.uint8)


def _label(image: Image.Image, mark: Label, theme: Theme) -> None:
    ImageDraw.Draw(image).text(
        mark.at,
        mark.text,
        font=font(mark.style.size_px, bold=mark.style.bold),
        fill=theme[mark.style.ink],
        anchor=mark.anchor.value,
        stroke_width=HALO_PX if mark.halo else 0,
        stroke_fill=(0, 0, 0),
    )


def _stroke(image: Image.Image, mark: Stroke, theme: Theme) -> None:
    """Level and upright lines lie on whole pixels; slanting ones are smooth."""
    for first, last in _dashes(mark):
        if first[0] == last[0] or first[1] == last[1]:
            ImageDraw.Draw(image).rectangle(_rows_and_columns(first, last, mark.width_px), theme[mark.ink])
        else:
            _fill(image, [_thick(first, last, mark.width_px)], theme[mark.ink])


def _dashes(mark: Stroke) -> Iterator[tuple[Point, Point]]:
    for first, last in zip(mark.points, mark.points[1:], strict=False):
        length = dist(first, last)
        on, off = mark.dash_px or (length, 0)
        start = 0.0
        while start < length:
            yield _between(first, last, start / length), _between(first, last, min((start + on) / length, 1))
            start += on + off


def _between(first: Point, last: Point, share: float) -> Point:
    x, y = (a if a == b else a + (b - a) * share for a, b in zip(first, last, strict=True))
    return x, y


def _rows_and_columns(first: Point, last: Point, width: int) -> list[int]:
    """The pixels of a level or upright line, ends included; its middle is as near to the line as can be."""
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(first, last, strict=True))
    if top == bottom:
        row = round(top - width / 2)
        return [floor(left), row, max(ceil(right) - 1, floor(left)), row + width - 1]
    column = round(left - width / 2)
    return [column, floor(top), column + width - 1, max(ceil(bottom) - 1, floor(top))]


def _thick(first: Point, last: Point, width: int) -> tuple[Point, ...]:
    length = dist(first, last)
    aside = (last[1] - first[1]) / length * width / 2, (first[0] - last[0]) / length * width / 2
    (a, b), (c, d), (x, y) = first, last, aside
    return (a + x, b + y), (c + x, d + y), (c - x, d - y), (a - x, b - y)


def _fill(image: Image.Image, polygons: list[tuple[Point, ...]], colour: Colour) -> None:
    columns = [x for points in polygons for x, _ in points]
    rows = [y for points in polygons for _, y in points]
    left, top = max(floor(min(columns)), 0), max(floor(min(rows)), 0)
    right, bottom = min(ceil(max(columns)), image.width), min(ceil(max(rows)), image.height)
    if right <= left or bottom <= top:
        return
    size = (right - left, bottom - top)
    mask = Image.new("L", (size[0] * FINER, size[1] * FINER))
    pen = ImageDraw.Draw(mask)
    for points in polygons:
        # a pixel of the mask is drawn where its middle lies inside: half a one is taken off
        pen.polygon([((x - left) * FINER - 0.5, (y - top) * FINER - 0.5) for x, y in points], fill=255)
    image.paste(colour, (left, top, right, bottom), mask.resize(size, Image.Resampling.BOX))
