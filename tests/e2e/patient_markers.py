"""A patient who is known by markers that stand nowhere else, and peers who send of him what is wrong."""

from __future__ import annotations

import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pydicom
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityPerformedProcedureStep,
    StudyRootQueryRetrieveInformationModelFind,
)

from storage.ledger import Ledger
from tests.e2e.node_process import NodeProcess
from tests.node import workflow
from tests.node.receiving import LE, associated, ct, encoded, store

SR, SEG = "1.2.840.10008.5.1.4.1.1.88.34", "1.2.840.10008.5.1.4.1.1.66.4"
MARKER: Final = "ZQX7"
PLACE: Final = "7777"
"""Stands where no library writes the marker; as long as it is, and put in its place among the bytes."""
BORN: Final = "19010207"
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
