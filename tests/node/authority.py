"""A certificate authority of our own: OpenSSL makes keys and certificates, and is the peer that asks."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from node.config import Tls
from node.secured import Secured

OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="openssl is not installed")
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def openssl(*arguments: str | Path) -> str:
    """Run it; what it printed."""
    command = [str(OPENSSL), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout


@dataclass(frozen=True)
class Pair:
    """A certificate and its key."""

    certificate: Path
    key: Path


class Authority:
    """Signs certificates."""

    def __init__(self, folder: Path, name: str = "authority", *, issuer: Authority | None = None) -> None:
        self.folder = folder
        self._name = name
        if issuer is not None:
            self.pair = issuer.sign(name, ip="", extension="basicConstraints=critical,CA:true")
            return
        self.pair = Pair(folder / f"{name}.pem", folder / f"{name}.key")
        root = ("req", "-x509", *_NEW_KEY, "-days", "3650", "-subj", f"/CN={name}")
        openssl(*root, "-keyout", self.pair.key, "-out", self.pair.certificate)

    @property
    def certificate(self) -> Path:
        return self.pair.certificate

    def sign(
        self, name: str, *, dns: str = "", ip: str = "127.0.0.1", days: int = 365, extension: str = ""
    ) -> Pair:
        """A certificate with this common name; its files have the name too. Negative days: it has ended."""
        stem = self.folder / f"{self._name}-{name.replace(' ', '_')}"
        pair, request = Pair(stem.with_suffix(".pem"), stem.with_suffix(".key")), stem.with_suffix(".csr")
        names = ",".join([f"IP:{ip}"] * bool(ip) + [f"DNS:{dns}"] * bool(dns))
        extensions = [f"subjectAltName={names}"] * bool(names) + [extension] * bool(extension)
        added = [word for each in extensions for word in ("-addext", each)]
        openssl(
            *("req", "-new", *_NEW_KEY, "-subj", f"/CN={name}", *added),
            *("-keyout", pair.key, "-out", request),
        )
        signer = ("-CA", self.pair.certificate, "-CAkey", self.pair.key, "-CAcreateserial")
        how = ("-days", str(days), "-copy_extensions", "copyall")
        openssl("x509", "-req", "-in", request, *how, *signer, "-out", pair.certificate)
        return pair

    def tls(self, own: Pair, *, port: int | None = 2762, mutual: bool = True) -> Tls:
        """The section of the configuration that trusts this authority."""
        return Tls(
            port=port,
            certificate=own.certificate,
            key=own.key,
            authorities=self.certificate,
            peers_have_certificates=mutual,
        )

    def secured(self, own: Pair | None, *, name: str | None = None) -> Secured:
        """How a peer is called that this authority vouches for."""
        return Secured(
            authorities=self.certificate,
            certificate=own.certificate if own else None,
            key=own.key if own else None,
            certificate_name=name,
        )


def replace(old: Pair, new: Pair) -> None:
    """Another certificate in the place of one, as administrators do it: by rename."""
    for source, target in ((new.key, old.key), (new.certificate, old.certificate)):
        copy = target.with_suffix(".new")
        shutil.copy(source, copy)
        copy.replace(target)
