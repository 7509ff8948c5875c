"""BodyPartRegression's published files, from the zip as it is downloaded or from a folder.

Nothing is unpacked to disk: an entry is read into memory, up to its limit, or refused.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO, Final

from storage.errors import ConfigError

CONFIG: Final = "config.json"
SETTINGS: Final = "inference-settings.json"
WEIGHTS: Final = "model.pt"

MOST_BYTES: Final = {CONFIG: 2**20, SETTINGS: 2**22, WEIGHTS: 2**28}
"""The files that are read, and how long each may be. The published weights are 60 MB; a Lightning
checkpoint also holds the optimizer's two copies of them."""

MOST_ENTRIES: Final = 1000
"""An archive of more entries is not BodyPartRegression's."""

PICKLED_CONFIG: Final = "config.p"
"""Older models have their configuration as a pickle, which can run any program when it is read."""

ZIP_ERRORS: Final = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, OSError)
"""What zipfile raises on damage, encryption (RuntimeError) and unknown compression."""


def read_files(path: Path) -> dict[str, bytes]:
    """The three files by name.

    Args:
        path: `public_bpr_model.zip`, or a folder that holds what it holds.

    Raises:
        ConfigError: a file is missing, twice there, too long or damaged, or an entry leaves the archive.
    """
    if path.is_dir():
        return _from_folder(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _from_zip(archive, path)
    except ZIP_ERRORS as error:
        raise ConfigError(f"{path} cannot be read as a zip: {error}") from error


def _from_folder(path: Path) -> dict[str, bytes]:
    _all_there({p.name for p in path.iterdir()}, path)
    found = {}
    for name in MOST_BYTES:
        try:
            with (path / name).open("rb") as file:
                found[name] = limited(file, name, path)
        except OSError as error:
            raise ConfigError(f"{path / name} cannot be read: {error.strerror}") from error
    return found


def _from_zip(archive: zipfile.ZipFile, path: Path) -> dict[str, bytes]:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise ConfigError(f"{path} has {len(entries)} entries; at most {MOST_ENTRIES} are read")
    wanted: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        name = _inner_name(entry.filename, path)
        if name in wanted:
            raise ConfigError(f"{path} has {name} twice")
        wanted[name] = entry
    _all_there(set(wanted), path)
    found = {}
    for name in MOST_BYTES:
        with archive.open(wanted[name]) as file:
            found[name] = limited(file, name, path)
    return found


def _inner_name(name: str, path: Path) -> str:
    """The name without the one folder that may hold everything; other entries keep their whole name."""
    inner = PurePosixPath(name)
    if inner.is_absolute() or ".." in inner.parts or "\\" in name or ":" in name:
        raise ConfigError(f"{path} has the entry {name!r}, which lies outside the archive")
    return "/".join(inner.parts[1:]) if len(inner.parts) == 2 and inner.name in MOST_BYTES else name


def _all_there(names: set[str], path: Path) -> None:
    missing = [n for n in MOST_BYTES if n not in names]
    if not missing:
        return
    pickled = any(PurePosixPath(n).name == PICKLED_CONFIG for n in names)
    hint = f"; {PICKLED_CONFIG} is a pickle and is never read" if pickled and CONFIG in missing else ""
    raise ConfigError(f"{path} lacks {', '.join(missing)}{hint}")


def limited(file: IO[bytes], name: str, path: Path) -> bytes:
    """The whole file, or a ConfigError where it is longer than MOST_BYTES allows, whatever it claims."""
    content = file.read(MOST_BYTES[name] + 1)
    if len(content) > MOST_BYTES[name]:
        raise ConfigError(f"{path}: {name} is longer than {MOST_BYTES[name]} bytes")
    return content
