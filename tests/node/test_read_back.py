"""Where a PACS filed what it has: Orthanc, DCMTK, and a scripted one; and what that leads to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from node.addresses import PeerAddress
from node.config import Peer
from node.proof import Step
from node.query import Declined
from node.read_back import Filed, Sought, find
from node.scu import store
from storage import proofs
from storage.errors import PeerUnavailable, Unreadable
from storage.states import DeliveryState
from tests.dcmtk import find as dcmtk
from tests.e2e import pacs as orthanc
from tests.node.proof_peers import SEG, SR, T0, Bench
from tests.node.query_peers import SERIES, STUDY, Find, dcmqrscp, fill
from tests.node.receiving import Store, free_port
from tests.node.results import analysed
from tests.node.scu_peers import FAST, ct, here, write

needs_orthanc = pytest.mark.skipif(orthanc.PROGRAM is None, reason="Orthanc is not installed")
needs_dcmqrscp = pytest.mark.skipif(dcmtk("dcmqrscp") is None, reason="DCMTK is not installed")
PATIENT = "4711"


def sought(number: int = 1, **changes: str) -> Sought:
    """An instance of `tests.node.scu_peers.ct`."""
    values = {
        "study_instance_uid": STUDY,
        "series_instance_uid": SERIES,
        "sop_instance_uid": f"2.25.8{number}",
        "patient_id": PATIENT,
    }
    return Sought(**(values | changes))


def look(called: PeerAddress, *wanted: Sought) -> list[Filed | Declined]:
    return [found for _each, found in find(called, wanted, calling_ae="CTNODE", timeouts=FAST)]


@pytest.mark.peers
@needs_orthanc
def test_orthanc_says_where_it_filed_an_instance(tmp_path: Path) -> None:
    with orthanc.running_pacs(tmp_path / "orthanc") as pacs:
        pacs.put("/modalities/ctnode", {"AET": "CTNODE", "Host": "127.0.0.1", "Port": 104})
        called = here(pacs.dicom_port, orthanc.AE_TITLE)
        files = [
            write(ct(1, PatientID=PATIENT), tmp_path / "1.dcm"),
            write(
                ct(2, PatientID=PATIENT, StudyInstanceUID="2.25.99", SeriesInstanceUID="2.25.98"),
                tmp_path / "2.dcm",
            ),
            write(ct(3, PatientID=PATIENT, SeriesInstanceUID="2.25.97"), tmp_path / "3.dcm"),
        ]
        assert all(each.disposition.settled for each in store(called, files, calling_ae="CTNODE"))
        assert look(called, *(sought(n) for n in (1, 2, 3, 4))) == [
            Filed.RIGHT,
            Filed.OTHER_STUDY,
            Filed.OTHER_SERIES,
            Filed.NOWHERE,
        ]
        assert look(called, sought(patient_id="")) == [Filed.RIGHT]
        assert look(called, sought(patient_id="4712")) == [Filed.OTHER_PATIENT]
        twin = write(ct(5, PatientID="4712"), tmp_path / "5.dcm")  # Orthanc: a study for each patient
        assert all(each.disposition.settled for each in store(called, [twin], calling_ae="CTNODE"))
        assert look(called, sought(1)) == [Filed.TWO_PATIENTS]


@pytest.mark.peers
@needs_dcmqrscp
def test_dcmtk_says_where_it_filed_an_instance(tmp_path: Path) -> None:
    with dcmqrscp(tmp_path / "qr") as called:
        fill(called, tmp_path / "files", [1, 2])
        found = look(called, sought(1, patient_id="0"), sought(9), sought(2), sought(2, patient_id="0"))
    assert found == [Filed.RIGHT, Filed.NOWHERE, Filed.OTHER_PATIENT, Filed.RIGHT]


def answering(*matches: dict[str, str], patient: str | None = None) -> Any:
    """A PACS that answers every question at IMAGE level with these, and the study's with a Patient ID."""

    def answer(identifier: Dataset) -> list[tuple[int, Dataset | None]]:
        if identifier.QueryRetrieveLevel == "STUDY":
            return [(0xFF00, _match(StudyInstanceUID=STUDY, PatientID=patient or ""))]
        return [(0xFF00, _match(**each)) for each in matches]

    return answer


