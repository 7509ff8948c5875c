"""What a reconstruction kernel is made for, by its name in the header (0018,1210).

Vendors name kernels freely; a name that is not understood, or that sources class differently (GE DETAIL,
Philips D, Siemens B45), is None. Sources: Siemens SOMATOM operating instructions (B10 extremely soft to B80
sharp; Bl lung; H head, U ultra high resolution; 4 % sharper each step), the National Lung Screening Trial's
filter codes, and public kernel tables of body-composition software.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Final


class Kernel(StrEnum):
    """What the images are made to show."""

    SOFT = "soft"  # soft tissue, brain
    BONE = "bone"
    LUNG = "lung"
    SHARP = "sharp"  # bone in a spine, lung in a chest


_GE: Final = {
    "STANDARD": Kernel.SOFT,
    "STND": Kernel.SOFT,
    "STD": Kernel.SOFT,
    "SOFT": Kernel.SOFT,
    "BONE": Kernel.BONE,
    "BONEPLUS": Kernel.BONE,
    "EDGE": Kernel.BONE,
    "ULTRA": Kernel.BONE,
    "LUNG": Kernel.LUNG,
    "CHEST": Kernel.LUNG,
    "CHST": Kernel.LUNG,
}
"""GE's names, letters alone, without the HD before them."""

_PHILIPS: Final = {
    **dict.fromkeys(("A", "B", "C", "UA", "UB", "SMOOTH", "STANDARD", "BRAINSTANDARD"), Kernel.SOFT),
    **dict.fromkeys(("E", "BONE"), Kernel.BONE),
    **dict.fromkeys(("L", "LUNG"), Kernel.LUNG),
    **dict.fromkeys(("YA", "YB", "YC", "YD", "EB", "EC", "ED"), Kernel.SHARP),
}
"""Philips' names, whole: a prefix of one letter says nothing."""

_SIEMENS: Final = re.compile(r"(B|BR|BF|BV|BP|BL|H|HR|HC|HF|HP|HV|I|J|Q|QR|U|UR)(\d\d)[A-Z]?")
"""Family and sharpness: B30f, Br40d, Bl57, H60s, I70f."""

_SIEMENS_SOFT_BELOW: Final = 45
_SIEMENS_SHARP_FROM: Final = 50

_SIEMENS_SHARP: Final = {"H": Kernel.BONE, "U": Kernel.BONE}
"""What a sharp kernel of a family, by its first letter, is for."""

_CANON: Final = re.compile(r"FC(\d\d)(?:[-_].*)?")
"""FC08, FC51-H."""

_CANON_RANGES: Final = (
    (1, 29, Kernel.SOFT),
    (30, 39, Kernel.BONE),
    (50, 59, Kernel.LUNG),
    (80, 81, Kernel.BONE),
    (82, 86, Kernel.SHARP),
)
"""First and last number of Toshiba and Canon, and what they are for."""


def kernel_of(name: str | None, manufacturer: str | None) -> Kernel | None:
    """What a kernel is for.

    Args:
        name: Convolution Kernel (0018,1210), values joined by a backslash; the first is the filter.
        manufacturer: (0008,0070). Where it is none of the four, names that only one vendor uses are
            understood, but never Philips' single letters.

    Returns:
        None where the name is absent, unknown or between two uses.
    """
    code = (name or "").split("\\")[0].strip().upper()
    own = [read for maker, read in _READERS if maker.search((manufacturer or "").upper())]
    for read in own or (_ge, _siemens, _canon):
        if (kernel := read(code)) is not None:
            return kernel
    return None


def _ge(code: str) -> Kernel | None:
    return _GE.get(re.sub(r"[^A-Z]", "", code).removeprefix("HD"))


def _philips(code: str) -> Kernel | None:
    return _PHILIPS.get(code.replace(" ", ""))


def _siemens(code: str) -> Kernel | None:
    match = _SIEMENS.fullmatch(code)
    if match is None:
        return None
    family, sharpness = match[1], int(match[2])
    if family == "BL":
        return Kernel.LUNG
    if sharpness < _SIEMENS_SOFT_BELOW:
        return Kernel.SOFT
    return _SIEMENS_SHARP.get(family[0], Kernel.SHARP) if sharpness >= _SIEMENS_SHARP_FROM else None


def _canon(code: str) -> Kernel | None:
    match = _CANON.fullmatch(code)
    number = int(match[1]) if match else 0
    return next((kernel for first, last, kernel in _CANON_RANGES if first <= number <= last), None)


_READERS: Final[tuple[tuple[re.Pattern[str], Callable[[str], Kernel | None]], ...]] = (
    (re.compile(r"\bGE\b|GENERAL ELECTRIC"), _ge),
    (re.compile(r"SIEMENS"), _siemens),
    (re.compile(r"PHILIPS|MARCONI|PICKER"), _philips),
    (re.compile(r"TOSHIBA|CANON"), _canon),
)
"""What a manufacturer's name holds, and how its kernels are read."""
