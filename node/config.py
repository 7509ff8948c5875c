"""The configuration: what an administrator may say, checked before anything starts.

`config.yaml` at the root of the repository is the manual: each key stands there with its default and
what it does. `CTNODE_<SECTION>__<KEY>` in the environment overrides the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from node import addresses, config_errors
from node.addresses import PeerAddress
from node.config_environment import overlay
from node.config_source import Problem, Source, dotted, read
from node.config_types import (
    AETitle,
    Days,
    Device,
    Host,
    HostRule,
    PeerName,
    Port,
    Seconds,
    Section,
    StoreKind,
)
from node.retry import DAY_S, RetryPolicy
from storage.errors import ConfigError
from storage.pace import Bounds, Quiet

DATABASES: Final = ("sqlite", "postgresql+psycopg")


def _driver(url: str) -> str | None:
    try:
        return make_url(url).drivername
    except ArgumentError:
        return None


def _taken_names(names: Sequence[object]) -> dict[int, str]:
    """Which names repeat an earlier one: index -> what is wrong."""
    return {
        index: f"{name!r} is the name of peers[{names.index(name)}] already"
        for index, name in enumerate(names)
        if name is not None and names.index(name) < index
    }


class Node(Section):
    """This application entity."""

    ae_title: AETitle = "CTNODE"  # our AE title; a caller must call exactly it
    host: Host = "0.0.0.0"  # address to listen on
    port: Port = 11112  # DICOM port
    console_port: Port = 11180  # port of the web console
    receivers: Annotated[int, Field(ge=0, le=16)] = 0  # receiving processes; 0: one per core, at most 4
    max_associations: Annotated[int, Field(ge=1)] = 64  # open at the same time; more are asked to wait
    max_half_open: Annotated[int, Field(ge=1)] = 256  # connections that have not asked for an association
    artim_s: Seconds = 30  # for the whole A-ASSOCIATE-RQ, and for a peer to hang up (PS3.8 9.1.5)
    network_timeout_s: Seconds = 60  # silence on an association after which it is aborted
    max_instance_mb: Annotated[int, Field(ge=1)] = 8192  # longest data set; a longer one is aborted

    @field_validator("console_port")
    @classmethod
    def _another_port(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("port"):
            raise ValueError(f"{value} is node.port too; each needs a port of its own")
        return value


class Peer(Section):
    """An application entity we know. Whoever is not listed is refused."""

    name: PeerName  # ours, in logs and commands
    ae_title: AETitle  # its AE title: calling, when it sends; called, when results go there
    may_send: bool = False  # whether it may open associations with us
    gets_results: bool = False  # whether results are delivered to it
    hosts: tuple[HostRule, ...] = ()  # where it calls from
    port: Port | None = None  # its DICOM port; the first of `hosts` is called there
    query_for: tuple[PeerName, ...] = ()  # peers of whose series it knows how many instances they have
    max_associations: Annotated[int, Field(ge=1)] | None = None  # of this AE title; None: the node's limit
    tls: bool = False  # whether it is called by TLS, and must call us so
    certificate_name: str | None = None  # a DNS name or common name that its certificate must have

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

    @property
    def address(self) -> PeerAddress | None:
        """Where this peer is called; None without a port, or when its first host is a network."""
        if self.port is None or not self.hosts or "/" in self.hosts[0]:
            return None
        return PeerAddress(ae_title=self.ae_title, host=self.hosts[0], port=self.port)


LONG_QUIETS: Final = 15
"""How many times the short quiet the long one is where none is written: who wants one shorter wants both."""


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


class Assembly(Section):
    """When a series counts as complete."""

    quiet_s: Seconds = 4  # silence after the last instance, where the slices look whole; until it is learned
    quiet_min_s: Seconds = 2  # what it becomes at least, as the pauses of a caller teach
    quiet_max_s: Seconds = 15  # and at most
    long_quiet_s: Seconds | None = None  # silence where nothing else says so; None: LONG_QUIETS times quiet_s
    long_quiet_min_s: Seconds = 20
    long_quiet_max_s: Seconds = 300
    cap_s: Seconds = 1800  # a series that never falls silent is taken as it is after this time

    @field_validator("quiet_max_s", "long_quiet_max_s")
    @classmethod
    def _max_after_min(cls, value: float, info: ValidationInfo) -> float:
        least = str(info.field_name).replace("max", "min")
        if (least_s := info.data.get(least, 0)) > value:
            raise ValueError(f"{value:g} is less than assembly.{least} ({least_s:g})")
        return value

    @field_validator("cap_s")
    @classmethod
    def _cap_after_quiet(cls, value: float, info: ValidationInfo) -> float:
        if (quiet_s := info.data.get("quiet_s", 0)) > value:
            raise ValueError(f"{value:g} is less than assembly.quiet_s ({quiet_s:g})")
        return value

    @property
    def bounds(self) -> Bounds:
        """What the quiet times are and may become; those written always lie within, and long is not short."""
        long_s = max(self.quiet_s, self.long_quiet_s or LONG_QUIETS * self.quiet_s)
        return Bounds(
            untaught=Quiet(short_s=self.quiet_s, long_s=long_s),
            least=Quiet(
                short_s=min(self.quiet_s, self.quiet_min_s), long_s=min(long_s, self.long_quiet_min_s)
            ),
            most=Quiet(
                short_s=max(self.quiet_s, self.quiet_max_s), long_s=max(long_s, self.long_quiet_max_s)
            ),
        )


class Storage(Section):
    """Where instances and the ledger are kept."""

    root: Annotated[Path, Field(strict=False)] = Path("ctnode-data")  # files; relative to the YAML file
    database: SecretStr | None = None  # database URL; None: SQLite in the root. Never printed
    store: StoreKind = "segments"  # how instances are kept: segments, or files
    segment_mb: Annotated[int, Field(ge=4, le=16384)] = 256  # size of a segment
    spare_segments: Annotated[int, Field(ge=0, le=64)] = 2  # written and waiting to be used
    reserve_mb: Annotated[int, Field(ge=0)] = 2048  # free space below which new associations wait
    retention_days: Days = 30  # age at which delivered instances are removed; 0 keeps them for ever

    @field_validator("root")
    @classmethod
    def _beside_the_file(cls, value: Path, info: ValidationInfo) -> Path:
        base: Path = (info.context or {}).get("folder", Path())
        return base / value.expanduser()

    @field_validator("database")
    @classmethod
    def _known_database(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and _driver(value.get_secret_value()) not in DATABASES:
            raise ValueError(
                "is not the URL of a database we know: sqlite:////absolute/path.sqlite "
                "or postgresql+psycopg://user:password@host/name"
            )
        return value

    @property
    def database_url(self) -> str:
        """The database's URL, its password included: for the engine alone, never for a log."""
        if self.database is not None:
            return self.database.get_secret_value()
        return f"sqlite:///{self.root.absolute() / 'ledger.sqlite'}"

    @property
    def database_shown(self) -> str:
        """The database's URL with neither user, password nor options, for logs and pages."""
        url = make_url(self.database_url)
        return str(URL.create(url.drivername, host=url.host, port=url.port, database=url.database))


