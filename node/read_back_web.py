"""Where a DICOMweb service filed what it has: read-back by QIDO-RS (PS3.18 10.6).

The resource "all instances" takes a SOP Instance UID alone, so one question says where an instance is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Final

import httpx
from pydicom.dataset import Dataset

from node.destinations import WebAddress
from node.query import Declined
from node.read_back import Filed, Sought, judge_patient, judge_place
from node.web import STEP_S, body_of, web_client
from storage.errors import PeerRefused, PeerUnavailable
from storage.geometry.frames import PARSE_ERRORS

NO_MATCH: Final = 204
DICOM_JSON: Final = "application/dicom+json"
INCLUDED: Final = ("0020000D", "0020000E", "00080018", "00100020")
"""Study, Series and SOP Instance UID, Patient ID: some services leave out what is not asked for."""


def find(
    way: WebAddress, sought: Iterable[Sought], *, step_s: float = STEP_S
) -> Iterator[tuple[Sought, Filed | Declined]]:
    """Look for instances, one after the other.

    Raises:
        PeerUnavailable: the service cannot be reached, or does not let us in.
    """
    try:
        with web_client(way, step_s=step_s) as client:
            for each in sought:
                try:
                    yield each, _filed(client, way, each)
                except Declined as error:
                    yield each, error
    except PeerRefused as error:
        raise PeerUnavailable(str(error)) from error


def _filed(client: httpx.Client, way: WebAddress, each: Sought) -> Filed:
    found = _matches(client, way, each)
    own = [match for match in found if _value(match, "SOPInstanceUID") == each.sop_instance_uid]
    right = [match for match in own if _value(match, "StudyInstanceUID") == each.study_instance_uid]
    series = {_value(match, "SeriesInstanceUID") for match in right}
    if not series & {each.series_instance_uid, ""}:
        return judge_place(each, own)
    return judge_patient(each.patient_id, frozenset(_value(match, "PatientID") for match in right) - {""})


def _matches(client: httpx.Client, way: WebAddress, each: Sought) -> list[Dataset]:
    parameters = {"SOPInstanceUID": each.sop_instance_uid, "includefield": INCLUDED}
    try:
        asked = client.stream("GET", f"{way}/instances", params=parameters, headers={"Accept": DICOM_JSON})
        with asked as response:
            status, body = response.status_code, body_of(response)
    except httpx.HTTPError as error:
        raise PeerUnavailable(f"{way} does not answer QIDO-RS: {error or type(error).__name__}") from error
    if status == NO_MATCH:
        return []
    if status != httpx.codes.OK:
        raise Declined(f"{way} answers QIDO-RS with HTTP {status}")
    try:
        return [Dataset.from_json(match) for match in json.loads(body)]
    except (*PARSE_ERRORS, RecursionError) as error:
        raise Declined(f"{way} answers QIDO-RS with no DICOM JSON") from error


def _value(match: Dataset, keyword: str) -> str:
    return str(match.get(keyword) or "").strip()
