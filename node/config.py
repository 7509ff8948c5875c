"""The configuration: what an administrator may say, checked before anything starts.

`config.yaml` at the root of the repository is the manual: each key stands there with its default and
what it does. `CTNODE_<SECTION>__<KEY>` in the environment overrides the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pydantic import ValidationError, ValidationInfo, field_validator

from node import config_errors
from node.config_audit import Audit
from node.config_console import Console
from node.config_environment import overlay
from node.config_network import Node, Peer, Tls
from node.config_oidc import Oidc
from node.config_results import OtherDestination
from node.config_sections import Assembly, Commitment, Delivery, Inference, Proof, Query, Storage
from node.config_source import Key, Problem, Source, dotted, parsed, text_of
from node.config_types import Section
from storage.errors import ConfigError

__all__: Final = [
    "Assembly",
    "Audit",
    "Commitment",
    "Config",
    "Console",
    "Delivery",
    "Inference",
    "Node",
    "Oidc",
    "OtherDestination",
    "Peer",
    "Proof",
    "Query",
    "Storage",
    "Tls",
    "load",
    "load_text",
]


def _taken_names(names: Sequence[object]) -> dict[int, str]:
    """Which names repeat an earlier one: index -> what is wrong."""
    return {
        index: f"{name!r} is the name of peers[{names.index(name)}] already"
        for index, name in enumerate(names)
        if name is not None and names.index(name) < index
    }


NAMED: Final = ("peers", "destinations")
"""Lists whose entries have names, each once in all of them."""


class Config(Section):
    """The whole configuration."""

    node: Node = Node()
    tls: Tls = Tls()
    peers: tuple[Peer, ...] = ()
    destinations: tuple[OtherDestination, ...] = ()
    assembly: Assembly = Assembly()
    storage: Storage = Storage()
    inference: Inference = Inference()
    delivery: Delivery = Delivery()
    query: Query = Query()
    commitment: Commitment = Commitment()
    proof: Proof = Proof()
    console: Console = Console()
    oidc: Oidc = Oidc()
    audit: Audit = Audit()

    @field_validator("peers")
    @classmethod
    def _names_differ(cls, value: tuple[Peer, ...]) -> tuple[Peer, ...]:
        if taken := _taken_names([peer.name for peer in value]):
            raise ValueError("; ".join(f"peers[{index}].name: {text}" for index, text in taken.items()))
        return value

    @field_validator("destinations")
    @classmethod
    def _no_name_of_a_peer(
        cls, value: tuple[OtherDestination, ...], info: ValidationInfo
    ) -> tuple[OtherDestination, ...]:
        names = [*(peer.name for peer in info.data.get("peers", ())), *(each.name for each in value)]
        for index, each in enumerate(value):
            if names.count(each.name) > 1:
                raise ValueError(f"destinations[{index}].name: {each.name!r} is a name already")
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

    @field_validator("oidc")
    @classmethod
    def _comes_back_by_tls(cls, value: Oidc, info: ValidationInfo) -> Oidc:
        console = info.data.get("console")
        is_https = value.origin is not None and value.origin.startswith("https:")
        if console is not None and is_https and not (console.is_tls or console.trusted_proxies):
            raise ValueError(
                f"origin: {value.origin} begins with https, but nobody speaks TLS for the console: "
                "give console.certificate and console.key, or console.trusted_proxies"
            )
        return value

    @field_validator("tls")
    @classmethod
    def _a_port_of_its_own(cls, value: Tls, info: ValidationInfo) -> Tls:
        node = info.data.get("node", Node())
        others = {"node.port": node.port, "node.console_port": node.console_port}
        for key, port in others.items():
            if value.port == port:
                raise ValueError(f"port: {port} is {key} too; each needs a port of its own")
        return value

    @field_validator("peers")
    @classmethod
    def _tls_can_be_spoken(cls, value: tuple[Peer, ...], info: ValidationInfo) -> tuple[Peer, ...]:
        tls = info.data.get("tls")
        for index, peer in enumerate(value):
            if not peer.tls or tls is None:
                continue
            if tls.authorities is None:
                raise ValueError(
                    f"peers[{index}].tls: is true, but tls.authorities is missing: "
                    "nobody says whose certificate is good"
                )
            if peer.may_send and tls.port is None:
                raise ValueError(
                    f"peers[{index}].tls: is true and it may send, but tls.port is missing: "
                    "it could not call us"
                )
        return value

    def model_post_init(self, _context: object, /) -> None:
        """Tell the peers that speak TLS which files of ours are shown to them."""
        for peer in self.peers:
            peer._secured = self.tls.secured(peer.certificate_name) if peer.tls else None

    def peer(self, name: str) -> Peer | None:
        """The peer of that name."""
        return next((peer for peer in self.peers if peer.name == name), None)


def load(path: Path, *, environment: Mapping[str, str] = os.environ) -> Config:
    """Read the configuration: the file, then the environment over it.

    Raises:
        ConfigError: something is wrong. The message holds every problem on a line of its own, sorted by
            place: ``config.yaml:12:9: node.port: 70000 is not a port (1-65535)``.
    """
    return load_text(text_of(path), path, environment=environment)


def load_text(text: str, path: Path, *, environment: Mapping[str, str] = os.environ) -> Config:
    """As `load`, of a text that stands in the file, or is to: nothing is read.

    Raises:
        ConfigError: see `load`.
    """
    source = parsed(text, path)
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
    return None, problems + [problem for problem in fresh if not (problem.key in NAMED and names)]


def _name_problems(source: Source) -> list[Problem]:
    """Repeated names, also where another mistake keeps a list from being one of peers or destinations."""
    seen: dict[str, str] = {}
    problems = []
    for key, name in _names(source):
        if name in seen:
            text = f"{name!r} is the name of {seen[name]} already"
            problems.append(Problem(place=source.place(key), key=dotted(key), text=text))
        seen.setdefault(name, dotted(key[:-1]))
    return problems


def _names(source: Source) -> list[tuple[Key, str]]:
    entries = [
        ((section, index, "name"), entry.get("name"))
        for section in NAMED
        if isinstance(source.data.get(section), tuple)
        for index, entry in enumerate(source.data[section])
        if isinstance(entry, dict)
    ]
    return [(key, name) for key, name in entries if isinstance(name, str)]