class Inference(Section):
    """Where models run."""

    device: Device = "auto"  # auto, cpu, cuda or cuda:N


class Delivery(Section):
    """How results are sent again when a peer does not take them."""

    retry_first_s: Seconds = 30  # wait before the second attempt; doubles with each attempt
    retry_max_s: Seconds = 900  # longest wait between two attempts
    give_up_days: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 7  # then a person must look

    @field_validator("retry_max_s")
    @classmethod
    def _max_after_first(cls, value: float, info: ValidationInfo) -> float:
        if (first_s := info.data.get("retry_first_s", 0)) > value:
            raise ValueError(f"{value:g} is less than delivery.retry_first_s ({first_s:g})")
        return value

    @property
    def retry_policy(self) -> RetryPolicy:
        """The same in seconds."""
        give_up_s = self.give_up_days * DAY_S
        return RetryPolicy(first_s=self.retry_first_s, max_s=self.retry_max_s, give_up_s=give_up_s)


class Query(Section):
    """How a PACS is asked how many instances a series has (`query_for` of a peer)."""

    quiet_s: Seconds = 2  # silence of a series before it is asked for
    every_s: Seconds = 4  # between two questions; a count holds when two answers agree
    timeout_s: Seconds = 5  # for each step of a question


class Commitment(Section):
    """What we answer to requests for storage commitment."""

    wait_s: Seconds = 60  # for instances that are not here yet; then they are reported as missing


class Config(Section):
    """The whole configuration."""

    node: Node = Node()
    tls: Tls = Tls()
    peers: tuple[Peer, ...] = ()
    assembly: Assembly = Assembly()
    storage: Storage = Storage()
    inference: Inference = Inference()
    delivery: Delivery = Delivery()
    query: Query = Query()
    commitment: Commitment = Commitment()

    @field_validator("peers")
    @classmethod
    def _names_differ(cls, value: tuple[Peer, ...]) -> tuple[Peer, ...]:
        if taken := _taken_names([peer.name for peer in value]):
            raise ValueError("; ".join(f"peers[{index}].name: {text}" for index, text in taken.items()))
        return value

    @field_validator("peers")
    @classmethod
    def _the_asked_for_are_known(cls, value: tuple[Peer, ...]) -> tuple[Peer, ...]:
        known = {peer.name for peer in value if peer.may_send}
        for index, peer in enumerate(value):
            for name in peer.query_for:
                if name not in known:
                    raise ValueError(f"peers[{index}].query_for: {name!r} is no peer that may send")
        return value

    def peer(self, name: str) -> Peer | None:
        """The peer of that name."""
        return next((peer for peer in self.peers if peer.name == name), None)


def load(path: Path, *, environment: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration: the file, then the environment over it.

    Raises:
        ConfigError: something is wrong. The message holds every problem on a line of its own, sorted by
            place: ``config.yaml:12:9: node.port: 70000 is not a port (1-65535)``.
    """
    source = read(path)
    overlay(source, environment, Config)
    config, problems = _validated(source, path.absolute().parent)
    if config is None or problems:
        ordered = sorted(problems, key=lambda problem: (problem.place, problem.key))
        raise ConfigError("\n".join(problem.line(str(path)) for problem in ordered))
    return config


def _validated(source: Source, folder: Path) -> tuple[Config | None, list[Problem]]:
    names = _name_problems(source)
    problems = [*source.problems, *names]
    reported = {(problem.place, problem.key) for problem in problems}
    try:
        return Config.model_validate(source.data, context={"folder": folder}), problems
    except ValidationError as error:
        found = [config_errors.problem(detail, source, Config) for detail in error.errors()]
    fresh = [problem for problem in found if (problem.place, problem.key) not in reported]
    return None, problems + [problem for problem in fresh if not (problem.key == "peers" and names)]


def _name_problems(source: Source) -> list[Problem]:
    """Repeated peer names, also where another mistake keeps the list from being a list of peers."""
    peers = source.data.get("peers", ())
    names = [peer.get("name") if isinstance(peer, dict) else None for peer in peers]
    return [
        Problem(place=source.place(key), key=dotted(key), text=text)
        for index, text in _taken_names(names).items()
        for key in [("peers", index, "name")]
    ]
