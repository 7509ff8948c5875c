"""The section of the configuration about the web console.

`config.yaml` is the manual (see `node.config`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, ValidationInfo, field_validator

from node.addresses import ip_address
from node.config_types import Host, HostRule, Section

LOOPBACK: Final = ("127.0.0.1", "::1", "localhost")


class Console(Section):
    """The web console; its port is node.console_port."""

    enabled: bool = True  # whether there is one
    certificate: Annotated[Path, Field(strict=False)] | None = None  # of the page, PEM, with its chain
    key: Annotated[Path, Field(strict=False)] | None = None  # of the certificate, PEM, not encrypted
    trusted_proxies: tuple[HostRule, ...] = ()  # addresses of proxies that speak TLS for us
    metrics_from: tuple[HostRule, ...] = ("127.0.0.1",)  # who reads the metrics without a login
    host: Host = "127.0.0.1"  # address to listen on
    idle_minutes: Annotated[int, Field(ge=1, le=1440)] = 30  # after which an unused session ends
    session_hours: Annotated[int, Field(ge=1, le=168)] = 12  # after which every session ends

    @field_validator("certificate", "key")
    @classmethod
    def _beside_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        base: Path = (info.context or {}).get("folder", Path())
        return None if value is None else base / value.expanduser()

    @field_validator("key")
    @classmethod
    def _certificate_and_key_go_together(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if (value is None) is not (info.data.get("certificate", value) is None):
            raise ValueError("or certificate is missing: each is of no use alone")
        return value

    @field_validator("trusted_proxies", "metrics_from")
    @classmethod
    def _by_address(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        who = "a proxy" if info.field_name == "trusted_proxies" else "a monitor"
        for rule in value:
            if "/" not in rule and ip_address(rule) is None:
                raise ValueError(f"{rule!r} is no address and no network: {who} is known by its address")
        return value

    @field_validator("host")
    @classmethod
    def _never_in_the_clear(cls, value: str, info: ValidationInfo) -> str:
        guarded = info.data.get("certificate") is not None or info.data.get("trusted_proxies")
        if value not in LOOPBACK and not guarded:
            raise ValueError(
                f"{value} can be reached from elsewhere: passwords would be sent in the clear. "
                "Give console.certificate and console.key, or console.trusted_proxies"
            )
        return value

    @property
    def is_tls(self) -> bool:
        """Whether we speak TLS ourselves."""
        return self.certificate is not None

    @property
    def files(self) -> Mapping[str, Path]:
        """Key of this section -> file, of those that are given."""
        given = {"certificate": self.certificate, "key": self.key}
        return {key: path for key, path in given.items() if path is not None}