def _match(**attributes: str) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds


OURS = {"StudyInstanceUID": STUDY, "SeriesInstanceUID": SERIES, "SOPInstanceUID": "2.25.81"}
ANSWERS: list[tuple[Any, Filed]] = [
    (answering(OURS, patient=PATIENT), Filed.RIGHT),
    (answering(OURS), Filed.RIGHT),  # nothing is concluded from a Patient ID that is not told
    (answering(OURS, patient=f" {PATIENT} "), Filed.RIGHT),
    (answering({"SOPInstanceUID": "2.25.81"}), Filed.RIGHT),  # it does not give the keys back
    (answering({**OURS, "SOPInstanceUID": "2.25.82"}), Filed.NOWHERE),  # it ignores the keys
    (answering({**OURS, "StudyInstanceUID": "2.25.5"}), Filed.OTHER_STUDY),
    (answering({**OURS, "SeriesInstanceUID": "2.25.5"}), Filed.OTHER_SERIES),
    (answering(), Filed.NOWHERE),
]


@pytest.mark.parametrize(("answer", "filed"), ANSWERS)
def test_what_the_answers_say(answer: Any, filed: Filed) -> None:
    with Find(answer).listening() as called:
        assert look(called, sought()) == [filed]


def test_the_questions_hold_uids_alone() -> None:
    peer = Find(answering())
    with peer.listening() as called:
        look(called, sought())
    told = [{e.keyword: e.value for e in asked if e.value} for asked in peer.asked]
    assert told == [
        {"QueryRetrieveLevel": "IMAGE", **OURS},
        {"QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": "2.25.81"},
    ]


def test_one_that_declines_is_told_and_the_next_is_asked() -> None:
    first = iter([(0xA700, None)])

    def answer(identifier: Dataset) -> list[tuple[int, Dataset | None]]:
        declined = next(first, None)
        return [declined] if declined else answering(OURS)(identifier)

    with Find(answer).listening() as called:
        found = look(called, sought(), sought())
    assert isinstance(found[0], Declined) and "A700" in str(found[0])
    assert found[1] is Filed.RIGHT


def test_a_pacs_that_is_away() -> None:
    with pytest.raises(PeerUnavailable, match="refuses connections"):
        look(here(free_port()), sought())


def test_what_is_sought_is_read_of_the_file(tmp_path: Path) -> None:
    file = write(ct(1, PatientID=f"{PATIENT} "), tmp_path / "1.dcm")
    assert Sought.of_file(file) == sought()
    file.write_bytes(b"no DICOM")
    with pytest.raises(Unreadable, match="cannot be read any more"):
        Sought.of_file(file)


@pytest.mark.parametrize(
    ("there", "damaged"),
    [
        (b"\x20\x00\x0d\x00UI", b"\x20\x00\x0c\x00UI"),  # the Study Instance UID under another tag
        (b"\x10\x00\x20\x00LO", b"\x10\x00\x20\x00LU"),  # the Patient ID with a VR that is none
    ],
)
def test_a_file_with_a_damaged_key_is_told(tmp_path: Path, there: bytes, damaged: bytes) -> None:
    file = write(ct(1, PatientID=PATIENT), tmp_path / "1.dcm")
    file.write_bytes(file.read_bytes().replace(there, damaged))
    with pytest.raises(Unreadable, match="cannot be read any more"):
        Sought.of_file(file)


def test_what_nobody_foresaw_is_not_met_again_at_once(node: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object, **_settings: object) -> Any:
        raise RuntimeError

    monkeypatch.setattr("node.read_back.find", fails)
    each = Bench(node, 104, commitment=False, read_back="find")
    each.stored()
    with pytest.raises(RuntimeError):
        each.ask(Step.READ_BACK)
    assert (each.ask(Step.READ_BACK), each.due_in_s()) == (0, [300.0, 300.0])


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Store]:
    each = Store(tmp_path)
    analysed(each)
    yield each


