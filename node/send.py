"""`ctnode send`: files and folders to a peer, as they are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pydicom.uid import MediaStorageDirectoryStorage

from node.addresses import PeerAddress
from node.outgoing import Outgoing, is_dicom_file
from node.scu import DEFAULT_TIMEOUTS, Sent, store
from node.store_status import Disposition
from node.transport import Timeouts
from storage.errors import PeerRefused, PeerUnavailable, Unreadable

Kind = tuple[Disposition, int | None, str]
"""What the summary counts: what became of objects, the status, its meaning."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a file or folder holds."""

    objects: tuple[Outgoing, ...]  # in the order of their paths
    skipped: int  # files that are no DICOM files, and DICOMDIR
    broken: tuple[str, ...]  # DICOM files, or files that cannot be opened, and why they cannot be sent


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What came of sending."""

    sent: tuple[Sent, ...]  # what the peer was asked to store
    not_sent: int  # objects left when an association could not be had
    errors: tuple[str, ...]  # why it could not be had

    @property
    def complete(self) -> bool:
        """Whether the peer has every object."""
        return self.not_sent == 0 and all(each.disposition.settled for each in self.sent)

    @property
    def counts(self) -> Counter[Kind]:
        """How many objects of each kind."""
        return Counter((each.disposition, each.status, each.reason) for each in self.sent)

    def comment(self, kind: Kind) -> str:
        """The first Error Comment (0000,0902) that came with a kind; '' without."""
        kin = (each for each in self.sent if (each.disposition, each.status, each.reason) == kind)
        return next((each.comment for each in kin if each.comment), "")


def find(path: Path) -> Found:
    """The DICOM objects in a file or in a folder and below it.

    A DICOMDIR describes a medium and is not stored by C-STORE (PS3.4 B.5 has no such SOP class).
    """
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    objects: list[Outgoing] = []
    broken: list[str] = []
    for file in files:
        try:
            if (each := _object(file)) is not None:
                objects.append(each)
        except Unreadable as error:
            broken.append(str(error))
    skipped = len(files) - len(objects) - len(broken)
    return Found(objects=tuple(objects), skipped=skipped, broken=tuple(broken))


def _object(file: Path) -> Outgoing | None:
    if not is_dicom_file(file):
        return None
    each = Outgoing.of_file(file)
    return None if each.sop_class_uid == MediaStorageDirectoryStorage else each


def send(
    called: PeerAddress,
    objects: Sequence[Outgoing],
    *,
    calling_ae: str,
    jobs: int = 1,
    on_sent: Callable[[Sent], object] = id,
    timeouts: Timeouts = DEFAULT_TIMEOUTS,
) -> Summary:
    """Send objects over `jobs` associations at the same time; nothing is sent again after a failure.

    Args:
        called: the peer.
        objects: what to send; each association gets a run of neighbours.
        calling_ae: what we call ourselves.
        jobs: how many associations, at least 1.
        on_sent: told of every object, from several threads.
        timeouts: how long each step may take.
    """
    share = -(-len(objects) // jobs) or 1
    shares = [objects[begin : begin + share] for begin in range(0, len(objects), share)]

    def work(part: Sequence[Outgoing]) -> tuple[list[Sent], str]:
        done: list[Sent] = []
        try:
            for each in store(called, part, calling_ae=calling_ae, timeouts=timeouts):
                done.append(each)
                on_sent(each)
        except (PeerUnavailable, PeerRefused) as error:
            return done, str(error)
        return done, ""

    with ThreadPoolExecutor(max_workers=jobs) as pool:
        results = list(pool.map(work, shares))
    sent = tuple(each for done, _ in results for each in done)
    errors = tuple(dict.fromkeys(error for _, error in results if error))
    return Summary(sent=sent, not_sent=len(objects) - len(sent), errors=errors)
