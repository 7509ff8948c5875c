"""An instance that was acknowledged and whose row may be missing, read again from its bytes."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Final

from pydicom import dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError

from node.identity import check_identity, ineligible, parse
from node.intake import in_file
from node.part10 import HEAD_BYTES, data_set_offset
from storage.errors import Unreadable
from storage.records import Instance
from storage.store import FileRange, Store, Unindexed

BEGINNING_BYTES: Final = 64 << 20
"""Of a longer file, no more than this is read: what is asked of it stands before its pixels."""
_META_ERRORS: Final = (AttributeError, EOFError, LookupError, TypeError, ValueError, struct.error)
"""What pydicom raises on bytes that are no file meta information."""


def read_again(store: Store, found: Unindexed, patient_key: bytes) -> Instance:
    """The instance as it was received.

    Raises:
        Unreadable, InvalidIdentity: the file is no instance, or not the one that was acknowledged.
        Unavailable: the file system refuses.
    """
    place, label = store.range(found.locator), found.label
    content = _beginning(place)
    offset = data_set_offset(content[:HEAD_BYTES])
    meta = _meta(content[:offset])
    syntax = str(meta.TransferSyntaxUID)
    contents = parse(
        memoryview(content)[offset:], syntax, patient_key, total_bytes=max(place.length - offset, 0)
    )
    header = contents.header
    check_identity(
        header,
        sop_class_uid=str(meta.MediaStorageSOPClassUID),
        sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
    )
    said = (header.series_instance_uid, header.sop_instance_uid)
    kept = (label.series_instance_uid, label.sop_instance_uid)
    if said != kept:
        raise Unreadable(f"it was kept as {'/'.join(kept)}, and says {'/'.join(said)}")
    return Instance(
        header=header,
        transfer_syntax_uid=syntax,
        digest=found.digest,
        size_bytes=place.length,
        path=found.locator,
        received_at=label.received_at,
        association_id=label.association_id,
        ineligible=ineligible(header, contents.has_pixels),
        slices=contents.slices,
        patient=contents.patient,
        pixels=in_file(contents.pixels, offset),
    )


def _beginning(place: FileRange) -> bytes:
    """Once in memory: a buffer would be joined with the rest, which is twice the memory."""
    try:
        with place.path.open("rb", buffering=0) as file:
            file.seek(place.offset)
            return file.read(min(place.length, BEGINNING_BYTES))
    except OSError as error:
        raise Unreadable(f"the file cannot be read: {error.strerror}") from error


def _meta(head: bytes) -> FileMetaDataset:
    try:
        meta = dcmread(BytesIO(head)).file_meta
        _ = meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    except (*_META_ERRORS, InvalidDicomError) as error:
        raise Unreadable(f"no file meta information: {type(error).__name__}") from error
    return meta
