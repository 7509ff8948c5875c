"""What changes the configuration file on behalf of an administrator, and has it read again."""

from __future__ import annotations

from typing import Protocol

from storage.errors import ConfigError


class ConfigEditor(Protocol):
    """Edits `config.yaml`, its comments kept; what would not be valid changes nothing."""

    def add_peer(self, *, name: str, ae_title: str, host: str, may_send: bool, by: str) -> None:
        """A new peer; `by` is the account. Raises ConfigError, with the place and the reason."""
        ...

    def text(self) -> str:
        """What stands in the file. Raises ConfigError."""
        ...

    def replace(self, text: str, *, was: str, by: str) -> None:
        """Another text for the whole file; `was` is the one it began with. Raises ConfigError."""
        ...


class NoEditor:
    """The file is edited by hand."""

    def add_peer(self, *, name: str, ae_title: str, host: str, may_send: bool, by: str) -> None:  # noqa: ARG002 - as the other's
        """Say what to write. Raises ConfigError."""
        flag = "true" if may_send else "false"
        raise ConfigError(
            "the console does not write the configuration of this node; add to peers in config.yaml: "
            f"{{name: {name}, ae_title: {ae_title}, may_send: {flag}, hosts: [{host}]}}"
        )

    def text(self) -> str:
        """Raises ConfigError."""
        raise ConfigError("the console does not read the configuration file of this node")

    def replace(self, text: str, *, was: str, by: str) -> None:  # noqa: ARG002 - as the other's
        """Raises ConfigError."""
        raise ConfigError("the console does not write the configuration of this node")
