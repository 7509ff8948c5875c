"""Changes of config.yaml by a command or the console: checked as a whole, then written at once or not at all.

Who edits by hand needs none of this: the running node looks at the file itself (`node.reloading`).
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from node import authors, config_edit
from node.config import Config, load_text
from node.config_edit import PeerKeys
from storage.errors import ConfigError

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class ConfigFile:
    """The file, and who changes it."""

    path: Path
    by: str = "command line"  # the account of the console, or what else is said of who did it

    def add_peer(self, peer: PeerKeys) -> Config:
        """A new peer, behind the others. The configuration as it is then.

        Raises:
            ConfigError: it would not be valid, or cannot be written; the file is as it was.
        """
        return self._change(lambda text: config_edit.with_peer(text, peer, self.path))

    def remove_peer(self, name: str) -> Config:
        """A peer less. Raises ConfigError as `add_peer`."""
        return self._change(lambda text: config_edit.without_peer(text, name, self.path))

    def replace(self, text: str, *, was: str) -> Config:
        """Another text for the whole file.

        Args:
            text: the new one.
            was: the text that its author began with.

        Raises:
            ConfigError: the file has changed since then; or as `add_peer`.
        """

        def put(now: str) -> str:
            if now != was:
                raise ConfigError(f"{self.path} was changed meanwhile: begin with what it says now")
            return text

        return self._change(put)

    def text(self) -> str:
        """What stands in the file. Raises ConfigError."""
        return _decoded(_read(self.path), self.path)

    def _change(self, change: Callable[[str], str]) -> Config:
        real = self.path.resolve()  # a link stays a link
        with _alone(real, self.path):
            raw = _read(real)
            before = _decoded(raw, self.path)
            after = change(before)
            config = _checked(after, self.path)
            mark = BYTE_ORDER_MARK if raw.startswith(BYTE_ORDER_MARK) else b""
            written = mark + after.encode()
            if written != raw:
                authors.sign(config.storage.root, written, self.by)
                _write(real, written, self.path)
        return config


@dataclass(frozen=True, kw_only=True)
class FileEditor:
    """What the console asks; see `node.console.config_editor.ConfigEditor`."""

    path: Path

    def add_peer(self, *, name: str, ae_title: str, host: str, may_send: bool, by: str) -> None:
        """A new peer; `by` is the account. Raises ConfigError."""
        peer = {"name": name, "ae_title": ae_title, "may_send": may_send, "hosts": [host]}
        self._file(by).add_peer(peer)

    def remove_peer(self, name: str, *, by: str = "") -> None:
        """A peer less. Raises ConfigError."""
        self._file(by).remove_peer(name)

    def text(self) -> str:
        """What stands in the file. Raises ConfigError."""
        return self._file("").text()

    def replace(self, text: str, *, was: str, by: str = "") -> None:
        """Another text for the whole file. Raises ConfigError."""
        self._file(by).replace(text, was=was)

    def _file(self, by: str) -> ConfigFile:
        return ConfigFile(path=self.path, by=by or "console")


def _checked(text: str, path: Path) -> Config:
    try:
        return load_text(text, path)
    except ConfigError as error:
        raise ConfigError(f"nothing was changed, for this would not be valid:\n{error}") from error


@contextmanager
def _alone(real: Path, path: Path) -> Iterator[None]:
    """One change at a time. The lock is on the file, which another change replaces: it is taken anew then."""
    while True:
        try:
            descriptor = os.open(real, os.O_RDONLY)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_still(real, descriptor):
                yield
                return
        finally:
            os.close(descriptor)


def _is_still(real: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(real.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error


def _decoded(raw: bytes, path: Path) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text, from byte {error.start} on") from error


def _write(real: Path, data: bytes, path: Path) -> None:
    """A file beside it, on stable storage, takes its place, with its mode and owner."""
    try:
        was = real.stat()
        descriptor, name = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
        temporary = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), was.st_mode & 0o7777)
                if (was.st_uid, was.st_gid) != (os.geteuid(), os.getegid()):
                    os.fchown(file.fileno(), was.st_uid, was.st_gid)
                os.fsync(file.fileno())
            temporary.replace(real)
        finally:
            temporary.unlink(missing_ok=True)
        _synced(real.parent)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror}; nothing was changed") from error


def _synced(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
