"""The file of an instance, wherever it is: in a folder, or in the store of the node."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from storage.errors import Damaged, Unavailable
from storage.records import Instance, PixelPlace
from storage.store import Store


class InstanceFile(Protocol):
    """A DICOM file (PS3.10 7.1) to read from."""

    def open(self) -> BinaryIO:
        """The file, from its preamble on, for the caller to close.

        Raises:
            OSError: of a file in a folder.
            Damaged, Unavailable: of an instance in the store.
        """
        ...

    def read(self, offset: int, into: memoryview) -> None:
        """The bytes from an offset on, until the view is full. Raises as `open`, and EOFError."""
        ...

    @property
    def pixels(self) -> PixelPlace | None:
        """Where the pixels are, if that is known and no decoder is needed."""
        ...


@dataclass(frozen=True, kw_only=True)
class FolderFile:
    """A file in a folder; as a rule nothing is known of it before it is read."""

    path: Path
    pixels: PixelPlace | None = None

    def open(self) -> BinaryIO:
        """The file. Raises OSError."""
        return self.path.open("rb")

    def read(self, offset: int, into: memoryview) -> None:
        """The bytes from an offset on. Raises OSError, EOFError."""
        with self.open() as file:
            fill(file, offset, into)


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """The file of an instance in the store: its bytes are those that were acknowledged, or it is Damaged."""

    store: Store
    instance: Instance  # its row

    def open(self) -> BinaryIO:
        """The file, its digest checked. Raises Damaged, Unavailable; both name the instance."""
        try:
            return self.store.open(self.instance.path)
        except (Damaged, Unavailable) as error:
            raise self._named(error) from error

    def read(self, offset: int, into: memoryview) -> None:
        """The bytes from an offset on, the digest checked. Raises Damaged, Unavailable."""
        try:
            self.store.read_pixels(self.instance.path, offset, into)
        except (Damaged, Unavailable) as error:
            raise self._named(error) from error

    @property
    def pixels(self) -> PixelPlace | None:
        """What the index has."""
        return self.instance.pixels

    def _named(self, error: Damaged | Unavailable) -> Damaged | Unavailable:
        return type(error)(f"instance {self.instance.header.sop_instance_uid}: {error}")


def fill(file: BinaryIO, offset: int, into: memoryview) -> None:
    """The bytes of an open file from an offset on, until the view is full. Raises OSError, EOFError."""
    file.seek(offset)
    while len(into):
        count = file.readinto(into)  # type: ignore[attr-defined]  # every binary file has it
        if not count:
            raise EOFError(f"the file ends {len(into)} bytes too early")
        into = into[count:]
