"""The sections of the configuration about the network: ourselves, the application entities we know, and TLS.

`config.yaml` is the manual (see `node.config`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, PrivateAttr, ValidationInfo, field_validator

from node import addresses
from node.addresses import PeerAddress
from node.config_results import ReadBack, ResultKeys
from node.config_types import AETitle, GetsResults, Host, HostRule, PeerName, Port, Seconds, Section
from node.secured import Secured, tls_files

RECEIVERS_MAX: Final = 4
"""Where none is written: more need more disk than most nodes have."""

USABLE_CORES: Final = len(os.sched_getaffinity(0))
"""Those that a container or `taskset` leaves us, asked before a receiver keeps to one of them."""


class Node(Section):
    """This application entity."""

    ae_title: AETitle = "CTNODE"  # our AE title; a caller must call exactly it
    host: Host = "0.0.0.0"  # address to listen on
    port: Port = 11112  # DICOM port
    console_port: Port = 11180  # port of the web console
    receivers: Annotated[int, Field(ge=0, le=16)] = 0  # receiving processes; 0: one per core, at most 4
    pin_receivers: bool = True  # each receiving process stays on one processor core
    max_associations: Annotated[int, Field(ge=1)] = 64  # open at the same time; more are asked to wait
    max_half_open: Annotated[int, Field(ge=1)] = 256  # connections that have not asked for an association
    artim_s: Seconds = 30  # for the whole A-ASSOCIATE-RQ, and for a peer to hang up (PS3.8 9.1.5)
    network_timeout_s: Seconds = 60  # silence on an association after which it is aborted
    max_instance_mb: Annotated[int, Field(ge=1)] = 8192  # longest data set; a longer one is aborted

    @property
    def receiver_count(self) -> int:
        """How many processes receive."""
        return self.receivers or min(RECEIVERS_MAX, USABLE_CORES)

    @field_validator("console_port")
    @classmethod
    def _another_port(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("port"):
            raise ValueError(f"{value} is node.port too; each needs a port of its own")
        return value


_LEFT_OUT: Final = {name: field.default for name, field in ResultKeys.model_fields.items()}
"""Keys about results that are not written."""


class Peer(ResultKeys):
    """An application entity we know. Whoever is not listed is refused."""

    name: PeerName  # ours, in logs and commands
    ae_title: AETitle  # its AE title: calling, when it sends; called, when results go there
    may_send: bool = False  # whether it may open associations with us
    gets_results: GetsResults = False  # whether results are delivered to it; own: of what it sent itself
    hosts: tuple[HostRule, ...] = ()  # where it calls from
    port: Port | None = None  # its DICOM port; the first of `hosts` is called there
    query_for: tuple[PeerName, ...] = ()  # peers of whose series it knows how many instances they have
    max_associations: Annotated[int, Field(ge=1)] | None = None  # of this AE title; None: the node's limit
    tls: bool = False  # whether it is called by TLS, and must call us so
    certificate_name: str | None = None  # a DNS name or common name that its certificate must have
    _secured: Secured | None = PrivateAttr(default=None)  # how it is called by TLS; set by Config

    @field_validator("gets_results")
    @classmethod
    def _results_are_for_those_who_get_them(cls, value: GetsResults, info: ValidationInfo) -> GetsResults:
        if value == "own" and info.data.get("may_send") is False:
            raise ValueError("is own, but may_send is not true: it has no series of its own")
        said = [
            name for name in ResultKeys.model_fields if info.data.get(name) not in (None, _LEFT_OUT[name])
        ]
        if said and value is False:
            raise ValueError(f"is not true, but {said[0]} is given: it gets nothing")
        if info.data.get("read_back") is ReadBack.QIDO:
            raise ValueError("is true, but read_back is qido: an application entity is asked by find")
        return value

    @field_validator("hosts")
    @classmethod
    def _hosts_are_needed(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        if info.data.get("may_send") and not value:
            raise ValueError("is empty, but may_send is true: list the addresses that it calls from")
        if info.data.get("gets_results"):
            if not value:
                raise ValueError("is empty, but gets_results is true: its first entry is called")
            addresses.single_host(value[0])
        return value

    @field_validator("port")
    @classmethod
    def _port_is_needed(cls, value: int | None, info: ValidationInfo) -> int | None:
        if info.data.get("gets_results") and value is None:
            raise ValueError("is missing, but gets_results is true: results are delivered there")
        return value

    @field_validator("query_for")
    @classmethod
    def _an_address_is_needed(cls, value: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        hosts, port = info.data.get("hosts", ("",)), info.data.get("port", 0)
        if value and (port is None or not hosts or "/" in hosts[0]):
            raise ValueError("is given, but not where to ask: hosts, an address or a name first, and port")
        return value

    @field_validator("certificate_name")
    @classmethod
    def _a_certificate_needs_tls(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and not info.data.get("tls", True):
            raise ValueError("is given, but tls is not true: without TLS nobody shows a certificate")
        return value

    @property
    def address(self) -> PeerAddress | None:
        """Where this peer is called; None without a port, or when its first host is a network."""
        if self.port is None or not self.hosts or "/" in self.hosts[0]:
            return None
        return PeerAddress(ae_title=self.ae_title, host=self.hosts[0], port=self.port, secured=self._secured)


class Tls(Section):
    """Secure transport (PS3.15 B.9, BCP 195): TLS 1.2 and 1.3."""

    port: Port | None = None  # of the listener; None: we are not called by TLS
    certificate: Annotated[Path, Field(strict=False)] | None = None  # ours, PEM, with its chain
    key: Annotated[Path, Field(strict=False)] | None = None  # of the certificate, PEM, not encrypted
    authorities: Annotated[Path, Field(strict=False)] | None = None  # who signs peers' certificates, PEM
    peers_have_certificates: bool = True  # mutual authentication: who shows none is turned away

    @field_validator("certificate", "key", "authorities")
    @classmethod
    def _beside_the_file(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        base: Path = (info.context or {}).get("folder", Path())
        return None if value is None else base / value.expanduser()

    @field_validator("certificate", "key", "authorities")
    @classmethod
    def _the_listener_needs_them(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        if value is None and info.data.get("port") is not None:
            raise ValueError("is missing, but tls.port is given: nobody can be answered by TLS without it")
        return value

    @field_validator("key")
    @classmethod
    def _certificate_and_key_go_together(cls, value: Path | None, info: ValidationInfo) -> Path | None:
        certificate = info.data.get("certificate", value)
        if (value is None) is not (certificate is None):
            there, missing = ("tls.key", "tls.certificate") if value else ("tls.certificate", "tls.key")
            raise ValueError(f"{there} is given, but not {missing}: each is of no use alone")
        return value

    @property
    def files(self) -> Mapping[str, Path]:
        """Key of this section -> file, of those that are given."""
        return tls_files(self.certificate, self.key, self.authorities)

    def secured(self, certificate_name: str | None) -> Secured | None:
        """How a peer is called by TLS; None without authorities."""
        if self.authorities is None:
            return None
        return Secured(
            authorities=self.authorities,
            certificate=self.certificate,
            key=self.key,
            certificate_name=certificate_name,
        )
