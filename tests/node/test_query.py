"""How many instances a PACS has: DCMTK, Orthanc, and peers that answer wrongly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import evt

from node import query, requestor
from node.addresses import PeerAddress
from node.query import STUDY_ROOT_FIND, Asked, Count, ask
from node.upper_layer.requesting import Message
from node.upper_layer.requests import Answer
from storage.errors import PeerUnavailable
from tests.dcmtk import find
from tests.e2e import pacs as orthanc
from tests.node.query_peers import SERIES, STUDY, Find, counting, dcmqrscp, fill, match
from tests.node.scu_peers import FAST, SHORT, free_port, here, listener, rejects, scp, silent

OURS = Asked(study_instance_uid=STUDY, series_instance_uid=SERIES)
OTHER = Asked(study_instance_uid=STUDY, series_instance_uid="2.25.73")
Script = list[tuple[int, Dataset | None]]


def count(called: PeerAddress, *series: Asked, timeouts: Any = FAST) -> dict[str, Count]:
    return ask(called, list(series) or [OURS], calling_ae="CTNODE", timeouts=timeouts)


@pytest.mark.peers
@pytest.mark.skipif(find("dcmqrscp") is None, reason="DCMTK is not installed")
def test_dcmtk_lists_the_instances(tmp_path: Path) -> None:
    """It leaves (0020,1209) out."""
    with dcmqrscp(tmp_path / "qr") as called:
        uids = fill(called, tmp_path / "files", range(1, 6))
        found = count(called, OURS, OTHER)
    assert found == {SERIES: Count(instances=5, sop_instance_uids=frozenset(uids))}


@pytest.mark.peers
@pytest.mark.skipif(orthanc.PROGRAM is None, reason="Orthanc is not installed")
def test_orthanc_counts_them(tmp_path: Path) -> None:
    with orthanc.running_pacs(tmp_path / "orthanc") as pacs:
        # only modalities that Orthanc knows may ask
        pacs.put("/modalities/ctnode", {"AET": "CTNODE", "Host": "127.0.0.1", "Port": 104})
        called = here(pacs.dicom_port, orthanc.AE_TITLE)
        assert count(called) == {}
        fill(called, tmp_path / "files", range(1, 4))
        assert count(called, OTHER, OURS) == {SERIES: Count(instances=3)}
        fill(called, tmp_path / "files", [4])
        assert count(called) == {SERIES: Count(instances=4)}


def test_the_question_holds_uids_alone() -> None:
    peer = Find(counting(7))
    with peer.listening() as called:
        assert count(called, OURS, OTHER) == {SERIES: Count(instances=7), "2.25.73": Count(instances=7)}
    assert peer.associations == 1
    first = peer.asked[0]
    assert [element.keyword for element in first] == [
        "QueryRetrieveLevel",
        "StudyInstanceUID",
        "SeriesInstanceUID",
        "NumberOfSeriesRelatedInstances",
    ]
    assert (first.QueryRetrieveLevel, first.SeriesInstanceUID) == ("SERIES", SERIES)
    assert first.NumberOfSeriesRelatedInstances is None


def at_image_level(identifier: Dataset) -> Script:
    """A PACS that does not count, and holds the second instance twice."""
    if identifier.QueryRetrieveLevel == "SERIES":
        return [(0xFF01, match(identifier))]
    return [(0xFF00, match(identifier, SOPInstanceUID=uid)) for uid in ("1.1", "1.2", "1.2")]


SCRIPTS: dict[str, tuple[Callable[[Dataset], Script], dict[str, Count]]] = {
    "counts": (
        lambda i: [(0xFF00, match(i, NumberOfSeriesRelatedInstances=3))],
        {SERIES: Count(instances=3)},
    ),
    "counts to zero": (
        lambda i: [(0xFF00, match(i, NumberOfSeriesRelatedInstances=0))],
        {SERIES: Count(instances=0)},
    ),
    "knows nothing": (lambda i: [], {}),
    "ignores the keys": (
        lambda i: [
            (0xFF00, match(i, SeriesInstanceUID="1.9", NumberOfSeriesRelatedInstances=9)),
            (0xFF00, match(i, NumberOfSeriesRelatedInstances=3)),
        ],
        {SERIES: Count(instances=3)},
    ),
    "only others": (lambda i: [(0xFF00, match(i, SeriesInstanceUID="1.9"))], {}),
    "does not count": (
        at_image_level,
        {SERIES: Count(instances=2, sop_instance_uids=frozenset({"1.1", "1.2"}))},
    ),
}


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_an_answer_means(script: str) -> None:
    answer, expected = SCRIPTS[script]
    with Find(answer).listening() as called:
        assert count(called) == expected


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, 0xFE00, 0x0122])
def test_a_failure_is_no_count(status: int) -> None:
    """Also after a match: half an answer is none."""

    def answer(identifier: Dataset) -> Script:
        return [(0xFF00, match(identifier, NumberOfSeriesRelatedInstances=3)), (status, None)]

    with Find(answer).listening() as called, pytest.raises(PeerUnavailable, match=f"{status:04X}"):
        count(called)


def test_a_failure_for_one_series_loses_no_other() -> None:
    def answer(identifier: Dataset) -> Script:
        if identifier.SeriesInstanceUID == SERIES:
            return [(0xC001, None)]
        return [(0xFF00, match(identifier, NumberOfSeriesRelatedInstances=3))]

    with Find(answer).listening() as called:
        assert count(called, OURS, OTHER) == {OTHER.series_instance_uid: Count(instances=3)}


def test_a_match_without_an_identifier_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """pynetdicom's own SCP cannot send it."""
    said = Answer(command_field=0x8020, message_id=1, status=0xFF00, comment="", has_data_set=False)
    pending = Message(answer=said, data_set=None)
    monkeypatch.setattr(requestor.Requested, "_answer", lambda *_: pending)
    with (
        Find(counting(7)).listening() as called,
        pytest.raises(PeerUnavailable, match="does not answer the query"),
    ):
        count(called)


