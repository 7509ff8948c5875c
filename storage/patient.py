"""Whose study it says it is, as keyed digests: what tells a contradiction without telling the patient.

Two instances of one study that name two patients must be noticed, and the ledger, its backups, its logs and
its pages must not name any. A digest is the same for values that a person takes for the same.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from hashlib import blake2b
from typing import Final

from pydicom.dataset import Dataset

from storage.geometry.frames import PARSE_ERRORS

IDENTIFYING: Final = (
    "PatientID",
    "IssuerOfPatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
)
"""Attributes of the Patient Module (PS3.3 C.7.1.1) that a patient has one value of."""

NAME_GROUPS: Final = 2
"""Component groups of a Person Name that are compared: alphabetic and ideographic (PS3.5 6.2.1)."""

REPLACEMENT: Final = "\ufffd"
"""What a decoder puts where bytes are none of its character set."""

DIGEST_BYTES: Final = 16


def patient_digests(ds: Dataset, key: bytes) -> dict[str, str]:
    """Keyword -> keyed digest in hexadecimal, of every identifying attribute that has a value.

    What is absent, empty or cannot be decoded is left out: it contradicts nothing.
    """
    return digests_of({keyword: _text(ds, keyword) for keyword in IDENTIFYING}, key)


def digests_of(values: Mapping[str, str], key: bytes) -> dict[str, str]:
    """The same from the values as text, by keyword, in the order of IDENTIFYING; '' where there is none."""
    return {keyword: _digest(keyword, value, key) for keyword, value in _told(values) if value}


def _told(values: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Keyword and value as people compare it; a name's alphabetic and ideographic group each for itself.

    Workstations leave groups out, so only what both have is compared; the phonetic group says the same again.
    What could not be decoded in its character set is no value.
    """
    for keyword, value in values.items():
        groups = value.split("=")[:NAME_GROUPS] if keyword == "PatientName" else [value]
        for number, group in enumerate(groups):
            if REPLACEMENT not in group:
                yield keyword if number == 0 else f"{keyword}={number}", _components(_folded(group))


def _text(ds: Dataset, keyword: str) -> str:
    try:
        return str(ds.get(keyword) or "")
    except (*PARSE_ERRORS, LookupError):  # not what its VR or its character set says
        return ""


def normalised(value: str) -> str:
    """A value as people compare it: the same for other case, padding, spacing and empty components.

    Of a Person Name the first component group that is filled counts (PS3.5 6.2.1): the ideographic and the
    phonetic one say the same again, and are often left out.
    """
    groups = (_components(group) for group in _folded(value).split("="))
    return next((group for group in groups if group), "")


def _folded(value: str) -> str:
    return unicodedata.normalize("NFKC", value.replace("\0", " ")).casefold()


def _components(group: str) -> str:
    parts = [" ".join(part.split()) for part in group.split("^")]
    return "^".join(parts).rstrip("^")


def _digest(keyword: str, value: str, key: bytes) -> str:
    text = f"{keyword}={value}".encode()
    return blake2b(text, key=key, digest_size=DIGEST_BYTES).hexdigest()
