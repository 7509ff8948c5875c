"""Plain files: each instance in a DICOM file of its own, whose name holds the start of its digest."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from pathlib import PurePosixPath

from storage.blobs import DIGEST_IN_NAME, Blobs, Shelf
from storage.digest import Digest
from storage.errors import Damaged, Unavailable
from storage.store import Label, Torn, Unindexed
from storage.stored import GROUP_LENGTH_END, Stored, feed, head_length


def find_plain(blobs: Blobs, path: str) -> Stored:
    """The file at a relative path, open. Raises OSError, Damaged, InvalidIdentity."""
    descriptor = os.open(blobs.absolute(path), os.O_RDONLY)
    try:
        return _stored(descriptor, path)
    except BaseException:
        os.close(descriptor)
        raise


def _stored(descriptor: int, path: str) -> Stored:
    length = os.fstat(descriptor).st_size
    head = head_length(os.pread(descriptor, GROUP_LENGTH_END, 0))
    if head > length:
        raise Damaged(f"{path}: head of {head} bytes in a file of {length}")
    named = digest_in_name(path)
    stored = Stored(
        descriptor=descriptor, where=path, start=0, length=length, head_length=head, check=lambda _: None
    )

    def check(digest: str) -> None:
        if digest[:DIGEST_IN_NAME] != named and _sha256(stored)[:DIGEST_IN_NAME] != named:
            now = digest[:DIGEST_IN_NAME]
            raise Damaged(f"{path}: acknowledged with the digest {named}..., now {now}...")

    return Stored(descriptor=descriptor, where=path, start=0, length=length, head_length=head, check=check)


def _sha256(stored: Stored) -> str:
    """What older files have in their names."""
    digest = hashlib.sha256()
    feed(stored, digest)
    return digest.hexdigest()


def digest_in_name(path: str) -> str:
    """The first digits of the digest, from SOP.DIGEST.dcm."""
    return PurePosixPath(path).stem.rpartition(".")[2]


def unindexed_plain(blobs: Blobs, from_day: str, known: Collection[str]) -> Iterator[Unindexed | Torn]:
    """The instances in plain files, from a day on, that are not known."""
    for path in blobs.paths(Shelf.INSTANCES, from_day=from_day):
        if path not in known:
            yield _look(blobs, path)


def _look(blobs: Blobs, path: str) -> Unindexed | Torn:
    try:
        stored = find_plain(blobs, path)
    except OSError as error:
        return Torn(where=path, reason=f"cannot be read: {error.strerror}")
    except Damaged as error:
        return Torn(where=path, reason=str(error))
    try:
        digest = Digest()
        feed(stored, digest)
        stored.check(digest.text())
        received_at = os.fstat(stored.descriptor).st_mtime
    except OSError as error:
        return Torn(where=path, reason=f"cannot be read: {error.strerror}")
    except (Damaged, Unavailable) as error:
        return Torn(where=path, reason=str(error))
    finally:
        os.close(stored.descriptor)
    return Unindexed(locator=path, label=_label(path, received_at), digest=digest.text())


def _label(path: str, received_at: float) -> Label:
    shelf, _day, series, file = PurePosixPath(path).parts
    return Label(
        shelf=Shelf(shelf),
        series_instance_uid=series,
        sop_instance_uid=file.removesuffix(".dcm").rpartition(".")[0],
        received_at=received_at,
        association_id=None,
    )
