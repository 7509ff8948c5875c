"""How a peer is called by TLS: the files and the name that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Secured:
    """How an application entity is called by TLS."""

    authorities: Path  # who may have signed its certificate, PEM
    certificate: Path | None = None  # ours, PEM; None: we show none
    key: Path | None = None  # of our certificate, PEM
    certificate_name: str | None = None  # that its certificate must have; None: that of the host called

    @property
    def files(self) -> Mapping[str, Path]:
        """Key of `tls` in the configuration -> file."""
        return tls_files(self.certificate, self.key, self.authorities)


def tls_files(certificate: Path | None, key: Path | None, authorities: Path | None) -> Mapping[str, Path]:
    """Those that are given, by their key of `tls` in the configuration."""
    files = {"certificate": certificate, "key": key, "authorities": authorities}
    return {name: path for name, path in files.items() if path is not None}
