"""DCMTK, Orthanc and pynetdicom as senders, with stock and odd settings; what is kept is what they sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import DataElement, dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGLSLossless,
    RLELossless,
)
from pynetdicom import AE
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)

from node.config import Peer
from storage.states import Ending
from tests.e2e.pacs import PROGRAM, running_pacs
from tests.node.receiving import Receiver, ct, dcmtk_run, receiver

pytestmark = [pytest.mark.peers, pytest.mark.filterwarnings("ignore")]

ORTHANC = Peer(name="orthanc", ae_title="ORTHANC", may_send=True, hosts=("127.0.0.1",))
SCU = Peer(name="scanner", ae_title="SCU", may_send=True, hosts=("127.0.0.1",))


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Receiver]:
    with receiver(tmp_path / "node", [SCU, ORTHANC], kind="segments") as each:
        yield each


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three slices as files, Explicit VR Little Endian."""
    return written(tmp_path / "files", ExplicitVRLittleEndian)


def written(folder: Path, syntax: UID) -> Path:
    folder.mkdir()
    for number in (1, 2, 3):
        ds = ct(number)
        if syntax.is_compressed and not syntax.is_deflated:
            ds.file_meta = FileMetaDataset()
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            ds.compress(syntax, generate_instance_uid=False)
        ds.file_meta = FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = syntax
        ds.save_as(folder / f"{number}.dcm", enforce_file_format=True)
    return folder


def arrived(node: Receiver, folder: Path) -> dict[str, str]:
    """SOP Instance UID -> transfer syntax, of what is kept; pixels and patient are those of the files."""
    sent = {str(ds.SOPInstanceUID): ds for ds in map(dcmread, sorted(folder.rglob("*.dcm")))}
    kept = {}
    for uid in node.kept().instances:
        with node.instances.open(node.instance(uid).path) as file:
            ds = dcmread(file)
        assert _same(ds, sent[uid])
        kept[uid] = str(ds.file_meta.TransferSyntaxUID)
    assert set(kept) == set(sent)
    return kept


def _same(first: Dataset, second: Dataset) -> bool:
    """The same values, and in the same transfer syntax the same pixels."""
    if _values(first) != _values(second):
        return False
    is_other = first.file_meta.TransferSyntaxUID != second.file_meta.TransferSyntaxUID
    return is_other or first.PixelData == second.PixelData


def _values(ds: Dataset) -> list[DataElement]:
    return [each for each in ds if each.keyword != "PixelData"]


def storescu(node: Receiver, folder: Path, *options: str, program: str = "storescu") -> None:
    scan = ["+sd"] if program == "storescu" else ["+sd", "+r"]
    sent = dcmtk_run(
        program, *options, "-aet", "SCU", "-aec", "CTNODE", "127.0.0.1", str(node.port), *scan, folder
    )
    assert sent.returncode == 0, sent.stderr
    assert [row.ending for row in node.ended()] == [Ending.RELEASED] * len(node.ended())


@pytest.mark.parametrize(
    ("options", "syntax"),
    [
        ([], ExplicitVRLittleEndian),
        (["--propose-little"], ExplicitVRLittleEndian),
        (["--propose-implicit"], ImplicitVRLittleEndian),
        (["--propose-big"], ExplicitVRLittleEndian),  # of all that it proposes, what the files have
        (["--propose-deflated"], DeflatedExplicitVRLittleEndian),
        (["--propose-uncompr"], ExplicitVRLittleEndian),
        (["--combine"], ExplicitVRLittleEndian),
        (["--propose-lossless"], ExplicitVRLittleEndian),
        (["--propose-rle"], ExplicitVRLittleEndian),
        (["--propose-jls-lossless"], ExplicitVRLittleEndian),
        (["--propose-j2k-lossless"], ExplicitVRLittleEndian),
        (["--max-pdu", "4096"], ExplicitVRLittleEndian),
        (["--max-pdu", "131072"], ExplicitVRLittleEndian),
        (["--max-send-pdu", "4096"], ExplicitVRLittleEndian),
        (["--required", "--repeat", "1"], ExplicitVRLittleEndian),
        (["--user", "somebody", "--password", "secret"], ExplicitVRLittleEndian),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, list) else "",
)
def test_storescu(node: Receiver, files: Path, options: list[str], syntax: UID) -> None:
    storescu(node, files, *options)
    assert set(arrived(node, files).values()) == {str(syntax)}


