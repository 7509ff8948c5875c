"""A structured report as text: the content tree (PS3.3 C.17.3), one item a line, indented."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from pydicom.dataset import Dataset

INDENT: Final = "  "

MEASUREMENT_GROUP: Final = "125007"
TRACKING_IDENTIFIER: Final = "112039"
TRACKING_UID: Final = "112040"

SHOWN_ONCE: Final = frozenset({"111000", "111001", "111002", "111003", "122405"})
"""What every measurement group repeats of its algorithm (PS3.16 TID 4019): the same value is shown once."""


def sr_text(report: Dataset) -> str:
    """The whole report; the caller prints it.

    A measurement group is headed by its tracking identifier; its tracking UID, and what an earlier group
    said of the same algorithm, are left out.
    """
    title = _meaning(report, "ConceptNameCodeSequence")
    return "\n".join([title, "=" * len(title), *_lines(report, 0, set())])


def _lines(item: Dataset, depth: int, said: set[tuple[str, str]]) -> Iterator[str]:
    group = _code(item) == MEASUREMENT_GROUP
    for child in item.get("ContentSequence", []):
        if "ReferencedContentItemIdentifier" in child:
            continue
        code, value = _code(child), _VALUES.get(child.ValueType, _nothing)(child)
        if group and (code in (TRACKING_IDENTIFIER, TRACKING_UID) or (code, value) in said):
            continue
        if group and code in SHOWN_ONCE:
            said.add((code, value))
        name = _heading(child) or _meaning(child, "ConceptNameCodeSequence")
        yield INDENT * depth + (f"{name}: {value}" if value else name)
        yield from _lines(child, depth + 1, said)


def _heading(item: Dataset) -> str:
    """The tracking identifier of a measurement group; "" where the item is none or has none."""
    if _code(item) != MEASUREMENT_GROUP:
        return ""
    texts = [c for c in item.get("ContentSequence", []) if _code(c) == TRACKING_IDENTIFIER]
    return str(texts[0].TextValue) if texts else ""


def _code(item: Dataset) -> str:
    codes = item.get("ConceptNameCodeSequence")
    return str(codes[0].get("CodeValue", "")) if codes else ""


def _meaning(item: Dataset, keyword: str) -> str:
    codes = item.get(keyword)
    return str(codes[0].get("CodeMeaning", codes[0].get("CodeValue", "?"))) if codes else ""


def _number(item: Dataset) -> str:
    measured = item.get("MeasuredValueSequence")
    if not measured:
        return "no value"
    unit = measured[0].MeasurementUnitsCodeSequence[0].CodeValue
    return f"{measured[0].NumericValue}{'' if unit == '1' else f' {unit}'}"


def _image(item: Dataset) -> str:
    reference = item.ReferencedSOPSequence[0]
    frames = reference.get("ReferencedFrameNumber")
    return str(reference.ReferencedSOPInstanceUID) + (f" frame {frames}" if frames else "")


def _graphic(item: Dataset, unit: str) -> str:
    numbers = ", ".join(f"{float(n):.1f}" for n in item.GraphicData)
    return f"{item.GraphicType} ({numbers}) {unit}"


def _nothing(_item: Dataset) -> str:
    return ""


_VALUES: Final[dict[str, Callable[[Dataset], str]]] = {
    "CODE": lambda item: _meaning(item, "ConceptCodeSequence"),
    "TEXT": lambda item: str(item.TextValue),
    "NUM": _number,
    "UIDREF": lambda item: str(item.UID),
    "PNAME": lambda _item: "(a person)",
    "DATETIME": lambda item: str(item.DateTime),
    "DATE": lambda item: str(item.Date),
    "TIME": lambda item: str(item.Time),
    "IMAGE": _image,
    "COMPOSITE": _image,
    "SCOORD": lambda item: _graphic(item, "pixels"),
    "SCOORD3D": lambda item: _graphic(item, "mm"),
}
"""How the value of each value type is shown (PS3.3 Table C.17.3-7)."""
