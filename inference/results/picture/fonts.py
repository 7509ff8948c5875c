"""The fonts: Bitstream Vera, which comes with reportlab under its own permissive licence."""

from __future__ import annotations

from functools import cache
from importlib.resources import as_file, files
from typing import Final

from PIL import ImageFont

from inference.results.picture.scene import Style

REGULAR: Final = "Vera.ttf"
BOLD: Final = "VeraBd.ttf"


@cache
def font(size_px: int, *, bold: bool) -> ImageFont.FreeTypeFont:
    """A font for the picture."""
    with as_file(files("reportlab") / "fonts" / (BOLD if bold else REGULAR)) as path:
        # basic layout: the other one is a library that may be absent, and would set text otherwise
        return ImageFont.truetype(path, size_px, layout_engine=ImageFont.Layout.BASIC)


def width_px(text: str, style: Style) -> float:
    """How wide a line of text is."""
    return float(font(style.size_px, bold=style.bold).getlength(text))
