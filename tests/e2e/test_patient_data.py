"""Nothing of a patient in logs, metrics, audit, events, names of files and processes, whatever comes.

Everything that a modality, a PACS or a browser can write holds one marker: in its place, in the wrong place,
in values that are no values. A whole node takes it, to the report at the PACS; then the marker is looked for.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    StudyRootQueryRetrieveInformationModelFind,
)

from node.audit.parts import parts
from storage import events, listing
from storage.ledger import Ledger
from storage.states import SeriesState
from tests.e2e.node_process import NodeProcess
from tests.e2e.ports import free_port
from tests.node import workflow
from tests.node.audit_schema import checked
from tests.node.receiving import LE, associated, ct, encoded, request, store
from tests.node.scu_peers import scp
from tests.waiting import eventually

MARKER: Final = "ZQX7"
PLACE: Final = "7777"
"""Stands where no library writes the marker; as long as it is, and put in its place among the bytes."""
BORN: Final = "19010207"
SR, SEG = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.66.4"
FIND: Final = str(StudyRootQueryRetrieveInformationModelFind)
STRANGER: Final = "A_STRANGER"
SETTLED_S: Final = 300.0

PATIENT: Final = {
    "PatientName": f"{MARKER}NAME^{MARKER}GIVEN",
    "PatientID": f"{MARKER}ID",
    "IssuerOfPatientID": f"{MARKER}ISSUER",
    "PatientBirthDate": BORN,
    "PatientAddress": f"{MARKER} street",
    "PatientComments": f"{MARKER} comments",
    "OtherPatientIDs": f"{MARKER}OTHER",
    "AccessionNumber": f"{MARKER}ACC",
    "StudyID": f"{MARKER}SID",
    "StudyDescription": f"{MARKER} study",
    "SeriesDescription": f"{MARKER} series",
    "ProtocolName": f"{MARKER} protocol",
    "ReferringPhysicianName": f"{MARKER}REFERRER^X",
    "OperatorsName": f"{MARKER}OPERATOR^X",
    "PerformingPhysicianName": f"{MARKER}DOCTOR^X",
    "InstitutionName": f"{MARKER} hospital",
    "InstitutionAddress": f"{MARKER} square",
    "StationName": f"{MARKER}STATION",
    "DeviceSerialNumber": f"{MARKER}SERIAL",
    "RequestedProcedureDescription": f"{MARKER} procedure",
    "ContrastBolusAgent": f"{MARKER} agent",
    "ImageComments": f"{MARKER} image",
}

GEOMETRY: Final[dict[str, Any]] = {
    "FrameOfReferenceUID": "2.25.4004",
    "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
    "PixelSpacing": [1, 1],
    "SliceThickness": 5,
    "RescaleSlope": 1,
    "RescaleIntercept": 0,
    "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
}

WRONG: Final[dict[str, Any]] = {
    "SeriesInstanceUID": f"2.25.{PLACE}.1",
    "StudyInstanceUID": f"2.25.{PLACE}.2",
    "SOPInstanceUID": f"2.25.{PLACE}.3",
    "SOPClassUID": f"1.2.840.10008.5.1.4.1.1.{PLACE}",
    "FrameOfReferenceUID": f"2.25.{PLACE}.4",
    "InstanceNumber": PLACE,
    "AcquisitionNumber": PLACE,
    "ImagesInAcquisition": PLACE,
    "NumberOfFrames": PLACE,
    "ImagePositionPatient": [PLACE, "1", "2"],
    "ImageOrientationPatient": [PLACE, "0", "0", "0", "1", "0"],
    "PixelSpacing": [PLACE, "1"],
    "SliceThickness": PLACE,
    "SliceLocation": PLACE,
    "SpacingBetweenSlices": PLACE,
    "RescaleSlope": PLACE,
    "RescaleIntercept": PLACE,
    "WindowCenter": PLACE,
    "GantryDetectorTilt": PLACE,
    "KVP": PLACE,
    "Modality": PLACE,
    "BodyPartExamined": PLACE,
    "PatientPosition": PLACE,
    "PatientSex": PLACE,
    "PatientAge": PLACE,
    "PatientOrientation": [PLACE, PLACE],
    "ImageType": [PLACE, PLACE, PLACE],
    "PhotometricInterpretation": PLACE,
    "SpecificCharacterSet": PLACE,
    "LossyImageCompression": PLACE,
    "ScanOptions": PLACE,
    "ConvolutionKernel": PLACE,
    "Manufacturer": PLACE,
    "StudyDate": PLACE,
    "AcquisitionTime": PLACE,
    "ContentTime": PLACE,
    "PatientBirthDate": PLACE,
}
"""Attribute -> a value that it must not have, in one series each."""


@dataclass(kw_only=True)
class Node(NodeProcess):
    """A node with its console."""

    console_port: int

    @property
    def root(self) -> Path:
        return self.folder / "data"

    def get(self, path: str) -> str:
        """An answer of the console, be it a refusal."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.console_port}{path}", timeout=30) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()

    def says(self, *words: str) -> str:
        ran = subprocess.run(self._command(*words), capture_output=True, text=True, timeout=120)
        return ran.stdout + ran.stderr

    @contextmanager
    def ledger(self) -> Iterator[Any]:
        ledger = Ledger(f"sqlite:///{self.root / 'ledger.sqlite'}")
        with ledger.reading() as connection:
            yield connection
        ledger.close()

    def pids(self) -> list[int]:
        """The supervisor and its children."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [self.process.pid, *map(int, children.split())]


def configuration(port: int, console_port: int, pacs: int, archive: int) -> str:
    return f"""\
