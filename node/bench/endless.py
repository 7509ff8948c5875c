"""A sender that goes on until it is told to stop, and counts: new series of the same slices, pass after pass.

As `node.bench.sender` it costs next to nothing: its requests are in memory, and each pass only writes another
number over the last digits of their UIDs, so that no instance is one that the receiver has.

Run as `python -m node.bench.endless PORT CALLED DESCRIPTOR NUMBER`, the files of one series on standard
input one a line, then an empty line. It prints `ready` and sends. In the shared memory of the descriptor the
counter of that number says how many instances were answered with success. At SIGTERM it prints how many were
refused.
"""

from __future__ import annotations

import mmap
import signal
import sys
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any, Final

from pydicom import dcmread
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom.presentation import build_context

from node.bench.sender import Peer, association_request, requests

COUNTER_BYTES: Final = 8
DIGITS: Final = 8
"""Of a UID, at its end: the number of the pass."""


class Request:
    """The PDUs of one C-STORE request, of which the UIDs can be changed."""

    def __init__(self, file: Path, number: int, largest_pdu: int) -> None:
        """As `node.bench.sender.requests`; raises ValueError where a UID is not where it is looked for."""
        self.content = bytearray(b"".join(requests(file, number, largest_pdu)))
        ds: Any = dcmread(file, specific_tags=["SOPInstanceUID", "SeriesInstanceUID"])
        instance, series = str(ds.SOPInstanceUID).encode(), str(ds.SeriesInstanceUID).encode()
        self._ends = (*_ends(self.content, instance, times=2), *_ends(self.content, series, times=1))

    def renumber(self, number: int) -> None:
        """Make it an instance of another series, both of this pass."""
        digits = f"{number:0{DIGITS}}".encode()
        for end in self._ends:
            self.content[end - DIGITS : end] = digits


def _ends(content: bytearray, uid: bytes, *, times: int) -> Iterator[int]:
    """Where a UID ends: in the command set and in the data set, or in one of them."""
    if content.count(uid) != times or not uid[-DIGITS - 1 :].isdigit():
        raise ValueError(f"{uid.decode()} is not {times} times in its request, or ends with too few digits")
    at = -1
    for _ in range(times):
        at = content.index(uid, at + 1)
        yield at + len(uid)


class Counter:
    """A number in memory that processes share.

    Each reads and writes it whole: `struct` writes zeros first, and then byte after byte.
    """

    def __init__(self, descriptor: int, number: int) -> None:
        """The NUMBERth of those in the memory of a descriptor."""
        self._numbers, self._number = memoryview(mmap.mmap(descriptor, 0)).cast("Q"), number

    def write(self, value: int) -> None:
        """Replace it."""
        self._numbers[self._number] = value

    def read(self) -> int:
        """What it is now."""
        return self._numbers[self._number]


def send(peer: Peer, prepared: Sequence[Request], counter: Counter, stopping: list[int]) -> int:
    """One instance, and more until something is in `stopping`; how many were refused."""
    refused = 0
    for sent in count():
        request = prepared[sent % len(prepared)]
        request.renumber(sent // len(prepared))
        refused += peer.store([memoryview(request.content)]) != 0
        counter.write(sent + 1 - refused)
        if stopping:
            break
    return refused


def main() -> None:
    """Send what standard input names."""
    port, called, descriptor, number = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    files = [Path(line.rstrip("\n")) for line in iter(sys.stdin.readline, "\n")]
    sop_class = UID(str(dcmread(files[0], specific_tags=["SOPClassUID"]).SOPClassUID))
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda signum, _: stopping.append(signum))
    peer = Peer(port, association_request(called, [build_context(sop_class, [ExplicitVRLittleEndian])]))
    prepared = [Request(file, n, peer.largest_pdu) for n, file in enumerate(files, start=1)]
    print("ready", flush=True)  # noqa: T201 - to the process that started this one
    refused = send(peer, prepared, Counter(descriptor, number), stopping)
    peer.release()
    print(refused, flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
