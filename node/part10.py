"""The head of a DICOM file around a data set that is kept as it came (PS3.10 7.1)."""

from __future__ import annotations

from typing import Final

from pydicom.dataset import FileMetaDataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

IMPLEMENTATION_CLASS_UID: Final = UID("2.25.190746308264170263861041379287302170271")
IMPLEMENTATION_VERSION_NAME: Final = "CTNODE_0_1"
PREAMBLE: Final = b"\0" * 128 + b"DICM"
HEAD_BYTES: Final = 144
"""Preamble, prefix and File Meta Information Group Length (0002,0000): enough to find the data set."""


def file_head(
    *,
    sop_class_uid: str,
    sop_instance_uid: str,
    transfer_syntax_uid: str,
    sending_ae: str,
    receiving_ae: str,
) -> bytes:
    """Preamble and file meta information; the data set follows, byte for byte as received."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    meta.ImplementationClassUID = IMPLEMENTATION_CLASS_UID
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    meta.SendingApplicationEntityTitle = sending_ae
    meta.ReceivingApplicationEntityTitle = receiving_ae
    head = DicomBytesIO()
    write_file_meta_info(head, meta)
    return PREAMBLE + head.getvalue()


def data_set_offset(head: bytes) -> int:
    """Where the data set begins in a file that starts with these bytes (132 + 12 + group length)."""
    group_length = int.from_bytes(head[140:HEAD_BYTES], "little")
    return HEAD_BYTES + group_length
