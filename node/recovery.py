"""What a receiver does before it listens: the second promise after an unclean stop.

Bytes without a row (the stop came between them) are indexed; files that were being written go;
associations that were open are lost.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from sqlalchemy import Connection, func, select

from node.identity import check_identity, ineligible, parse_header
from node.part10 import data_set_offset
from pydicom.filereader import read_file_meta_info
from storage import arrivals, events, schema
from storage.blobs import Blobs, Shelf
from storage.errors import Refused
from storage.ledger import Ledger
from storage.records import Event, Instance

DAY_S: Final = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """What was found at the start."""

    unfinished: int  # files that were being written: removed, never acknowledged
    indexed: int  # instances whose row was written again from their bytes
    damaged: int  # files that are no readable instance: left where they are, and named in an event
    associations: int  # that were open when the receiver stopped


def recover(blobs: Blobs, ledger: Ledger, now: float) -> Recovered:
    """Make rows and bytes agree. Scans the files of the last day that has rows, and later."""
    unfinished = blobs.clear_incoming()
    with ledger.writing() as connection:
        lost = arrivals.close_lost_associations(connection, now)
        from_day = _last_day(connection)
    indexed = damaged = 0
    for path in blobs.paths(Shelf.INSTANCES, from_day=from_day):
        outcome = _index(blobs, ledger, path, now)
        indexed += outcome == "indexed"
        damaged += outcome == "damaged"
    return Recovered(unfinished=unfinished, indexed=indexed, damaged=damaged, associations=lost)


def _last_day(connection: Connection) -> str:
    last = connection.execute(select(func.max(schema.instance.c.received_at))).scalar()
    if last is None:
        return ""
    return datetime.fromtimestamp(last - DAY_S, UTC).strftime("%Y-%m-%d")


def _index(blobs: Blobs, ledger: Ledger, path: str, now: float) -> str:
    with ledger.reading() as connection:
        table = schema.instance
        if connection.execute(select(table.c.path).where(table.c.path == path)).first() is not None:
            return "known"
    try:
        instance = _read(blobs, path, now)
    except Refused as error:
        about = Event(at=now, kind="damaged file", subject=path[-128:], detail=str(error))
        with ledger.writing() as connection:
            events.tell(connection, about)
        return "damaged"
    with ledger.writing() as connection:
        return "indexed" if arrivals.add_instance(connection, instance) else "known"


def _read(blobs: Blobs, path: str, now: float) -> Instance:
    file = blobs.absolute(path)
    content = file.read_bytes()
    meta = read_file_meta_info(file)
    data_set = content[data_set_offset(content) :]
    header, has_pixels = parse_header(data_set, meta.TransferSyntaxUID)
    check_identity(
        header,
        sop_class_uid=str(meta.MediaStorageSOPClassUID),
        sop_instance_uid=str(meta.MediaStorageSOPInstanceUID),
    )
    return Instance(
        header=header,
        transfer_syntax_uid=str(meta.TransferSyntaxUID),
        digest=hashlib.sha256(data_set).hexdigest(),
        size_bytes=len(content),
        path=path,
        received_at=now,
        association_id=None,
        ineligible=ineligible(header, has_pixels),
    )
