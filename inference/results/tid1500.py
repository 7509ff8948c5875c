"""The rows of the report's templates (PS3.16 TID 1500 and what it includes), as we fill them. Pure.

A row that the standard leaves to the user and that we always write is required here: a report without the
algorithm or the tracking identifiers of a group would be legal, and useless.
"""

from __future__ import annotations

from typing import Final

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from inference.results import codes
from inference.results.template import (
    CONTAINS,
    CONTEXT,
    INFERRED,
    MODIFIER,
    Row,
    at_most_one,
    check_rows,
    concept_of,
    one,
    shown,
)
from storage.errors import InvalidResult

ROOT: Final = Code("126000", "DCM", "Imaging Measurement Report")  # DCMR 1500
GROUP: Final = Code("125007", "DCM", "Measurement Group")
SOURCE: Final = Code("121112", "DCM", "Source of Measurement")
FINDING_SITE: Final = Code("363698007", "SCT", "Finding Site")
DEVICE: Final = Code("121007", "DCM", "Device")
LANGUAGE: Final = Code("121049", "DCM", "Language of Content Item and Descendants")

OBSERVER: Final = (  # TID 1002, 1004
    one(CONTEXT, "CODE", Code("121005", "DCM", "Observer Type"), DEVICE),
    one(CONTEXT, "UIDREF", Code("121012", "DCM", "Device Observer UID")),
    at_most_one(CONTEXT, "TEXT", Code("121013", "DCM", "Device Observer Name")),
    at_most_one(CONTEXT, "TEXT", Code("121014", "DCM", "Device Observer Manufacturer")),
    at_most_one(CONTEXT, "TEXT", Code("121015", "DCM", "Device Observer Model Name")),
    at_most_one(CONTEXT, "TEXT", Code("121016", "DCM", "Device Observer Serial Number")),
)

IDENTIFICATION: Final = (  # TID 1501 rows 2 and 3
    one(CONTEXT, "TEXT", Code("112039", "DCM", "Tracking Identifier")),
    one(CONTEXT, "UIDREF", Code("112040", "DCM", "Tracking Unique Identifier")),
)

ALGORITHM: Final = (  # TID 4019
    one(MODIFIER, "TEXT", Code("111001", "DCM", "Algorithm Name")),
    one(MODIFIER, "TEXT", Code("111003", "DCM", "Algorithm Version")),
    one(MODIFIER, "TEXT", Code("122405", "DCM", "Algorithm Manufacturer")),
    Row(relation=MODIFIER, kind="TEXT", concept=Code("111002", "DCM", "Algorithm Parameters"), least=1),
    one(MODIFIER, "CODE", Code("111000", "DCM", "Algorithm Family"), codes.ARTIFICIAL_INTELLIGENCE),
)

MEASUREMENT: Final = Row(  # TID 300
    relation=CONTAINS,
    kind="NUM",
    rows=(
        at_most_one(MODIFIER, "CODE", Code("121401", "DCM", "Derivation")),
        at_most_one(INFERRED, "IMAGE", SOURCE),
    ),
)

STATEMENT: Final = Row(  # a coded statement, whatever its name; DCMR 210 may qualify it
    relation=CONTAINS,
    kind="CODE",
    rows=(at_most_one(MODIFIER, "CODE", codes.TOPOGRAPHICAL_MODIFIER, codes.CENTRAL),),
)

GROUP_ROWS: Final = (  # TID 1501; 1410 where the group has a region
    *IDENTIFICATION,
    *ALGORITHM,
    at_most_one(CONTAINS, "CODE", Code("121071", "DCM", "Finding")),
    at_most_one(MODIFIER, "CODE", FINDING_SITE, *codes.VERTEBRAE.values()),
    MEASUREMENT,
    Row(relation=CONTAINS, kind="IMAGE", concept=SOURCE),
    at_most_one(CONTAINS, "SCOORD3D", Code("111030", "DCM", "Image Region")),
    STATEMENT,
    Row(relation=CONTAINS, kind="TEXT"),
)

ROOT_ROWS: Final = (  # TID 1500
    one(MODIFIER, "CODE", LANGUAGE),
    *OBSERVER,
    Row(relation=MODIFIER, kind="CODE", concept=Code("121058", "DCM", "Procedure reported"), least=1),
    Row(relation=CONTAINS, kind="TEXT", concept=codes.COMMENT, least=1),
    Row(
        relation=CONTAINS,
        kind="CONTAINER",
        concept=Code("126010", "DCM", "Imaging Measurements"),
        least=1,
        most=1,
        rows=(Row(relation=CONTAINS, kind="CONTAINER", concept=GROUP, least=1, rows=GROUP_ROWS),),
    ),
)


def check_report(document: Dataset, frame_of_reference_uid: str | None) -> None:
    """Hold a report's content against TID 1500.

    frame_of_reference_uid: of the images; every point must lie in it.

    Raises:
        InvalidResult: the first item that the template does not allow, or that is missing.
    """
    root = concept_of(document)
    if root != ROOT:
        raise InvalidResult(f"the root is {root and shown(root)}, expected {shown(ROOT)}")
    check_rows(document, ROOT_ROWS, "TID 1500")
    for group in groups_of(document):
        for item in group.ContentSequence:
            _check_measured(item)
            uid = item.get("ReferencedFrameOfReferenceUID")
            if uid is not None and uid != frame_of_reference_uid:
                raise InvalidResult(
                    f"ReferencedFrameOfReferenceUID is {uid}, the images have {frame_of_reference_uid}"
                )


def groups_of(document: Dataset) -> list[Dataset]:
    """The measurement groups (125007,DCM) of a report."""
    containers = [
        c for child in document.get("ContentSequence") or () for c in child.get("ContentSequence") or ()
    ]
    return [c for c in containers if concept_of(c) == GROUP]


def _check_measured(item: Dataset) -> None:
    """A probability is one, and a slice's score names its slice."""
    concept = concept_of(item)
    if concept is None or item.ValueType != "NUM":
        return
    if concept == codes.PROBABILITY:
        value = float(item.MeasuredValueSequence[0].NumericValue)
        if not 0.0 <= value <= 1.0:
            raise InvalidResult(f"Probability is {value}, expected 0..1")
    if concept == codes.SCORE and not item.get("ContentSequence"):
        raise InvalidResult("a Score names no image")