node: {{host: 127.0.0.1, port: {port}, console_port: {console_port}, receivers: 1}}
peers:
  - {{name: modality, ae_title: SCU, may_send: true, hosts: [127.0.0.1]}}
  - {{name: asker, ae_title: ECHOSCU, may_send: true, hosts: [127.0.0.1]}}
  - name: pacs
    ae_title: PEER
    gets_results: true
    hosts: [127.0.0.1]
    port: {pacs}
    query_for: [modality]
  - {{name: archive, ae_title: PEER, gets_results: true, hosts: [127.0.0.1], port: {archive}, results: [sr]}}
assembly:
  {{quiet_s: 2, quiet_min_s: 2, quiet_max_s: 2, long_quiet_s: 4, long_quiet_min_s: 4, long_quiet_max_s: 4}}
query: {{quiet_s: 0.5, every_s: 1}}
storage: {{root: ./data, reserve_mb: 100}}
"""


def says_no(status: int, comment: str) -> Dataset:
    answer = Dataset()
    answer.Status, answer.ErrorComment = status, comment
    return answer


def pacs_handlers(came: list[Dataset]) -> list[Any]:
    """A PACS that takes reports, refuses segments and questions, and names the patient when it does."""

    def on_store(event: Any) -> int | Dataset:
        if event.request.AffectedSOPClassUID == SEG:
            return says_no(0xC000, f"cannot match patient {MARKER}NAME")
        came.append(event.dataset)
        return 0x0000

    def on_find(_event: Any) -> Iterator[tuple[Dataset, None]]:
        yield says_no(0xC000, f"no study of {MARKER}NAME"), None

    return [(evt.EVT_C_STORE, on_store), (evt.EVT_C_FIND, on_find)]


def simulated(folder: Path) -> list[Path]:
    """A series of a phantom, with the marker wherever a series says something of somebody."""
    options = ("--region", "abdomen", "--matrix", "128", "--seed", "5", "--spacing-mm", "5")
    subprocess.run(
        [sys.executable, "-m", "node", "simulate", str(folder), *options], check=True, capture_output=True
    )
    files = sorted(folder.glob("*.dcm"))
    for file in files:
        ds = pydicom.dcmread(file)
        for keyword, value in PATIENT.items():
            setattr(ds, keyword, value)
        ds.add_new((0x0009, 0x0010), "LO", f"{MARKER} CREATOR")
        ds.add_new((0x0009, 0x1001), "LO", f"{MARKER} private")
        ds.save_as(file)
    return files


def sent(association: Any, ds: Dataset, *, command_uid: str = "", cut: int | None = None) -> int:
    """Store with the marker in the place of its stand-in; the status, 0 for an association that broke."""
    uid = command_uid or str(ds.SOPInstanceUID)
    data_set = encoded(ds, LE)[:cut].replace(PLACE.encode(), MARKER.encode())
    answer = store(association, data_set, sop_instance_uid=uid.replace(PLACE, MARKER))
    return 0 if answer is None else int(answer.Status)


def slice_of(number: int, series: str, study: str, **attributes: Any) -> Dataset:
    position = {"ImagePositionPatient": [0, 0, 5 * number]}
    patient = {name: value for name, value in PATIENT.items() if name not in attributes}
    return ct(number, series=series, study=study, **(patient | GEOMETRY | position | attributes))


def send_wrong(port: int) -> None:
    """Three slices of each series; the second has a value that it must not have."""
    for at, (keyword, value) in enumerate(WRONG.items()):
        series, study = f"2.25.50{at:02}", f"2.25.60{at:02}"
        with associated(port) as association:
            for number in (1, 2, 3):
                ds = slice_of(number, series, study)
                own = str(ds.SOPInstanceUID)
                if number == 2:
                    with pydicom.config.disable_value_validation():
                        setattr(ds, keyword, value)
                with suppress(RuntimeError, AttributeError):  # it was aborted
                    sent(association, ds, command_uid=own)


def send_hostile(port: int) -> None:
    """Cut, not DICOM, no UID, twice with other content, in two studies, for two people, in no order."""
    with associated(port) as association:
        sent(association, slice_of(1, "2.25.7001", "2.25.7000"), cut=400)
    for data_set in (MARKER.encode() * 100, b"\x10\x00\x10\x00PN\xff\xff" + MARKER.encode() * 9):
        with associated(port) as association:
            store(association, data_set, sop_instance_uid="2.25.7002.1")
    with associated(port) as association:
        sent(association, slice_of(1, "2.25.7003", "2.25.7000"), command_uid=f"2.25.{PLACE}.9")
    with associated(port) as association:
        first = slice_of(1, "2.25.7004", "2.25.7000")
        sent(association, first)
        first.PatientName, first.ImageComments = f"{MARKER}OTHER^NAME", f"{MARKER} again"
        sent(association, first)
        first.StudyInstanceUID = "2.25.7999"
        sent(association, first)
    for series, person in (("2.25.7101", "A"), ("2.25.7102", "B")):
        with associated(port) as association:
            for number in (1, 2, 3):
                whose = {"PatientID": f"{MARKER}{person}", "PatientName": f"{MARKER}{person}^X"}
                sent(association, slice_of(number, series, "2.25.7100", **whose))
    with associated(port) as association:  # twice the same place, and a gap
        for number, z_mm in enumerate((0, 5, 5, 10, 60, 65), 1):
            place = {"ImagePositionPatient": [0, 0, z_mm]}
            sent(association, slice_of(number, "2.25.7201", "2.25.7200", **place))


def tell_steps(port: int) -> None:
    """MPPS that name the patient (PS3.4 F.7.2), right and wrong."""
    mpps = str(ModalityPerformedProcedureStep)
    for number, status in enumerate(("IN PROGRESS", MARKER)):
        ds = Dataset()
        ds.PerformedProcedureStepStatus, ds.Modality = status, "CT"
        ds.PerformedProcedureStepID = f"{MARKER}STEP"
        ds.PerformedProcedureStepDescription = f"{MARKER} step"
        for keyword in ("PatientName", "PatientID", "PatientBirthDate"):
            setattr(ds, keyword, PATIENT[keyword])
        with workflow.scanner(port, mpps) as association:
            workflow.create(association, ds, f"2.25.800{number}")
    with workflow.scanner(port, mpps) as association:
        workflow.create(association, MARKER.encode() * 20, "2.25.8009")
        workflow.create(association, ds, f"2.25.{MARKER}")
        workflow.change(association, ds, f"2.25.{MARKER}.1")


@dataclass(kw_only=True)
class Seen:
    """Everything that a node leaves where others than its users may look."""

    node: Node
    reports: list[Dataset]  # at the PACS
    texts: dict[str, str]  # where -> what stands there


def is_settled(node: Node) -> bool:
    with node.ledger() as connection:
        states = listing.count_by_state(connection)
        told = {event.kind for event in events.recent(connection, 1000)}
    busy = states.get(SeriesState.RECEIVING, 0) + states.get(SeriesState.QUEUED, 0)
    return not busy and states.get(SeriesState.ANALYSED, 0) > 0 and "dead letter" in told


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    folder = tmp_path_factory.mktemp("patient-data")
    came: list[Dataset] = []
    contexts = [(uid, [str(ExplicitVRLittleEndian)]) for uid in (SR, SEG, FIND)]
    later = [(evt.EVT_C_STORE, lambda _event: says_no(0xA700, f"no room for {MARKER}NAME"))]
    with ExitStack() as stack:
        pacs = stack.enter_context(scp(contexts, pacs_handlers(came)))
        archive = stack.enter_context(scp(contexts, later))
        node = Node(folder=folder, port=free_port(), console_port=free_port())
        text = configuration(node.port, node.console_port, pacs.port, archive.port)
        (folder / "config.yaml").write_text(text)
        stack.callback(node.stop)
        node.start()
        everything(node, simulated(folder / "ct"))
        eventually(lambda: is_settled(node), timeout_s=SETTLED_S, what="every series to be settled")
        eventually(lambda: came, timeout_s=SETTLED_S, what="the report to arrive")
        eventually(lambda: audited(node), timeout_s=60, what="everything to be audited")
        yield Seen(node=node, reports=came, texts=gathered(node))


def everything(node: Node, files: list[Path]) -> None:
    assert request(node.port, calling=STRANGER).is_rejected
    with associated(node.port) as association:
        for file in files:
            ds = pydicom.dcmread(file)
            assert sent(association, ds) == 0x0000
    send_wrong(node.port)
    send_hostile(node.port)
    tell_steps(node.port)
    for path in (f"/series/{MARKER}", f"/?patient={MARKER}", f"/{MARKER}/../{MARKER}", "/metrics"):
        node.get(path)


def audited(node: Node) -> bool:
    text = "".join(part.path.read_text() for part in parts(node.root / "audit.log"))
    return "110104" in text and STRANGER in text


def gathered(node: Node) -> dict[str, str]:
    with node.ledger() as connection:
        told = "\n".join(f"{e.kind} {e.subject} {e.detail}" for e in events.recent(connection, 10_000))
    names = [name for _, folders, files in os.walk(node.root) for name in (*folders, *files)]
    return {
        "log": (node.folder / "node.log").read_text(),
        "metrics": node.get("/metrics"),
        "health": node.get("/healthz") + node.get("/readyz"),
        "events": told,
        "status": node.says("status") + node.says("status", "--json"),
        "audit": "".join(part.path.read_text() for part in parts(node.root / "audit.log")),
        "audit show": node.says("audit", "show", "--last", "1000"),
        "file names": "\n".join(names),
        "processes": "\n".join(shown(pid) for pid in node.pids()),
        "running configuration": (node.root / "running-config.json").read_text(),
        "store list": node.says("store", "list", "--json"),
    }


def shown(pid: int) -> str:
    """What any user of the machine sees of a process, and its environment."""
    folder = Path("/proc") / str(pid)
    words = [folder / "cmdline", folder / "environ", folder / "comm", *folder.glob("task/*/comm")]
    return "\n".join(file.read_bytes().decode(errors="replace") for file in words)


PLACES: Final = (
    "log", "metrics", "health", "events", "status", "audit", "audit show", "file names", "processes",
    "running configuration", "store list",
)  # fmt: skip


@pytest.mark.parametrize("place", PLACES)
def test_no_marker_is(seen: Seen, place: str) -> None:
    text = seen.texts[place]
    assert text
    found = [line for line in text.splitlines() if MARKER.lower() in line.lower()]
    assert found == []
    assert [line for line in text.splitlines() if re.search(rf"(?<!\d){BORN}(?!\d)", line)] == []


def test_no_other_place_was_gathered(seen: Seen) -> None:
    assert tuple(seen.texts) == PLACES


def test_the_report_names_the_patient_where_the_standard_wants_it(seen: Seen) -> None:
    """The marker did go all the way: who looked for nothing would find nothing."""
    report = next(ds for ds in seen.reports if ds.SOPClassUID == SR)
    for keyword in ("PatientName", "PatientID", "AccessionNumber", "PatientBirthDate"):
        assert str(report[keyword].value) == PATIENT[keyword]


def test_every_fault_was_met_and_told(seen: Seen) -> None:
    """So the places hold lines about what carried the marker."""
    told = seen.texts["log"]
    for event in (
        "association rejected", "instance refused", "dead letter", "delivery postponed", "query failed",
        "request refused", "series analysed",
    ):  # fmt: skip
        assert f'"event": "{event}"' in told, event
    for kind in ("rejected", "kept aside", "misfiled", "identity conflict", "dead letter"):
        assert f"{kind} " in seen.texts["events"], kind
    assert "(with a comment)" in told and "(with a comment)" in seen.texts["events"]
    assert STRANGER in told and STRANGER in seen.texts["audit"]
    assert STRANGER not in seen.texts["metrics"]


def test_the_peer_s_comment_is_shown_in_the_queue_alone(seen: Seen) -> None:
    assert f"cannot match patient {MARKER}NAME" in seen.node.says("queue", "list", "--json")


def test_audit_messages_name_studies_and_no_patient(seen: Seen) -> None:
    """PS3.15 A.5.3.7 wants the patient too; ours are told by the study alone, as CONFORMANCE says."""
    kinds = set()
    for line in seen.texts["audit"].splitlines():
        for message in json.loads(line)["messages"]:
            root = checked(message)
            for subject in root.iter("ParticipantObjectIdentification"):
                assert subject.attrib["ParticipantObjectTypeCode"] == "2"  # a system object, no person
                (kind,) = subject.findall("ParticipantObjectIDTypeCode")
                kinds.add(kind.attrib["csd-code"])
    assert kinds == {"110180", "110182"}  # Study Instance UID, Node ID
