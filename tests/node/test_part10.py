"""The head of a stored file (PS3.10 7.1), read by others."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, CTImageStorage, ImplicitVRLittleEndian

from node.part10 import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    PREAMBLE,
    data_set_offset,
    file_head,
)
from storage.blobs import is_uid
from tests.node.receiving import ct, dcmtk_run, encoded

HEAD = {
    "sop_class_uid": str(CTImageStorage),
    "sop_instance_uid": "2.25.1",
    "transfer_syntax_uid": str(ImplicitVRLittleEndian),
    "sending_ae": "SCU",
    "receiving_ae": "CTNODE",
}


def test_the_data_set_follows_untouched(tmp_path: Path) -> None:
    data_set = encoded(ct(), ImplicitVRLittleEndian)
    head = file_head(**HEAD)
    file = tmp_path / "x.dcm"
    file.write_bytes(head + data_set)
    assert file.read_bytes()[data_set_offset(head) :] == data_set
    read = dcmread(file)
    assert read.preamble == b"\0" * 128
    assert {str(element.keyword): element.value for element in read.file_meta} == {
        "FileMetaInformationGroupLength": data_set_offset(head) - 144,
        "FileMetaInformationVersion": b"\x00\x01",
        "MediaStorageSOPClassUID": CTImageStorage,
        "MediaStorageSOPInstanceUID": "2.25.1",
        "TransferSyntaxUID": ImplicitVRLittleEndian,
        "ImplementationClassUID": IMPLEMENTATION_CLASS_UID,
        "ImplementationVersionName": "CTNODE_0_1",
        "SendingApplicationEntityTitle": "SCU",
        "ReceivingApplicationEntityTitle": "CTNODE",
    }
    assert read.Rows == 16


@pytest.mark.parametrize("uid", ["1.2", "2.25.1", "1." + "3" * 62])
def test_the_offset_is_right_for_every_length_of_uid(uid: str) -> None:
    head = file_head(**(HEAD | {"sop_instance_uid": uid}))
    assert data_set_offset(head) == len(head)


UIDS = st.lists(st.integers(0, 10**12).map(str), min_size=1, max_size=5).map(".".join)
AE_TITLES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x7E, exclude_characters="\\"), max_size=16
)
"""PS3.5 6.2; leading and trailing spaces are not significant."""


@given(sop_class=UIDS, instance=UIDS, syntax=UIDS, sending=AE_TITLES, receiving=AE_TITLES)
def test_it_is_what_pydicom_writes(
    sop_class: str, instance: str, syntax: str, sending: str, receiving: str
) -> None:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(sop_class)
    meta.MediaStorageSOPInstanceUID = UID(instance)
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    meta.SendingApplicationEntityTitle = sending.strip()
    meta.ReceivingApplicationEntityTitle = receiving.strip()
    expected = DicomBytesIO()
    write_file_meta_info(expected, meta)
    head = file_head(
        sop_class_uid=sop_class,
        sop_instance_uid=instance,
        transfer_syntax_uid=syntax,
        sending_ae=sending.strip(),
        receiving_ae=receiving.strip(),
    )
    assert head == PREAMBLE + expected.getvalue()
    assert data_set_offset(head) == len(head)


@pytest.mark.parametrize("text", ["", "\u20ac\ud800\0", "9" * 100_000], ids=["empty", "no ASCII", "too long"])
@pytest.mark.parametrize("name", HEAD)
def test_any_text_makes_a_head(name: str, text: str) -> None:
    """A command set may hold anything; its data set is refused later, with a reason."""
    head = file_head(**(HEAD | {name: text}))
    assert head[128:132] == b"DICM" and data_set_offset(head) == len(head)


def test_what_we_call_ourselves_is_valid() -> None:
    assert is_uid(IMPLEMENTATION_CLASS_UID)
    assert len(IMPLEMENTATION_VERSION_NAME) <= 16  # PS3.7 D.3.3.2.3


@pytest.mark.peers
def test_dcmtk_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "x.dcm"
    file.write_bytes(file_head(**HEAD) + encoded(ct(), ImplicitVRLittleEndian))
    shown = dcmtk_run("dcmdump", "-q", "+P", "0002,0010", "+P", "0028,0010", file)
    assert shown.stdout.splitlines()[0].startswith("(0002,0010) UI =LittleEndianImplicit")
    assert shown.stdout.splitlines()[1].startswith("(0028,0010) US 16")
