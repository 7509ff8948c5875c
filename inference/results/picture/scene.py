"""What is drawn, as data: marks at pixel positions, from the back to the front."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
from numpy.typing import NDArray

Point = tuple[float, float]  # to the right and down, px; (0, 0) is the upper left corner of the first pixel


class Ink(Enum):
    """What a colour is for; a theme says which one it is."""

    GROUND = auto()  # behind everything
    TEXT = auto()
    FAINT = auto()  # names of columns, remarks
    GRID = auto()
    ON_IMAGE = auto()  # letters over a projection
    WARNING = auto()
    T12 = auto()
    L3 = auto()
    BAND = auto()  # regions, by turns
    OTHER_BAND = auto()
    SPREAD = auto()  # of the score


class Anchor(Enum):
    """Which point of a text its position names: horizontally, then vertically (ascender or baseline)."""

    LEFT_TOP = "la"
    MIDDLE_TOP = "ma"
    RIGHT_TOP = "ra"
    LEFT_MIDDLE = "lm"
    RIGHT_MIDDLE = "rm"
    MIDDLE_MIDDLE = "mm"


@dataclass(frozen=True, kw_only=True)
class Style:
    """How a text is set."""

    size_px: int
    bold: bool = False
    ink: Ink = Ink.TEXT


@dataclass(frozen=True, kw_only=True)
class Label:
    """A line of text."""

    at: Point
    text: str
    style: Style
    anchor: Anchor = Anchor.LEFT_TOP
    halo: bool = False  # outlined in black, to be read over an image


@dataclass(frozen=True, kw_only=True)
class Stroke:
    """A line through points."""

    points: tuple[Point, ...]
    ink: Ink
    width_px: int = 1
    dash_px: tuple[int, int] | None = None  # drawn and left out, by turns; None: solid


@dataclass(frozen=True, kw_only=True)
class Area:
    """A filled polygon."""

    points: tuple[Point, ...]
    ink: Ink


@dataclass(frozen=True, kw_only=True)
class Raster:
    """Grey pixels."""

    left: int
    top: int
    grey: NDArray[np.uint8]  # (rows, columns)


Mark = Label | Stroke | Area | Raster


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A whole picture."""

    width: int  # px
    height: int  # px
    marks: tuple[Mark, ...]  # later ones cover earlier ones

    @property
    def texts(self) -> tuple[str, ...]:
        """Every text that is drawn."""
        return tuple(mark.text for mark in self.marks if isinstance(mark, Label))


def box(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    """The corners of a rectangle."""
    return ((left, top), (right, top), (right, bottom), (left, bottom))
