"""One object on its way out, as the bytes that it is stored in."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO, FileIO
from pathlib import Path
from typing import Final, Self

from pydicom.dataset import Dataset
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import decode, encode, split_dataset

from storage.errors import Unreadable
from storage.geometry.frames import PARSE_ERRORS

CONVERTIBLE: Final = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
"""Between these, a data set can be re-encoded without touching a value (PS3.5 A.1, A.2)."""

PREFIX: Final = b"DICM"
PREFIX_END: Final = 132  # PS3.10 7.1: 128 bytes, then the prefix

_META: Final = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")


def is_dicom_file(path: Path) -> bool:
    """Whether a file begins with the preamble and prefix of PS3.10 7.1.

    Raises:
        Unreadable: the file cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(PREFIX_END)[-len(PREFIX) :] == PREFIX
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """An encoded data set, to be read in pieces: as much memory as one of them."""

    source: Path | bytes = field(repr=False)  # the file that holds it, or the data set itself
    size_bytes: int
    offset: int = 0  # where it begins in the file

    @classmethod
    def of_bytes(cls, data_set: bytes) -> Self:
        """A data set in memory."""
        return cls(source=data_set, size_bytes=len(data_set))

    @contextmanager
    def pieces(self, into: memoryview) -> Iterator[Iterator[memoryview]]:
        """The data set, each piece as long as `into` but the last; valid until the next one is asked for.

        A file is read, not mapped: one that is cut meanwhile would kill the process.

        Raises:
            Unreadable: the file is gone, or ends too early.
        """
        if isinstance(self.source, bytes):
            whole = memoryview(self.source)
            yield (whole[at : at + len(into)] for at in range(0, len(whole), len(into)))
            return
        with _opened(self.source) as file:
            yield _read(file, self.source, into, offset=self.offset, size_bytes=self.size_bytes)


@dataclass(frozen=True, kw_only=True)
class Outgoing:
    """A SOP instance to be sent."""

    sop_class_uid: UID
    sop_instance_uid: UID
    transfer_syntax_uid: UID  # in which the data set is encoded
    source: Path | bytes = field(repr=False)  # the file, or the encoded data set itself
    offset: int = 0  # where the data set begins in the file
    size_bytes: int | None = None  # of the data set in the file, which may hold more; None: to its end

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """A DICOM file (PS3.10 7.1). Only its head is read now.

        Raises:
            Unreadable: no DICOM file, its File Meta Information lacks a UID, or nothing follows it.
        """
        try:
            meta, offset = split_dataset(path)
            file_bytes = path.stat().st_size
            missing = [keyword for keyword in _META if not meta.get(keyword)]
            uids = [UID(str(meta.get(keyword))) for keyword in _META]
        except (OSError, *PARSE_ERRORS) as error:
            raise Unreadable(f"{path}: no DICOM file: {error}") from error
        if file_bytes <= offset:
            raise Unreadable(f"{path}: holds no data set")
        if missing:
            raise Unreadable(f"{path}: File Meta Information lacks {', '.join(missing)}")
        return cls(
            sop_class_uid=uids[0],
            sop_instance_uid=uids[1],
            transfer_syntax_uid=uids[2],
            source=path,
            offset=offset,
        )

    @classmethod
    def of_dataset(cls, dataset: Dataset) -> Self:
        """A data set in memory, encoded now in the transfer syntax of its File Meta Information.

        Raises:
            Unreadable: it cannot be encoded.
        """
        syntax = UID(str(dataset.file_meta.TransferSyntaxUID))
        encoded = _encoded(dataset, syntax)
        return cls(
            sop_class_uid=UID(str(dataset.SOPClassUID)),
            sop_instance_uid=UID(str(dataset.SOPInstanceUID)),
            transfer_syntax_uid=syntax,
            source=encoded,
        )

    @property
    def syntaxes(self) -> tuple[UID, ...]:
        """The transfer syntaxes in which it can be sent, its own one first."""
        own = self.transfer_syntax_uid
        return (own, *(uid for uid in CONVERTIBLE if uid != own)) if own in CONVERTIBLE else (own,)

    def data_set(self, syntax: UID) -> Encoded:
        """The encoded data set: the very bytes it is stored in, when the syntax is its own.

        Raises:
            Unreadable: the file is gone, holds no data set, or it cannot be re-encoded.
        """
        stored = self._stored()
        if not stored.size_bytes:
            raise Unreadable(f"instance {self.sop_instance_uid} has no data set")
        if syntax == self.transfer_syntax_uid:
            return stored
        with stored.pieces(memoryview(bytearray(stored.size_bytes))) as pieces:
            whole = b"".join(pieces)
        implicit = self.transfer_syntax_uid == ImplicitVRLittleEndian
        return Encoded.of_bytes(_encoded(decode(BytesIO(whole), implicit, True), syntax))

    def _stored(self) -> Encoded:
        if isinstance(self.source, bytes):
            return Encoded.of_bytes(self.source)
        size_bytes = self.size_bytes
        if size_bytes is None:
            try:
                size_bytes = max(0, self.source.stat().st_size - self.offset)
            except OSError as error:
                raise Unreadable(f"{self.source}: {error.strerror}") from error
        return Encoded(source=self.source, offset=self.offset, size_bytes=size_bytes)


def _opened(path: Path) -> FileIO:
    try:
        return path.open("rb", buffering=0)
    except OSError as error:
        raise Unreadable(f"{path}: {error.strerror}") from error


def _read(
    file: FileIO, path: Path, into: memoryview, *, offset: int, size_bytes: int
) -> Iterator[memoryview]:
    while size_bytes:
        piece = into[: min(size_bytes, len(into))]
        count = 0
        while count < len(piece):
            try:
                read = os.preadv(file.fileno(), [piece[count:]], offset + count)
            except OSError as error:
                raise Unreadable(f"{path}: {error.strerror}") from error
            if not read:
                raise Unreadable(f"{path}: {size_bytes - count} bytes are missing at its end")
            count += read
        offset, size_bytes = offset + count, size_bytes - count
        yield piece


def _encoded(dataset: Dataset, syntax: UID) -> bytes:
    encoded = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    if encoded is None:
        raise Unreadable(f"instance {dataset.get('SOPInstanceUID', '?')} cannot be encoded as {syntax.name}")
    return encoded
