"""The configuration: what an administrator may say, checked before anything starts.

`config.yaml` at the root of the repository is the manual: each key stands there with its default and
what it does. `CTNODE_<SECTION>__<KEY>` in the environment overrides the file.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from node import addresses, config_errors
from node.addresses import PeerAddress
from node.config_environment import overlay
from node.config_source import Problem, Source, dotted, read
from storage.errors import ConfigError

PEER_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
DEVICE: Final = re.compile(r"auto|cpu|cuda(:[0-9]+)?")
DATABASES: Final = ("sqlite", "postgresql+psycopg")

AETitle = Annotated[str, AfterValidator(addresses.ae_title)]
Port = Annotated[int, AfterValidator(addresses.port)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Days = Annotated[float, Field(ge=0, allow_inf_nan=False)]


def _peer_name(value: str) -> str:
    if not PEER_NAME.fullmatch(value):
        raise ValueError(f"{value!r} is not a name: 1 to 64 letters, digits, '.', '_' or '-'")
    return value


def _device(value: str) -> str:
    if not DEVICE.fullmatch(value):
        raise ValueError(f"{value!r} is none of auto, cpu, cuda and cuda:0, cuda:1, ...")
    return value


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


class Section(BaseModel):
    """Unknown keys and values of another type are errors; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, validate_default=True)


class Node(Section):
    """This application entity."""

    ae_title: AETitle = "CTNODE"  # our AE title; a caller must call exactly it
    host: Annotated[str, AfterValidator(addresses.single_host)] = "0.0.0.0"  # address to listen on
    port: Port = 11112  # DICOM port
    console_port: Port = 11180  # port of the web console
    max_associations: Annotated[int, Field(ge=1)] = 64  # open at the same time; more are asked to wait
    network_timeout_s: Seconds = 60  # silence on an association after which it is aborted

    @field_validator("console_port")
    @classmethod
    def _another_port(cls, value: int, info: ValidationInfo) -> int:
        if value == info.data.get("port"):
            raise ValueError(f"{value} is node.port too; each needs a port of its own")
        return value


class Peer(Section):
    """An application entity we know. Whoever is not listed is refused."""

    name: Annotated[str, AfterValidator(_peer_name)]  # ours, in logs and commands
    ae_title: AETitle  # its AE title: calling, when it sends; called, when results go there
    may_send: bool = False  # whether it may open associations with us
    gets_results: bool = False  # whether results are delivered to it
    hosts: tuple[Annotated[str, AfterValidator(addresses.host_rule)], ...] = ()  # where it calls from
    port: Port | None = None  # its DICOM port; the first of `hosts` is called there

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

    @property
    def address(self) -> PeerAddress | None:
        """Where this peer is called; None without a port, or when its first host is a network."""
        if self.port is None or not self.hosts or "/" in self.hosts[0]:
            return None
        return PeerAddress(ae_title=self.ae_title, host=self.hosts[0], port=self.port)


class Assembly(Section):
    """When a series counts as complete."""

    quiet_s: Seconds = 8  # silence after the last instance
    cap_s: Seconds = 1800  # a series that never falls silent is taken as it is after this time

    @field_validator("cap_s")
    @classmethod
    def _cap_after_quiet(cls, value: float, info: ValidationInfo) -> float:
        if (quiet_s := info.data.get("quiet_s", 0)) > value:
            raise ValueError(f"{value:g} is less than assembly.quiet_s ({quiet_s:g})")
        return value


class Storage(Section):
    """Where instances and the ledger are kept."""

    root: Annotated[Path, Field(strict=False)] = Path("ctnode-data")  # files; relative to the YAML file
    database: SecretStr | None = None  # database URL; None: SQLite in the root. Never printed
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

    device: Annotated[str, AfterValidator(_device)] = "auto"  # auto, cpu, cuda or cuda:N


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


class Config(Section):
    """The whole configuration."""

    node: Node = Node()
    peers: tuple[Peer, ...] = ()
    assembly: Assembly = Assembly()
    storage: Storage = Storage()
    inference: Inference = Inference()
    delivery: Delivery = Delivery()

    @field_validator("peers")
    @classmethod
    def _names_differ(cls, value: tuple[Peer, ...]) -> tuple[Peer, ...]:
        if taken := _taken_names([peer.name for peer in value]):
            raise ValueError("; ".join(f"peers[{index}].name: {text}" for index, text in taken.items()))
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
