"""Content trees against the rows of a template (PS3.16 6.1): what may stand where, and how often. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydicom.dataset import Dataset
from pydicom.sr.coding import Code

from storage.errors import InvalidResult

CONTAINS: Final = "CONTAINS"
CONTEXT: Final = "HAS OBS CONTEXT"
MODIFIER: Final = "HAS CONCEPT MOD"
INFERRED: Final = "INFERRED FROM"

MANY: Final = 1 << 30
"""No upper limit (n)."""

PRIVATE_SCHEME: Final = "99"
"""Coding schemes of a site begin with it (PS3.16 8.2): no result object has a code of ours."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a template: what may stand here."""

    relation: str  # to the parent: (0040,A010) Relationship Type
    kind: str  # (0040,A040) Value Type
    concept: Code | None = None  # None: any, as for qualitative evaluations; see `named`
    named: bool = True  # False: the item has no concept name, as the images of a key object selection
    least: int = 0  # how often, at least
    most: int = MANY  # how often, at most
    values: Collection[Code] = ()  # codes that a CODE may have; empty: any code of a standard scheme
    rows: tuple[Row, ...] = field(default=())  # of its children

    def fits(self, item: Dataset) -> bool:
        """Whether an item is of this row."""
        if (item.get("RelationshipType"), item.get("ValueType")) != (self.relation, self.kind):
            return False
        concept = concept_of(item)
        if self.concept is None:
            return (concept is not None) == self.named
        return concept == self.concept

    def __str__(self) -> str:
        name = "any concept" if self.concept is None else shown(self.concept)
        return f"{self.relation} {self.kind} {name}"


def one(relation: str, kind: str, concept: Code, *values: Code) -> Row:
    """A row that stands exactly once."""
    return Row(relation=relation, kind=kind, concept=concept, least=1, most=1, values=values)


def at_most_one(relation: str, kind: str, concept: Code, *values: Code) -> Row:
    """A row that may stand once."""
    return Row(relation=relation, kind=kind, concept=concept, most=1, values=values)


def check_rows(item: Dataset, rows: Sequence[Row], template: str, place: str = "1") -> None:
    """Hold an item's children against the rows of a template, and theirs against those of the rows.

    template: its name, for messages. place: of the item, as dsrdump numbers them.

    Raises:
        InvalidResult: an item of no row, a row too often or too seldom, or a value that its type or its row
            does not allow.
    """
    counts: Counter[int] = Counter()
    for number, child in enumerate(item.get("ContentSequence") or (), start=1):
        here = f"{place}.{number}"
        index = next((n for n, row in enumerate(rows) if row.fits(child)), None)
        if index is None:
            raise InvalidResult(f"content item {here} ({_told(child)}) is in no row of {template}")
        counts[index] += 1
        _check_value(child, rows[index], here)
        check_rows(child, rows[index].rows, template, here)
    for index, row in enumerate(rows):
        if not row.least <= counts[index] <= row.most:
            most = "n" if row.most == MANY else str(row.most)
            raise InvalidResult(
                f"content item {place} has {counts[index]} times {row},"
                f" {template} wants {row.least} to {most}"
            )


def concept_of(item: Dataset) -> Code | None:
    """The concept name of a content item; None where it has none."""
    return _code(item.get("ConceptNameCodeSequence"))


def shown(code: Code) -> str:
    """A code as the standard writes it."""
    return f'({code.value},{code.scheme_designator},"{code.meaning}")'


def _told(item: Dataset) -> str:
    concept = concept_of(item)
    name = "without a concept name" if concept is None else shown(concept)
    return f"{item.get('RelationshipType')} {item.get('ValueType')} {name}"


def _code(sequence: Sequence[Dataset] | None) -> Code | None:
    if not sequence:
        return None
    item = sequence[0]
    return Code(
        str(item.get("CodeValue") or ""),
        str(item.get("CodingSchemeDesignator") or ""),
        str(item.get("CodeMeaning") or ""),
    )


def _check_value(item: Dataset, row: Row, place: str) -> None:
    concept = concept_of(item)
    if concept is not None:
        _check_code(concept, "concept name", place)
    VALUES.get(row.kind, _any_value)(item, row, place)


def _check_code(code: Code, what: str, place: str) -> None:
    if not (code.value and code.scheme_designator and code.meaning):
        raise InvalidResult(f"content item {place}: its {what} {shown(code)} lacks a part")
    if code.scheme_designator.startswith(PRIVATE_SCHEME):
        raise InvalidResult(f"content item {place}: its {what} {shown(code)} is of a private scheme")


def _code_value(item: Dataset, row: Row, place: str) -> None:
    code = _code(item.get("ConceptCodeSequence"))
    if code is None or len(item.ConceptCodeSequence) != 1:
        count = len(item.get("ConceptCodeSequence") or ())
        raise InvalidResult(f"content item {place} (CODE) has {count} codes, expected 1")
    _check_code(code, "value", place)
    if row.values and code not in row.values:
        raise InvalidResult(f"content item {place}: {shown(code)} is no value of {row}")


def _text(item: Dataset, _row: Row, place: str) -> None:
    if not str(item.get("TextValue") or "").strip():
        raise InvalidResult(f"content item {place} (TEXT) is empty")


def _uid(item: Dataset, _row: Row, place: str) -> None:
    if not item.get("UID"):
        raise InvalidResult(f"content item {place} (UIDREF) has no UID")


def _number(item: Dataset, _row: Row, place: str) -> None:
    measured: Sequence[Dataset] = item.get("MeasuredValueSequence") or ()
    if len(measured) != 1:
        raise InvalidResult(f"content item {place} (NUM) has {len(measured)} values, expected 1")
    unit = _code(measured[0].get("MeasurementUnitsCodeSequence"))
    if unit is None:
        raise InvalidResult(f"content item {place} (NUM) has no unit")
    _check_code(unit, "unit", place)
    value = measured[0].get("NumericValue")
    if value is None or not math.isfinite(float(value)):
        raise InvalidResult(f"content item {place} (NUM) has the value {value}, expected a number")


def _reference(item: Dataset, _row: Row, place: str) -> None:
    named = item.get("ReferencedSOPSequence") or ()
    if len(named) != 1:
        raise InvalidResult(f"content item {place} (IMAGE) has {len(named)} references, expected 1")


def _points(item: Dataset, _row: Row, place: str) -> None:
    """PS3.3 C.18.9: triplets of mm in a frame of reference, one of them for a POINT."""
    values = [float(v) for v in item.get("GraphicData") or ()]
    if not values or len(values) % 3 or not all(map(math.isfinite, values)):
        raise InvalidResult(f"content item {place} (SCOORD3D) has {len(values)} numbers, expected triplets")
    if item.get("GraphicType") == "POINT" and len(values) != 3:
        raise InvalidResult(f"content item {place} (SCOORD3D) is a POINT of {len(values)} numbers")
    if not item.get("ReferencedFrameOfReferenceUID"):
        raise InvalidResult(f"content item {place} (SCOORD3D) names no frame of reference")


def _any_value(_item: Dataset, _row: Row, _place: str) -> None:
    """A CONTAINER has no value."""


VALUES: Final[Mapping[str, Callable[[Dataset, Row, str], None]]] = {
    "CODE": _code_value,
    "TEXT": _text,
    "UIDREF": _uid,
    "NUM": _number,
    "IMAGE": _reference,
    "SCOORD3D": _points,
}
"""Value Type -> check of the value (PS3.3 C.17.3, C.18)."""
