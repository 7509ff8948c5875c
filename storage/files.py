"""The simple store: each instance in a DICOM file of its own (`store: files`)."""

from __future__ import annotations

from storage.arriving import Arriving, Sink
from storage.blobs import BlobName, Blobs, Part, answered
from storage.kept import Kept
from storage.store import Arrival, Label


class FileStore(Kept):
    """`storage.store.Store` with `store: files`."""

    def prepare(self) -> None:
        """Nothing is needed ahead."""

    def begin(self, head: bytes) -> Arriving:
        """Room for a data set, behind the head of its file. Raises Unavailable."""
        return Arriving(head, header_bytes=0, buffers=self._buffers, open_sink=self._long)

    def _long(self) -> Sink:
        return LongFile(self.blobs)

    def keep(self, arrival: Arrival, label: Label) -> str:
        """The instance is on stable storage when this returns its locator: the first promise.

        Raises:
            OutOfSpace: the disk or the quota is full.
            Unavailable: the file system refuses for another reason.
        """
        assert isinstance(arrival, Arriving)
        name = BlobName(
            shelf=label.shelf,
            arrived_at=label.received_at,
            series_instance_uid=label.series_instance_uid,
            sop_instance_uid=label.sop_instance_uid,
            digest=arrival.digest(),
        )
        if arrival.is_whole:
            return self.blobs.put(name, [arrival.record[: arrival.length]])
        with answered():
            sink = arrival.outflow()
            assert isinstance(sink, LongFile)
            return sink.settle(name, arrival.length)


class LongFile:
    """A file too long for the memory: written while it is received (`storage.arriving.Sink`)."""

    def __init__(self, blobs: Blobs) -> None:
        self._part: Part = blobs.part()

    def write(self, view: memoryview, offset: int) -> None:  # noqa: ARG002 - a file is written from its start on
        """The next bytes."""
        self._part.write(view)

    def settle(self, name: BlobName, length: int) -> str:
        """Cut off the last page's zeros, and name it."""
        self._part.truncate(length)
        return self._part.settle(name)

    def discard(self) -> None:
        """Remove it, unless it has its name."""
        self._part.discard()
