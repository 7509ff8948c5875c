"""File systems of a test's own that can be filled, made read-only, and cut off like by a power cut."""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

EXT4_IOC_SHUTDOWN: Final = 0x8004587D
NO_LOG_FLUSH: Final = struct.pack("I", 2)
"""What is neither on the disk nor in the journal on the disk is lost."""
MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Disk:
    """An ext4 file system in a file, mounted on a folder."""

    image: Path
    folder: Path

    def mount(self) -> None:
        self.folder.mkdir(exist_ok=True)
        _run("mount", "-o", "loop,errors=remount-ro", str(self.image), str(self.folder))

    def unmount(self) -> None:
        _run("umount", str(self.folder))

    def read_only(self) -> None:
        """What the kernel does after an error of the file system, with files open for writing."""
        _run("mount", "-o", "remount,abort", str(self.folder))

    def mend(self) -> None:
        """What a person does then; nobody has a file open there."""
        self.unmount()
        subprocess.run(["fsck.ext4", "-f", "-y", str(self.image)], capture_output=True, check=False)
        self.mount()

    def cut_power(self) -> None:
        """Nothing more reaches the disk, nor does what the kernel still held: every call fails."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, NO_LOG_FLUSH)
        finally:
            os.close(descriptor)

    def fill(self, leave_bytes: int = 0) -> Path:
        """A file that takes all room but so much."""
        ballast = self.folder / "ballast"
        found = os.statvfs(self.folder)
        size = found.f_bavail * found.f_frsize - leave_bytes
        with ballast.open("wb") as file:
            while size > 0:
                try:
                    os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), min(size, MEGABYTE))
                except OSError:
                    break
                size -= MEGABYTE
        return ballast


@contextmanager
def ext4(folder: Path, size_mb: int) -> Iterator[Disk]:
    """A new one, mounted; the test is skipped where that is not allowed."""
    if os.geteuid() != 0:
        pytest.skip("only root mounts file systems")
    if shutil.which("mkfs.ext4") is None:
        pytest.skip("mkfs.ext4 is not installed")
    image = folder.with_suffix(".image")
    with image.open("wb") as file:
        file.truncate(size_mb * MEGABYTE)
    _run("mkfs.ext4", "-q", "-F", "-m", "0", str(image))
    disk = Disk(image=image, folder=folder)
    try:
        disk.mount()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no loop mount here: {error.stderr}")
    try:
        yield disk
    finally:
        with suppress(subprocess.CalledProcessError):
            disk.unmount()
        image.unlink()


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)