def reading_back(node: Store, answer: Any) -> Bench:
    """A node whose PACS answers C-FIND with a script, once."""
    with Find(answer).listening() as called:
        each = Bench(node, called.port, ae_title=called.ae_title, commitment=False, read_back="find")
        each.stored()
        assert each.ask(Step.READ_BACK) == 2
        return each


def found_in(study: str, *, only: str = "") -> Any:
    """Every instance that is asked for was filed there; with `only`, that one alone."""

    def answer(identifier: Dataset) -> list[tuple[int, Dataset | None]]:
        uid = identifier.get("SOPInstanceUID")
        if identifier.QueryRetrieveLevel == "STUDY" or (only and uid != only):
            return []
        return [(0xFF00, _match(StudyInstanceUID=study, SeriesInstanceUID="2.25.10", SOPInstanceUID=uid))]

    return answer


def test_what_is_found_in_its_study_is_verified(node: Store) -> None:
    each = reading_back(node, found_in("2.25.9"))
    assert each.states() == {SR: DeliveryState.VERIFIED, SEG: DeliveryState.VERIFIED}
    assert (each.errors(), each.ask(Step.READ_BACK)) == ({SR: None, SEG: None}, 0)


def test_what_is_found_elsewhere_is_a_matter_for_a_person(node: Store) -> None:
    each = reading_back(node, found_in("2.25.77"))
    assert each.states() == {SR: DeliveryState.DEAD, SEG: DeliveryState.DEAD}
    assert each.errors()[SR] == "stored, but found in another study"
    assert [event.detail for event in node.events("dead letter")] == [
        f"{kind} to pacs: stored, but found in another study" for kind in ("SEG", "SR")
    ]


def test_what_is_not_found_yet_is_looked_for_again(node: Store) -> None:
    each = reading_back(node, found_in("2.25.9", only=SR))
    assert each.states() == {SR: DeliveryState.VERIFIED, SEG: DeliveryState.STORED}
    assert each.errors()[SEG] == "stored, but not found when it was read back"
    (due_s,) = each.due_in_s()
    assert 30 <= due_s <= 36
    each.now = T0 + 7 * 86_400.0
    assert each.ask(Step.READ_BACK) == 1  # the PACS is away by now
    assert each.states()[SEG] is DeliveryState.DEAD
    assert str(each.errors()[SEG]).startswith("given up after 7 days: not read back: ")


def test_nobody_is_called_for_nothing(node: Store) -> None:
    each = reading_back(node, found_in("2.25.9"))
    peer = Find(found_in("2.25.9"))
    with peer.listening() as called:
        asked = Bench(node, called.port, ae_title=called.ae_title, commitment=False, read_back="find")
        assert asked.ask(Step.READ_BACK) == 0
    assert peer.associations == 0
    assert each.states() == {SR: DeliveryState.VERIFIED, SEG: DeliveryState.VERIFIED}


def test_what_was_committed_is_read_back_when_it_is_no_longer_asked_to_commit(node: Store) -> None:
    """Else it stays committed for ever, and its series, which is to be verified, never ages out."""
    with Find(found_in("2.25.9")).listening() as called:
        each = Bench(node, called.port, ae_title=called.ae_title, commitment=False, read_back="find")
        each.stored()
        with node.ledger.writing() as connection:
            ids = [row.id for row in each.rows().values()]
            proofs.prove(connection, ids, DeliveryState.COMMITTED, T0)
        assert each.ask(Step.READ_BACK) == 2
    assert each.states() == {SR: DeliveryState.VERIFIED, SEG: DeliveryState.VERIFIED}


def test_read_back_follows_commitment(node: Store) -> None:
    """Of what is only stored, a destination with both is first asked to commit."""
    peer = Peer(
        name="both",
        ae_title="BOTH",
        gets_results=True,
        commitment=True,
        read_back="find",
        hosts=("::1",),
        port=9,
    )
    each = Bench(node, free_port(), others=[peer])
    each.stored("both")
    with node.ledger.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE delivery SET state = 'committed' WHERE sop_instance_uid = ?", (SR,)
        )
    assert each.ask(Step.READ_BACK, "both") == 1
    assert each.ask(Step.COMMITMENT, "both") == 1
