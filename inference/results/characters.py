"""Whether the character set of an object holds its texts (PS3.5 6.1): encoded and decoded again. Pure."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, MutableSequence
from typing import Any, Final

from pydicom.charset import convert_encodings, decode_bytes, encode_string
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.valuerep import TEXT_VR_DELIMS, PersonName

from storage.errors import InvalidResult

TEXTS: Final = frozenset({"LO", "LT", "SH", "ST", "UC", "UT"})
"""Value representations that Specific Character Set (0008,0005) governs, besides PN (PS3.5 6.1.2.3)."""

CODED: Final = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI", "UR"})
"""Those of the default repertoire alone, whatever the character set."""


REPLACEMENT: Final = "\ufffd"
"""Stands for bytes that are no character of the set."""


def is_legible(element: DataElement, encodings: list[str]) -> bool:
    """Whether an attribute's texts, at any depth, are written in its set as they are read.

    A name is: while nobody changes it, it keeps the source's own bytes.

    encodings: of the set, as pydicom names them.
    """
    item = Dataset()
    item.add(element)
    return all(
        _fits(vr, value, encodings) and (vr == "PN" or REPLACEMENT not in value)
        for _, vr, value in _texts(item, "")
    )


def check_characters(dataset: Dataset) -> None:
    """Every text of an object can be written in its character set, and is read back as it was.

    Raises:
        InvalidResult: one that cannot; named by its attribute, never quoted, for it may be a patient's.
    """
    encodings = convert_encodings(dataset.get("SpecificCharacterSet"))
    for path, vr, value in _texts(dataset, ""):
        if not _fits(vr, value, encodings):
            charset = dataset.get("SpecificCharacterSet") or "none"
            raise InvalidResult(
                f"{path}: SpecificCharacterSet is {charset}, which cannot hold its characters"
            )


def _fits(vr: str, value: str | PersonName, encodings: list[str]) -> bool:
    return str(value).isascii() or (vr not in CODED and _survives(value, encodings))


def _survives(value: str | PersonName, encodings: list[str]) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # pydicom warns, and writes a question mark
        try:
            return _again(value, encodings) == str(value)
        except (UnicodeError, UserWarning, LookupError):
            return False


def _again(value: str | PersonName, encodings: list[str]) -> str:
    """A name that is still as it was read keeps the source's own bytes."""
    if isinstance(value, PersonName):
        return str(PersonName(value.encode(encodings), encodings))
    return decode_bytes(encode_string(value, encodings), encodings, TEXT_VR_DELIMS)


def _texts(item: Dataset, path: str) -> Iterator[tuple[str, str, str | PersonName]]:
    """Path, value representation and each value of every text."""
    for element in item:
        here = f"{path}{element.keyword or element.tag}"
        if element.VR == "SQ":
            for number, child in enumerate(element.value, start=1):
                yield from _texts(child, f"{here}[{number}]/")
        elif element.VR == "PN" or element.VR in TEXTS or element.VR in CODED:
            for value in _values(element.value):
                yield here, element.VR, value


def _values(value: Any) -> list[str | PersonName]:
    several = value if isinstance(value, MutableSequence) else [value]
    return [each for each in several if isinstance(each, str | PersonName)]
