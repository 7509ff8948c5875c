"""One object on its way out, as the bytes that it is stored in."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Final, Self

from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.uid import UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import decode, encode, split_dataset

from storage.errors import Unreadable

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
class Outgoing:
    """A SOP instance to be sent."""

    sop_class_uid: UID
    sop_instance_uid: UID
    transfer_syntax_uid: UID  # in which the data set is encoded
    source: Path | bytes = field(repr=False)  # the file, or the encoded data set itself
    offset: int = 0  # where the data set begins in the file

    @classmethod
    def of_file(cls, path: Path) -> Self:
        """A DICOM file (PS3.10 7.1). Only its head is read now.

        Raises:
            Unreadable: no DICOM file, its File Meta Information lacks a UID, or nothing follows it.
        """
        try:
            meta, offset = split_dataset(path)
        except (InvalidDicomError, OSError, EOFError, ValueError, struct.error) as error:
            raise Unreadable(f"{path}: no DICOM file: {error}") from error
        if path.stat().st_size <= offset:
            raise Unreadable(f"{path}: holds no data set")
        missing = [keyword for keyword in _META if not meta.get(keyword)]
        if missing:
            raise Unreadable(f"{path}: File Meta Information lacks {', '.join(missing)}")
        uids = [UID(str(meta[keyword].value)) for keyword in _META]
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

    def data_set(self, syntax: UID) -> bytes:
        """The encoded data set: the very bytes it is stored in, when the syntax is its own.

        Raises:
            Unreadable: the file is gone or cannot be re-encoded.
        """
        stored = self._stored()
        if syntax == self.transfer_syntax_uid:
            return stored
        implicit = self.transfer_syntax_uid == ImplicitVRLittleEndian
        return _encoded(decode(BytesIO(stored), implicit, True), syntax)

    def _stored(self) -> bytes:
        if isinstance(self.source, bytes):
            return self.source
        try:
            with self.source.open("rb") as file:
                file.seek(self.offset)
                return file.read()
        except OSError as error:
            raise Unreadable(f"{self.source}: {error.strerror}") from error


def _encoded(dataset: Dataset, syntax: UID) -> bytes:
    encoded = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian, syntax.is_deflated)
    if encoded is None:
        raise Unreadable(f"instance {dataset.get('SOPInstanceUID', '?')} cannot be encoded as {syntax.name}")
    return encoded