def test_nobody_is_told_that_his_identity_was_checked(node: Receiver, files: Path) -> None:
    """No answer means that we do not check it (PS3.7 D.3.3.7.2); who insists on one goes away again."""
    sent = dcmtk_run(
        "storescu", "--user", "somebody", "--pos-response", "-aet", "SCU", "-aec", "CTNODE",
        "127.0.0.1", str(node.port), "+sd", files,
    )  # fmt: skip
    assert "Positive response requested but none received" in sent.stderr
    assert node.kept().instances == ()
    assert [row.ending for row in node.ended()] == [Ending.ABORTED]


@pytest.mark.parametrize(
    ("option", "syntax"), [("--propose-rle", RLELossless), ("--propose-jls-lossless", JPEGLSLossless)]
)
def test_storescu_with_compressed_files(node: Receiver, tmp_path: Path, option: str, syntax: UID) -> None:
    folder = written(tmp_path / "compressed", syntax)
    storescu(node, folder, option)
    assert set(arrived(node, folder).values()) == {str(syntax)}


@pytest.mark.parametrize("options", [[], ["--decompress-never"], ["--multi-associations"]], ids=str)
def test_dcmsend(node: Receiver, files: Path, options: list[str]) -> None:
    storescu(node, files, *options, program="dcmsend")
    assert set(arrived(node, files).values()) == {str(ExplicitVRLittleEndian)}


def test_dcmsend_with_mixed_syntaxes(node: Receiver, tmp_path: Path) -> None:
    folder = written(tmp_path / "compressed", RLELossless)
    storescu(node, folder, "--decompress-never", program="dcmsend")
    assert set(arrived(node, folder).values()) == {str(RLELossless)}


@pytest.mark.skipif(PROGRAM is None, reason="Orthanc is not installed")
def test_orthanc_sends(node: Receiver, files: Path, tmp_path: Path) -> None:
    with running_pacs(tmp_path / "pacs") as pacs:
        pacs.put("/modalities/node", {"AET": "CTNODE", "Host": "127.0.0.1", "Port": node.port})
        storing = dcmtk_run("storescu", "-aec", "ORTHANC", "127.0.0.1", str(pacs.dicom_port), "+sd", files)
        assert storing.returncode == 0, storing.stderr
        assert pacs.post("/modalities/node/echo", {}) == {}
        answer = pacs.post("/modalities/node/store", pacs.get("/instances"))
        assert (answer["InstancesCount"], answer["FailedInstancesCount"]) == (3, 0)
        again = pacs.post("/modalities/node/store", pacs.get("/instances"))
        assert again["FailedInstancesCount"] == 0, "the same bytes again are no duplicate"
    assert set(arrived(node, files)) == {f"2.25.1002.{n}" for n in (1, 2, 3)}


@pytest.mark.parametrize("maximum", [0, 4096, 16_382, 1 << 20])
def test_pynetdicom_as_it_comes(node: Receiver, files: Path, maximum: int) -> None:
    entity = AE(ae_title="SCU")
    entity.maximum_pdu_size = maximum
    entity.add_requested_context("1.2.840.10008.5.1.4.1.1.2", ExplicitVRLittleEndian)
    entity.add_requested_context("1.2.840.10008.1.1")
    association = entity.associate("127.0.0.1", node.port, ae_title="CTNODE")
    assert association.is_established
    assert association.send_c_echo().Status == 0
    statuses = [association.send_c_store(path).Status for path in sorted(files.iterdir())]
    association.release()
    assert statuses == [0, 0, 0]
    assert set(arrived(node, files).values()) == {str(ExplicitVRLittleEndian)}


def test_pynetdicom_with_everything_to_negotiate(node: Receiver, files: Path) -> None:
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked = window.maximum_number_operations_performed = 8
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.primary_field = 2, b"somebody"
    identity.secondary_field, identity.positive_response_requested = b"secret", True
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid, extended.service_class_application_information = (
        UID("1.2.840.10008.5.1.4.1.1.2"),
        b"\x02\x00\x03\x00\x01\x00",
    )
    entity = AE(ae_title="SCU")
    entity.add_requested_context("1.2.840.10008.5.1.4.1.1.2", ExplicitVRLittleEndian)
    association = entity.associate(
        "127.0.0.1", node.port, ae_title="CTNODE", ext_neg=[window, identity, extended]
    )
    assert association.is_established
    assert association.acceptor.user_identity is None
    assert association.acceptor.asynchronous_operations == (1, 1)
    assert association.send_c_store(sorted(files.iterdir())[0]).Status == 0
    association.release()
    assert node.kept().instances == ("2.25.1002.1",)
