"""What a receiver does before it listens: the second promise after an unclean stop.

Bytes without a row (the stop came between them) are indexed; files that were being written go;
associations that were open are lost.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Final

from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filereader import read_file_meta_info
from sqlalchemy import Connection, func, select

from node.identity import check_identity, ineligible, parse
from node.intake import conflict
from node.part10 import HEAD_BYTES, data_set_offset
from node.retry import DAY_S
from storage import arrivals, events, schema
from storage.blobs import BlobName, Blobs, Shelf
from storage.errors import Refused, Unreadable
from storage.installation import patient_key
from storage.ledger import Ledger
from storage.records import Event, Instance

DAMAGED: Final = "damaged file"
_META_ERRORS: Final = (AttributeError, EOFError, LookupError, TypeError, ValueError, struct.error)
"""What pydicom raises on bytes that are no file meta information."""


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What was found at the start."""

    unfinished: int  # files that were being written: removed, never acknowledged
    indexed: int  # instances whose row was written again from their bytes
    damaged: int  # files that are no readable instance, or contradict the ledger: left, and told in an event
    associations: int  # that were open when the receiver stopped


def recover(blobs: Blobs, ledger: Ledger, now: float) -> Recovered:
    """Make rows and bytes agree. Scans the files of the last day that has rows, of its eve, and later.

    No file stops the start. Raises LedgerDown, for without the ledger nothing can be acknowledged.
    """
    unfinished, key = blobs.clear_incoming(), patient_key(blobs.root)
    with ledger.writing() as connection:
        lost = arrivals.close_lost_associations(connection, now)
        from_day = _last_day(connection, now)
        known = _known(connection, from_day)
    indexed = damaged = 0
    for path in blobs.paths(Shelf.INSTANCES, from_day=from_day):
        if path in known:
            continue
        try:
            indexed += _index(blobs, ledger, path, now, key)
        except Refused as error:
            damaged += 1
            _tell(ledger, path, error, now)
    return Recovered(unfinished=unfinished, indexed=indexed, damaged=damaged, associations=lost)


def _last_day(connection: Connection, now: float) -> str:
    last = connection.execute(select(func.max(schema.instance.c.received_at))).scalar()
    if last is None:
        return ""
    return datetime.fromtimestamp(min(last, now) - DAY_S, UTC).strftime("%Y-%m-%d")


def _known(connection: Connection, from_day: str) -> set[str]:
    path = schema.instance.c.path
    return set(connection.execute(select(path).where(path >= f"{Shelf.INSTANCES}/{from_day}")).scalars())


def _tell(ledger: Ledger, path: str, error: Refused, now: float) -> None:
    """Once for each file: it stays where it is, and every start finds it again."""
    about = Event(at=now, kind=DAMAGED, subject=path[-128:], detail=str(error))
    with ledger.writing() as connection:
        told = events.recent(connection, 1, subject=about.subject)
        if not told or told[0].detail != about.detail:
            events.tell(connection, about)


def _index(blobs: Blobs, ledger: Ledger, path: str, now: float, key: bytes) -> bool:
    instance = _read(blobs, path, now, key)
    header = instance.header
    with ledger.writing() as connection:
        stored = arrivals.find_instance(connection, header.sop_instance_uid)
        study = arrivals.study_of(connection, header.series_instance_uid)
        contradiction = conflict(header, instance.digest, stored, study)
        if contradiction is not None:
            raise contradiction
        return arrivals.add_instance(connection, instance)


def _read(blobs: Blobs, path: str, now: float, key: bytes) -> Instance:
    file = blobs.absolute(path)
    try:
        meta, (offset, data_set) = _meta(file), _data_set(file)
    except OSError as error:
        raise Unreadable(f"the file cannot be read: {error.strerror}") from error
    contents = parse(data_set, str(meta.TransferSyntaxUID), key)
    check_identity(
        contents.header,
        sop_class_uid=str(meta.MediaStorageSOPClassUID),
        sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
    )
    instance = Instance(
        header=contents.header,
        transfer_syntax_uid=str(meta.TransferSyntaxUID),
        digest=hashlib.sha256(data_set).hexdigest(),
        size_bytes=offset + len(data_set),
        path=path,
        received_at=now,
        association_id=None,
        ineligible=ineligible(contents.header, contents.has_pixels),
        slices=contents.slices,
        patient=contents.patient,
    )
    _check_name(instance)
    return instance


def _data_set(file: Path) -> tuple[int, bytes]:
    """Where the data set begins, and its bytes: once in memory, for an image may be of gigabytes."""
    with file.open("rb", buffering=0) as content:  # a buffer would be joined with the rest: twice the memory
        offset = data_set_offset(content.read(HEAD_BYTES))
        content.seek(offset)
        return offset, content.read()


def _meta(file: Path) -> FileMetaDataset:
    try:
        meta = read_file_meta_info(file)
        _ = meta.TransferSyntaxUID, meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    except (*_META_ERRORS, InvalidDicomError) as error:
        raise Unreadable(f"no file meta information: {type(error).__name__}") from error
    return meta


def _check_name(instance: Instance) -> None:
    """The name holds series, instance and digest as they were acknowledged: bytes that changed are found."""
    name = BlobName(
        shelf=Shelf.INSTANCES,
        arrived_at=instance.received_at,
        series_instance_uid=instance.header.series_instance_uid,
        sop_instance_uid=instance.header.sop_instance_uid,
        digest=instance.digest,
    )
    expected, found = (PurePosixPath(path).parts[-2:] for path in (name.path, instance.path))
    if expected != found:
        raise Unreadable(f"the bytes are not those of the name: they are of {'/'.join(expected)}")
