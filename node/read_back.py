"""Where a PACS filed what it has: read-back by C-FIND (Study Root, PS3.4 C.6.2).

An instance is asked for by the unique keys of its study, series and itself. Where that finds nothing it is
asked for by its own UID alone, which a PACS may refuse (PS3.4 C.4.1.3.1: relational queries are negotiated);
one that answers says in which other study the instance is. Patient IDs are compared and never told.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import pydicom
from pydicom.dataset import Dataset

from node.addresses import PeerAddress
from node.association_failure import explain
from node.query import SYNTAXES, Declined, Questions
from node.requestor import NotAssociated, requested
from node.transport import Timeouts
from storage.errors import PeerUnavailable, Unreadable
from storage.geometry.frames import PARSE_ERRORS

KEYS: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


class Filed(StrEnum):
    """Where an instance was found."""

    RIGHT = "found in its study and series"
    NOWHERE = "not found"
    OTHER_STUDY = "found in another study"
    OTHER_SERIES = "found in another series of its study"
    OTHER_PATIENT = "found in its study, but the study is under another Patient ID there"
    TWO_PATIENTS = "found in its study, but the study is under more than one Patient ID there"


@dataclass(frozen=True, kw_only=True)
class Sought:
    """An instance to look for."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    patient_id: str  # (0010,0020), '' without

    @classmethod
    def of_file(cls, path: Path) -> Sought:
        """The instance of a DICOM file; its head is read. Raises Unreadable."""
        try:
            ds = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=[*KEYS, "PatientID"])
            study, series, sop = (str(ds[keyword].value) for keyword in KEYS)
            patient_id = str(ds.get("PatientID") or "").strip()
        except (OSError, KeyError, *PARSE_ERRORS) as error:  # a key is missing where bytes are damaged
            raise Unreadable(f"{path}: cannot be read any more") from error
        return cls(
            study_instance_uid=study,
            series_instance_uid=series,
            sop_instance_uid=sop,
            patient_id=patient_id,
        )


def find(
    called: PeerAddress, sought: Iterable[Sought], *, calling_ae: str, timeouts: Timeouts
) -> Iterator[tuple[Sought, Filed | Declined]]:
    """Look for instances, one after the other, on one association.

    Raises:
        PeerUnavailable: the PACS cannot be reached, lets us not in, or does not answer.
    """
    try:
        with requested(called, calling_ae=calling_ae, syntaxes=SYNTAXES, timeouts=timeouts) as peer:
            questions = Questions(peer, called)
            patients: dict[str, frozenset[str]] = {}  # Study Instance UID -> its Patient IDs there
            for each in sought:
                try:
                    yield each, _filed(questions, each, patients)
                except Declined as error:
                    yield each, error
    except NotAssociated as error:
        raise PeerUnavailable(f"{called}: {explain(error.failure)}") from error


def _filed(questions: Questions, each: Sought, patients: dict[str, frozenset[str]]) -> Filed:
    found = questions.find(_identifier(each))
    if any(_is(each, match) for match in found):
        study = each.study_instance_uid
        if study not in patients:
            patients[study] = _patients(questions.find(_study(study)), study)
        return judge_patient(each.patient_id, patients[study])
    try:
        found = questions.find(_identifier(each, alone=True))
    except Declined:  # it knows no relational queries
        return Filed.NOWHERE
    return judge_place(each, found)


def judge_patient(patient_id: str, there: frozenset[str]) -> Filed:
    """What to say of the Patient IDs that the study has there; nothing is concluded from absent ones."""
    if len(there) > 1:
        return Filed.TWO_PATIENTS
    if patient_id and there and patient_id not in there:
        return Filed.OTHER_PATIENT
    return Filed.RIGHT


def judge_place(each: Sought, found: Iterable[Dataset]) -> Filed:
    """What to say of an instance that is not where it belongs, of matches of its own UID."""
    own = [match for match in found if str(match.get("SOPInstanceUID", "")) == each.sop_instance_uid]
    studies = {str(match.get("StudyInstanceUID") or "") for match in own} - {""}
    if not studies:
        return Filed.NOWHERE
    return Filed.OTHER_SERIES if each.study_instance_uid in studies else Filed.OTHER_STUDY


def _is(each: Sought, match: Dataset) -> bool:
    """Whether a match is the instance where it belongs: a PACS that ignores keys answers with others too."""
    wanted = (each.study_instance_uid, each.series_instance_uid, each.sop_instance_uid)
    told = [str(match.get(keyword) or own) for keyword, own in zip(KEYS[:2], wanted[:2], strict=True)]
    return (*told, str(match.get("SOPInstanceUID") or "")) == wanted


def _patients(found: Iterable[Dataset], study_instance_uid: str) -> frozenset[str]:
    own = (match for match in found if str(match.get("StudyInstanceUID") or "") == study_instance_uid)
    return frozenset(str(match.get("PatientID") or "").strip() for match in own) - {""}


def _identifier(each: Sought, *, alone: bool = False) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = "IMAGE"
    ds.StudyInstanceUID = "" if alone else each.study_instance_uid
    ds.SeriesInstanceUID = "" if alone else each.series_instance_uid
    ds.SOPInstanceUID = each.sop_instance_uid
    return ds


def _study(study_instance_uid: str) -> Dataset:
    ds = Dataset()
    ds.QueryRetrieveLevel = "STUDY"
    ds.StudyInstanceUID = study_instance_uid
    ds.PatientID = ""
    return ds
