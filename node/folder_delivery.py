"""Objects into a folder: each becomes a DICOM file that is whole, or not there.

Its name is its SOP Instance UID, in a folder that has the name of the source series. Nothing is overwritten.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from node.destinations import FolderAddress
from node.outgoing import Outgoing
from node.scu import Sent
from node.store_status import Disposition
from storage.errors import PeerRefused, PeerUnavailable, Unreadable

NO_LINKS: Final = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})
"""A file system without hard links, such as SMB or FAT."""
NO_SYNC: Final = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
"""A file system that syncs files alone: some of SMB and of FUSE say so for folders (fsync(2))."""
NOT_OURS: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
"""The folder is there, and not for us: an administrator has to act."""


def put(way: FolderAddress, objects: Sequence[Outgoing], *, subfolder: str) -> Iterator[Sent]:
    """Write objects; each is yielded once, when its file is on stable storage.

    An object whose name is taken by other bytes is `Disposition.REFUSED`.

    Args:
        way: the folder, which exists: a mount that is away is not made up for.
        objects: DICOM files (`Outgoing.of_file`).
        subfolder: where below it; made if it is not there.

    Raises:
        PeerUnavailable: the folder is away or full: try again later.
        PeerRefused: it does not let us write: an administrator has to act.
    """
    for each in objects:
        try:
            disposition = _put(way.folder, subfolder, each)
        except OSError as error:
            raise _trouble(way, error) from error
        except Unreadable as error:
            yield _sent(each, Disposition.REFUSED, str(error))
            continue
        yield _sent(each, disposition, WORDS[disposition])


WORDS: Final = {
    Disposition.STORED: "written",
    Disposition.ALREADY_THERE: "the same file is there",
    Disposition.REFUSED: "a file with this name and other content is there",
}


def _trouble(way: FolderAddress, error: OSError) -> PeerUnavailable | PeerRefused:
    message = f"{way}: {error.strerror or error}"
    return PeerRefused(message) if error.errno in NOT_OURS else PeerUnavailable(message)


def _put(root: Path, subfolder: str, each: Outgoing) -> Disposition:
    content = _content(each)
    root.stat()  # it is not made: without its mount, files would go onto the wrong disk
    folder = root / subfolder
    with suppress(FileExistsError):
        folder.mkdir()
        _sync(root)
    name = folder / f"{each.sop_instance_uid}.dcm"
    part = folder / f".{each.sop_instance_uid}.{secrets.token_hex(4)}.part"
    if name.exists():
        return _compared(name, content)
    try:
        _write(part, content)
        settled = _named(part, name, content)
    finally:
        part.unlink(missing_ok=True)
    _sync(folder)
    return settled


def _content(each: Outgoing) -> bytes:
    """The whole file: results are short. Raises Unreadable."""
    assert isinstance(each.source, Path)  # results are files
    try:
        return each.source.read_bytes()
    except OSError as error:
        raise Unreadable(f"{each.source}: {error.strerror}") from error


def _compared(name: Path, content: bytes) -> Disposition:
    return Disposition.ALREADY_THERE if name.read_bytes() == content else Disposition.REFUSED


def _write(part: Path, content: bytes) -> None:
    """On stable storage when this returns."""
    with part.open("xb", buffering=0) as file:
        left = memoryview(content)
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())


def _named(part: Path, name: Path, content: bytes) -> Disposition:
    """Give the file its name in one step, unless somebody else took it meanwhile."""
    try:
        name.hardlink_to(part)
    except FileExistsError:
        return _compared(name, content)
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
        part.rename(name)
    return Disposition.STORED


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in NO_SYNC:
            raise
    finally:
        os.close(descriptor)


def _sent(each: Outgoing, disposition: Disposition, reason: str) -> Sent:
    return Sent(
        sop_instance_uid=str(each.sop_instance_uid),
        sop_class_uid=str(each.sop_class_uid),
        disposition=disposition,
        reason=reason,
    )
