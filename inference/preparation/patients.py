"""Whose an exam is: exams that may be one patient's are taken for one patient's, so that no split parts them.

Nothing of it is written: it is compared, and turned into numbers (`inference.preparation.exams.numbered`).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydicom import dcmread

from inference.workbench.units import Unit

TAGS: Final = ["SpecificCharacterSet", "PatientID", "StudyInstanceUID"]


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What an exam may have in common with others of its patient; '' where its header does not say it."""

    patient_id: str = ""  # (0010,0020), folded; issuers are not told apart: many leave them out
    study: str = ""  # (0020,000D): of one patient

    def all(self) -> list[str]:
        """Those that are there, each of its kind."""
        named = {"patient": self.patient_id, "study": self.study}
        return [f"{kind} {value}" for kind, value in named.items() if value]


def signs_of(unit: Unit) -> Signs:
    """Of an exam's first file; of a NIfTI file none."""
    if unit.is_nifti:
        return Signs()
    header = dcmread(unit.files[0], force=True, stop_before_pixels=True, specific_tags=TAGS)
    return Signs(patient_id=folded(header.get("PatientID")), study=str(header.get("StudyInstanceUID") or ""))


def folded(name: object) -> str:
    """As people compare it: case, width and blanks do not tell one patient from another."""
    return "".join(unicodedata.normalize("NFKC", str(name or "")).casefold().split())


def patients_of(signs: Mapping[str, Signs], told: Mapping[str, str]) -> dict[str, str]:
    """Exam to a word that is the same for all exams that may be of its patient.

    What a user says of an exam counts, and what its header says does not: in data sets without names every
    header may say the same. But an exam of which the user says nothing joins all that share a sign with it.

    Args:
        signs: of every exam.
        told: exam to patient, of those of which the user says it.
    """
    open_signs = {sign for exam, own in signs.items() if exam not in told for sign in own.all()}
    groups = _Groups()
    words = {}
    for exam, own in signs.items():
        shared = [sign for sign in own.all() if sign in open_signs]
        words[exam] = [*([f"told {folded(told[exam])}"] if exam in told else []), *shared] or [f"exam {exam}"]
        groups.join(words[exam])
    return {exam: groups.first(own[0]) for exam, own in words.items()}


class _Groups:
    """Words that mean the same (union-find)."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def first(self, word: str) -> str:
        """The one that stands for all of a word's group."""
        while (above := self._above.setdefault(word, word)) != word:
            self._above[word] = self._above[above]
            word = above
        return word

    def join(self, words: Sequence[str]) -> None:
        """Make them one group."""
        for word in words[1:]:
            self._above[self.first(word)] = self.first(words[0])