def test_a_peer_that_cannot_be_reached_is_unavailable() -> None:
    with pytest.raises(PeerUnavailable, match="refuses connections"):
        count(here(free_port()))


@pytest.mark.parametrize("talk", [silent, rejects(1, 1, 3), rejects(2, 3, 2)])
def test_a_peer_that_does_not_let_us_in_is_unavailable(talk: Callable[..., None]) -> None:
    with listener(talk) as called, pytest.raises(PeerUnavailable):
        count(called, timeouts=SHORT)


def test_a_peer_without_the_service_is_unavailable() -> None:
    with (
        scp([("1.2.840.10008.1.1", [ImplicitVRLittleEndian])]) as called,
        pytest.raises(PeerUnavailable, match="none of the services"),
    ):
        count(called)


def test_a_peer_that_speaks_explicit_vr_alone_is_understood() -> None:
    peer = Find(counting(7))
    with scp([(STUDY_ROOT_FIND, [ExplicitVRLittleEndian])], [(evt.EVT_C_FIND, peer._on_find)]) as called:
        assert count(called) == {SERIES: Count(instances=7)}


def test_a_peer_that_never_ends_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requestor, "MATCHES_MAX", 20)
    with (
        Find(lambda i: [(0xFF00, match(i))] * 200).listening() as called,
        pytest.raises(PeerUnavailable, match="does not answer the query"),
    ):
        count(called)


def test_a_count_that_is_no_number_is_asked_for_otherwise() -> None:
    ds = Dataset()
    assert query._number(ds) is None
    ds.add_new(0x00201209, "IS", "")
    assert query._number(ds) is None
    ds.NumberOfSeriesRelatedInstances = -1
    assert query._number(ds) is None
    for number, read in ((12, 12), (1_000_000, 1_000_000), (1_000_001, None)):
        ds.NumberOfSeriesRelatedInstances = number
        assert query._number(ds) == read
