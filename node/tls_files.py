"""The files of `tls`: whether they are there, whether they changed, and when our certificate ends."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from node.certificates import PEM_BEGIN, not_after
from node.config import Tls
from storage.errors import ConfigError

TlsFiles = Mapping[str, Path]
"""Key of `tls` -> file."""

Fingerprint = tuple[tuple[int, int, int] | None, ...]
"""Of each file its inode, size in bytes and time of change in ns; None for one that is not there."""

_HOLDS: Final[Mapping[str, tuple[str, str]]] = {
    "certificate": (PEM_BEGIN, "certificate"),
    "key": ("PRIVATE KEY-----", "private key"),
    "authorities": (PEM_BEGIN, "certificate"),
}
"""Key of `tls` -> what its file must hold, and its name."""


def check(files: TlsFiles) -> None:
    """Whether every file can be read and holds what its key asks for.

    Raises:
        ConfigError: one does not; the message names its key and path.
    """
    for key, path in files.items():
        mark, name = _HOLDS[key]
        if mark not in _text(key, path):
            raise ConfigError(f"tls.{key}: {path} holds no {name} in PEM form")


def fingerprint(files: TlsFiles) -> Fingerprint:
    """What shows that a file was written or replaced."""
    return tuple(_mark(path) for path in files.values())


def expires_in_s(tls: Tls, *, now: float) -> float | None:
    """Seconds until our certificate, or one of its chain, ends; negative after it. None without one.

    Args:
        tls: the configuration.
        now: seconds since the epoch.

    Raises:
        ConfigError: the certificate cannot be read.
    """
    if tls.certificate is None:
        return None
    try:
        ends = not_after(_text("certificate", tls.certificate))
    except ValueError as error:
        raise ConfigError(f"tls.certificate: {tls.certificate}: {error}") from error
    return min(end.timestamp() for end in ends) - now if ends else None


def _text(key: str, path: Path) -> str:
    try:
        return path.read_text(encoding="latin-1")
    except OSError as error:
        raise ConfigError(f"tls.{key}: {path}: {error.strerror or error}") from error


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
