"""The segment store: one write for each instance, which is on stable storage when it returns."""

from __future__ import annotations

from storage.arriving import MEMORY_BYTES, Arriving, Sink
from storage.blobs import answered
from storage.kept import Kept
from storage.segments.long import LongRecord
from storage.segments.record import HEADER_BYTES, PAGE_BYTES, Record, checksum, pack, pages
from storage.store import Arrival, Label


class SegmentStore(Kept):
    """`storage.store.Store` with `store: segments`."""

    def prepare(self) -> None:
        """Begin to write spare segments. Returns at once."""
        self._spares.look()

    def begin(self, head: bytes) -> Arriving:
        """Room for a data set, behind the head of its file. Raises Unavailable."""
        return Arriving(
            head,
            header_bytes=HEADER_BYTES,
            buffers=self._buffers,
            open_sink=self._long,
            memory_bytes=MEMORY_BYTES,
        )

    def _long(self) -> Sink:
        return LongRecord(self._folder, self._disk)

    def keep(self, arrival: Arrival, label: Label) -> str:
        """The instance is on stable storage when this returns its locator: the first promise.

        Raises:
            OutOfSpace: the disk or the quota is full.
            Unavailable: the file system refuses for another reason.
        """
        assert isinstance(arrival, Arriving)
        whole = pages(arrival.length)
        if not arrival.is_whole or whole > self._folder.segment_bytes - PAGE_BYTES:
            return self._keep_long(arrival, label)
        view = arrival.record
        segment, offset = self._held.place(whole)
        try:
            record = _with_header(arrival, label, view, segment.name, offset)
        except BaseException:
            segment.settle([offset])
            raise
        segment.append(view, offset)
        return record.locator

    def _keep_long(self, arrival: Arriving, label: Label) -> str:
        with answered():
            sink = arrival.outflow()
            assert isinstance(sink, LongRecord)
            view = arrival.record
            record = _with_header(arrival, label, view, sink.name, PAGE_BYTES)
            self._held.add(sink.settle(view[:PAGE_BYTES]))
        return record.locator


def _with_header(arrival: Arriving, label: Label, view: memoryview, segment: str, offset: int) -> Record:
    head_length = arrival.head_length
    record = Record(
        segment=segment,
        offset=offset,
        head_length=head_length,
        length=arrival.size_bytes,
        digest=arrival.digest(),
        head_checksum=checksum(view[HEADER_BYTES : HEADER_BYTES + head_length]),
        label=label,
    )
    view[:HEADER_BYTES] = pack(record)
    return record
